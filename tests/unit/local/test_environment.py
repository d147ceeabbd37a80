from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from mindtrack_gateway.settings import GatewaySettings, OperationsSettings
from mindtrack_local import environment
from mindtrack_local.config import METRICS_PORTS, Layout
from mindtrack_local.environment import Environment, S3Access, settings_from
from mindtrack_local.issuer import Issuer
from mindtrack_local.s3 import Keys
from mindtrack_shared.settings import JobSettings, LogSettings, StorageSettings, variable
from settings_reference import GROUPS

S3 = S3Access(endpoint="http://127.0.0.1:9000", keys=Keys("key", "secret"))


def make(
    tmp_path: Path, s3: S3Access | None = None, overrides: Mapping[str, str] | None = None
) -> Environment:
    return Environment(
        layout=Layout(tmp_path),
        issuer=Issuer(tmp_path / "issuer"),
        database_url="postgresql://postgres@/mindtrack?host=/run/mindtrack",
        queue_url="redis://127.0.0.1:6380/0",
        s3=s3,
        overrides=overrides or {},
    )


def test_every_variable_is_one_that_some_service_reads(tmp_path: Path) -> None:
    known = {variable(group, name) for group in GROUPS for name in group.model_fields}
    told = make(tmp_path, s3=S3)
    variables = told.for_gateway(8000, METRICS_PORTS) | told.for_inference(tmp_path / "ready")

    assert (variables | told.for_metrics(9464)).keys() <= known


@pytest.mark.parametrize("group", GROUPS)
def test_every_settings_group_can_be_built(group: type[BaseSettings], tmp_path: Path) -> None:
    told = make(tmp_path)
    variables = told.for_gateway(8000, METRICS_PORTS) | told.for_inference(tmp_path / "ready")

    built = settings_from(variables, group)

    assert built.model_fields_set <= group.model_fields.keys()


def test_recordings_lie_in_a_folder(tmp_path: Path) -> None:
    storage = settings_from(make(tmp_path).variables(), StorageSettings)

    assert storage.url == (tmp_path / "recordings").as_uri()
    assert storage.endpoint is None


def test_recordings_lie_behind_s3_when_asked(tmp_path: Path) -> None:
    storage = settings_from(make(tmp_path, s3=S3).variables(), StorageSettings)

    assert storage.url == "s3://mindtrack"
    assert storage.endpoint == S3.endpoint
    assert storage.secret_access_key is not None
    assert storage.secret_access_key.get_secret_value() == "secret"


def test_the_gateway_signs_upload_urls_with_a_secret_that_stays(tmp_path: Path) -> None:
    told = [make(tmp_path).for_gateway(1, {}) for _ in range(2)]
    secrets = [settings_from(variables, GatewaySettings).upload_secret for variables in told]

    assert secrets[0] is not None
    assert secrets[0] == secrets[1]
    assert (tmp_path / "upload-secret").stat().st_mode & 0o777 == 0o600
    assert not any("UPLOAD_SECRET" in name for name in make(tmp_path).variables())


def test_overrides_win(tmp_path: Path) -> None:
    told = make(tmp_path, overrides={"MINDTRACK_JOB_MAX_ATTEMPTS": "7", "MINDTRACK_LOG_FORMAT": "json"})

    assert settings_from(told.variables(), JobSettings).max_attempts == 7
    assert settings_from(told.for_gateway(1, {}), LogSettings).format == "json"


def test_saved_variables_are_private_and_come_back(tmp_path: Path) -> None:
    path = tmp_path / "environment.json"
    assert environment.load(path) is None

    environment.save(path, {"MINDTRACK_QUEUE_URL": "redis://"})

    assert environment.load(path) == {"MINDTRACK_QUEUE_URL": "redis://"}
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_gateway_is_told_where_the_others_tell_what_they_count(tmp_path: Path) -> None:
    told = settings_from(make(tmp_path).for_gateway(1, METRICS_PORTS), OperationsSettings)

    assert {target.service: target.url.port for target in told.targets} == METRICS_PORTS
