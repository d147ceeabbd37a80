from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from mindtrack_inference.settings import InferenceSettings
from mindtrack_shared.domain.jobs import Priority
from mindtrack_shared.settings import DatabaseSettings, JobSettings, QueueSettings, StorageSettings
from settings_reference import GROUPS, reference

REFERENCE = Path(__file__).parents[3] / "docs" / "settings.md"


def test_the_reference_lists_what_the_classes_say() -> None:
    assert REFERENCE.read_text() == reference(), "run `make settings`"


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
def test_every_field_is_explained_in_a_sentence(group: type[DatabaseSettings]) -> None:
    for name, field in group.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name


def test_fields_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINDTRACK_JOB_LEASE", "90")
    monkeypatch.setenv("MINDTRACK_JOB_HEARTBEAT", "PT20S")

    settings = JobSettings()

    assert settings.lease == timedelta(seconds=90)
    assert settings.heartbeat == timedelta(seconds=20)


def test_a_worker_may_serve_one_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    assert InferenceSettings().lanes == (Priority.INTERACTIVE, Priority.BULK)

    monkeypatch.setenv("MINDTRACK_INFERENCE_LANES", '["bulk"]')

    assert InferenceSettings().lanes == (Priority.BULK,)


@pytest.mark.parametrize(
    ("lanes", "reason"),
    [([], "at least 1 item"), (["bulk", "bulk"], "each lane once"), (["urgent"], "'interactive' or 'bulk'")],
)
def test_lanes_that_make_no_sense_are_refused(lanes: list[str], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        InferenceSettings.model_validate({"lanes": lanes})


def test_a_heartbeat_that_one_delay_could_outlast_is_refused() -> None:
    with pytest.raises(ValidationError, match="at most a third"):
        JobSettings(lease=timedelta(seconds=30), heartbeat=timedelta(seconds=15))


def test_secrets_do_not_show() -> None:
    settings = DatabaseSettings.model_validate({"url": "postgresql://user:hunter2@localhost/db"})

    assert "hunter2" not in repr(settings)


ENCRYPTED = [
    (DatabaseSettings, "url", "postgresql://u:p@/mindtrack?host=/run/postgresql"),
    (DatabaseSettings, "url", "postgresql:///mindtrack"),
    (DatabaseSettings, "url", "postgresql://u:p@127.0.0.1:5432/mindtrack"),
    (DatabaseSettings, "url", "postgresql://u:p@[::1]/mindtrack"),
    (DatabaseSettings, "url", "postgresql://u:p@db.example.org/mindtrack?sslmode=verify-full"),
    (DatabaseSettings, "url", "postgresql://u:p@a.example.org,b.example.org/mindtrack?sslmode=verify-full"),
    (QueueSettings, "url", "redis://localhost:6379/0"),
    (QueueSettings, "url", "unix:///run/valkey.sock"),
    (QueueSettings, "url", "rediss://:p@valkey.example.org/0"),
    (QueueSettings, "url", "rediss://:p@valkey.example.org/0?ssl_cert_reqs=required&ssl_ca_certs=/ca.pem"),
    (StorageSettings, "url", "file:///var/recordings"),
    (StorageSettings, "url", "s3://recordings"),
    (StorageSettings, "endpoint", "https://s3.example.org"),
    (StorageSettings, "endpoint", "http://127.0.0.1:9000"),
    (StorageSettings, "public_endpoint", "https://s3.example.org"),
]
PLAIN = [
    (DatabaseSettings, "url", "postgresql://u:p@db.example.org/mindtrack"),
    (DatabaseSettings, "url", "postgresql://u:p@10.0.0.1/mindtrack"),
    (DatabaseSettings, "url", "postgresql://u:p@db.example.org/mindtrack?sslmode=require"),
    (DatabaseSettings, "url", "postgresql://u:p@db.example.org/mindtrack?sslmode=verify-ca"),
    (DatabaseSettings, "url", "postgresql://u:p@/mindtrack?host=db.example.org"),
    (DatabaseSettings, "url", "postgresql://u:p@127.0.0.1,db.example.org/mindtrack"),
    (DatabaseSettings, "url", "postgresql://u:p@localhost/mindtrack?host=/run,db.example.org"),
    (QueueSettings, "url", "redis://:p@valkey.example.org/0"),
    (QueueSettings, "url", "rediss://:p@valkey.example.org/0?ssl_cert_reqs=none"),
    (QueueSettings, "url", "rediss://:p@valkey.example.org/0?ssl_check_hostname=false"),
    (StorageSettings, "endpoint", "http://s3.example.org"),
    (StorageSettings, "public_endpoint", "http://s3.example.org"),
]


def connecting(group: type[DatabaseSettings], field: str, url: str, **more: object) -> DatabaseSettings:
    return group.model_validate({"url": "s3://recordings", field: url, **more})


@pytest.mark.parametrize(("group", "field", "url"), ENCRYPTED)
def test_what_is_encrypted_or_stays_here_is_accepted(
    group: type[DatabaseSettings], field: str, url: str
) -> None:
    assert connecting(group, field, url).plaintext is False


@pytest.mark.parametrize(("group", "field", "url"), PLAIN)
def test_plaintext_leaves_this_machine_only_when_told(
    group: type[DatabaseSettings], field: str, url: str
) -> None:
    with pytest.raises(ValidationError, match="leaves this machine without TLS") as raised:
        connecting(group, field, url)
    assert url not in str(raised.value)
    assert connecting(group, field, url, plaintext=True).plaintext is True
