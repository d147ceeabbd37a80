"""docker-compose.yml keeps to what operators were promised; each rule is shown to bite."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from typer.testing import CliRunner

from deploy.policies import refusals
from mindtrack_local import dotenv
from mindtrack_local.__main__ import app
from mindtrack_local.issuer import Issuer
from mindtrack_scheduler.audit.chain import Keys as AuditKeys
from mindtrack_shared.sealing.providers import KeyFile
from mindtrack_shared.settings import variable
from settings_reference import GROUPS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
Document = dict[str, Any]
COMPOSE: Document = yaml.safe_load(TEXT)
AIRGAP: Document = yaml.safe_load((ROOT / "deploy/airgap/docker-compose.yml").read_text())

OURS = {
    "migrate",
    "gateway",
    "inference",
    "relay",
    "deliver",
    "beat",
    "maintenance",
    "inference-gpu",
    "trainer",
}
TARGETS = "MINDTRACK_OPERATIONS_TARGETS"
#: Those that answer only once, or for a while.
UNWATCHED = {"migrate", "trainer"}
REFERENCE = re.compile(r"(?<!\$)\$\{(\w+)(?::([-?])([^}]*))?\}")
SECRET = re.compile(r"PASSWORD|SECRET|ACCESS_KEY")
#: Compose asks for what a profile needs even where nobody uses it: the service refuses in its place.
REFUSED_BY_ITS_SERVICE = {"GRAFANA_PASSWORD"}
#: A provider need not give one: PKCE does what it would.
OPTIONAL = {"MINDTRACK_SIGN_IN_CLIENT_SECRET"}


def services(compose: Document) -> Iterator[tuple[str, Document]]:
    yield from compose["services"].items()


# --- Rules ----------------------------------------------------------------------------------------------


def hardened(compose: Document) -> Iterator[str]:
    for name, service in services(compose):
        if not service.get("read_only"):
            yield f"{name} may write to its image"
        if service.get("cap_drop") != ["ALL"] or service.get("security_opt") != ["no-new-privileges:true"]:
            yield f"{name} keeps privileges"
        if name not in OURS and not re.match(r"^[1-9]\d*:", str(service.get("user", ""))):
            yield f"{name} runs as root"
        if "pids_limit" not in service or "logging" not in service:
            yield f"{name} may take all processes, or fill the disk with logs"


def images_pinned(compose: Document) -> Iterator[str]:
    for name, service in services(compose):
        image = REFERENCE.sub(lambda found: found[3] or "", service["image"])
        tag = image.rpartition(":")[2]
        if "/" in tag or tag in {"", "latest"}:
            yield f"{name} takes whatever {image} is today"


def secrets_required(compose: Document) -> Iterator[str]:
    for name, kind, default in REFERENCE.findall(yaml.safe_dump(compose)):
        if name in REFUSED_BY_ITS_SERVICE | OPTIONAL and not default:
            continue
        if SECRET.search(name) and kind != "?":
            yield f"{name} may be left out"


def healthchecks(compose: Document) -> Iterator[str]:
    for name, service in services(compose):
        if name not in OURS and "test" not in service.get("healthcheck", {}):
            yield f"nobody looks whether {name} is well"
        if name in OURS - UNWATCHED and service.get("healthcheck", {}).get("disable"):
            yield f"{name} does not use its image's healthcheck"


def conditions(compose: Document) -> Iterator[str]:
    """What needs something waits until it is there, not until it was started."""
    for name, service in services(compose):
        for needed, condition in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if needed == "migrate" else "service_healthy"
            if condition.get("condition") != wanted:
                yield f"{name} does not wait for {needed}"
        if name in OURS - UNWATCHED and "migrate" not in service.get("depends_on", {}):
            yield f"{name} may start before the tables are there"


#: Networks besides the backend, by who has them.
DOORS = {"gateway": {"frontend"}, "grafana": {"frontend"}, "deliver": {"outside"}}


def one_door(compose: Document) -> Iterator[str]:
    """Only the gateway can be reached, and only from this machine unless somebody says so."""
    for name, service in services(compose):
        ports = service.get("ports", [])
        if ports and name not in {"gateway", "grafana"}:
            yield f"{name} can be reached from outside"
        if any(not port.startswith("${MINDTRACK_ADDRESS:-127.0.0.1}:") for port in ports):
            yield f"{name} listens for everybody"
        if not set(service.get("networks", ["backend"])) <= {"backend", *DOORS.get(name, ())}:
            yield f"{name} can reach what is outside"
    if compose["networks"]["backend"] != {"internal": True}:
        yield "the backend has a way out"


def settings_known(compose: Document) -> Iterator[str]:
    known = {variable(group, field) for group in GROUPS for field in group.model_fields}
    for name, service in services(compose):
        if name not in OURS:
            continue
        for key in service.get("environment", {}):
            if key not in known:
                yield f"{name} is told {key}, which no setting is called"


def settings_accepted(compose: Document) -> Iterator[str]:
    """What each service is told, with an `.env` of `make env`, is what it starts with."""
    values = _new_env()

    def fill(reference: re.Match[str]) -> str:
        name, _, default = reference.groups()
        return values.get(name) or default or ""

    for name, service in services(compose):
        if name in OURS:
            told = {
                key: REFERENCE.sub(fill, str(value)) for key, value in service.get("environment", {}).items()
            }
            yield from (f"{name}: {fault}" for fault in refusals(told))


@cache
def _new_env() -> Mapping[str, str]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / ".env"
        dotenv.write(path, Issuer(Path(folder) / "issuer"), Path(folder) / "keys")
        return _values(path.read_text())


def data_kept(compose: Document) -> Iterator[str]:
    """Data lies in named volumes; what is mounted from here is only read."""
    for name, service in services(compose):
        for volume in service.get("volumes", []):
            source = REFERENCE.sub("/", volume).split(":")[0]
            if source.startswith(("/", ".")) and not volume.endswith(":ro"):
                yield f"{name} writes into this machine's {source}"
            if not source.startswith(("/", ".")) and source not in compose["volumes"]:
                yield f"{name} uses {source}, which is no volume"


def time_to_stop(compose: Document) -> Iterator[str]:
    least = {
        "gateway": 30,
        "inference": 120,
        "relay": 10,
        "deliver": 20,
        "beat": 10,
        "maintenance": 10,
        "postgres": 30,
    }
    for name, seconds in least.items():
        grace = compose["services"][name].get("stop_grace_period", "10s")
        if int(grace.removesuffix("s")) < seconds:
            yield f"{name} is killed after {grace}"


RULES = (
    hardened,
    images_pinned,
    secrets_required,
    healthchecks,
    conditions,
    one_door,
    settings_known,
    settings_accepted,
    data_kept,
    time_to_stop,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_file_keeps_to_every_rule(rule: Callable[[Document], Iterator[str]]) -> None:
    assert list(rule(COMPOSE)) == []


def changed(service: str, **values: object) -> Callable[[Document], None]:
    def change(compose: Document) -> None:
        compose["services"][service].update(values)

    return change


def without(service: str, key: str) -> Callable[[Document], None]:
    def change(compose: Document) -> None:
        compose["services"][service].pop(key)

    return change


NO_TLS = "leaves this machine without TLS: it needs sslmode=verify-full, or MINDTRACK_DATABASE_PLAINTEXT=true"
BROKEN: list[tuple[Callable[[Document], Iterator[str]], Callable[[Document], None], str]] = [
    (hardened, changed("gateway", read_only=False), "gateway may write to its image"),
    (hardened, changed("inference", cap_drop=[]), "inference keeps privileges"),
    (hardened, without("relay", "security_opt"), "relay keeps privileges"),
    (hardened, changed("postgres", user="0:0"), "postgres runs as root"),
    (hardened, without("valkey", "user"), "valkey runs as root"),
    (hardened, without("beat", "logging"), "beat may take all processes, or fill the disk with logs"),
    (
        images_pinned,
        changed("storage", image="chrislusf/seaweedfs"),
        "storage takes whatever chrislusf/seaweedfs is today",
    ),
    (
        images_pinned,
        changed("valkey", image="${V:-valkey:latest}"),
        "valkey takes whatever valkey:latest is today",
    ),
    (
        secrets_required,
        changed("postgres", environment={"A": "${POSTGRES_PASSWORD:-secret}"}),
        "POSTGRES_PASSWORD may be left out",
    ),
    (
        secrets_required,
        changed("grafana", environment={"GF_SECURITY_ADMIN_PASSWORD": "${GRAFANA_PASSWORD:-admin}"}),
        "GRAFANA_PASSWORD may be left out",
    ),
    (healthchecks, without("storage", "healthcheck"), "nobody looks whether storage is well"),
    (
        healthchecks,
        changed("relay", healthcheck={"disable": True}),
        "relay does not use its image's healthcheck",
    ),
    (
        conditions,
        changed("relay", depends_on={"migrate": {"condition": "service_started"}}),
        "relay does not wait for migrate",
    ),
    (conditions, without("gateway", "depends_on"), "gateway may start before the tables are there"),
    (one_door, changed("postgres", ports=["5432:5432"]), "postgres can be reached from outside"),
    (one_door, changed("gateway", ports=["8000:8000"]), "gateway listens for everybody"),
    (one_door, changed("inference", networks=["backend", "frontend"]), "inference can reach what is outside"),
    (one_door, changed("relay", networks=["backend", "outside"]), "relay can reach what is outside"),
    (one_door, changed("deliver", networks=["backend", "frontend"]), "deliver can reach what is outside"),
    (one_door, lambda compose: compose["networks"].update(backend={}), "the backend has a way out"),
    (
        settings_known,
        changed("relay", environment={"MINDTRACK_RELAY": "1"}),
        "relay is told MINDTRACK_RELAY, which no setting is called",
    ),
    (
        settings_accepted,
        lambda compose: compose["services"]["migrate"]["environment"].pop("MINDTRACK_DATABASE_PLAINTEXT"),
        f"migrate: DatabaseSettings: Value error, {NO_TLS}",
    ),
    (data_kept, changed("storage", volumes=["./data:/data"]), "storage writes into this machine's ./data"),
    (data_kept, changed("storage", volumes=["objects:/data"]), "storage uses objects, which is no volume"),
    (one_door, changed("prometheus", ports=["9090:9090"]), "prometheus can be reached from outside"),
    (time_to_stop, without("inference", "stop_grace_period"), "inference is killed after 10s"),
]


@pytest.mark.parametrize(("rule", "break_it", "complaint"), BROKEN, ids=[case[2] for case in BROKEN])
def test_a_rule_finds_what_breaks_it(
    rule: Callable[[Document], Iterator[str]], break_it: Callable[[Document], None], complaint: str
) -> None:
    broken = copy.deepcopy(COMPOSE)
    break_it(broken)

    assert complaint in list(rule(broken))


# --- The profile observability --------------------------------------------------------------------------

OBSERVERS = {"prometheus", "grafana", "jaeger"}
OBSERVABILITY = ROOT / "deploy/observability"


def test_observers_run_only_where_they_are_asked_for() -> None:
    asked = {name for name, service in services(COMPOSE) if service.get("profiles") == ["observability"]}

    assert asked == OBSERVERS


@pytest.mark.parametrize(("password", "starts"), [("", False), ("secret", True)])
def test_grafana_does_not_start_without_a_password(password: str, *, starts: bool, tmp_path: Path) -> None:
    server = tmp_path / "run.sh"
    server.write_text("#!/bin/sh\necho started\n")
    server.chmod(0o755)
    *shell, script = COMPOSE["services"]["grafana"]["entrypoint"]
    script = script.replace("$$", "$").replace("/run.sh", str(server))
    environment = {"PATH": os.environ["PATH"], "GF_SECURITY_ADMIN_PASSWORD": password}
    done = subprocess.run([*shell, script], env=environment, check=False, capture_output=True, text=True)

    assert (done.returncode == 0, done.stdout) == (starts, "started\n" if starts else "")


def test_what_is_mounted_is_there() -> None:
    for name in OBSERVERS:
        for volume in COMPOSE["services"][name]["volumes"]:
            source = volume.split(":")[0]
            assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]


def test_prometheus_asks_services_of_this_file() -> None:
    prometheus = yaml.safe_load((OBSERVABILITY / "prometheus.yml").read_text())
    mounted = {volume.split(":")[1] for volume in COMPOSE["services"]["prometheus"]["volumes"]}
    asked = [
        name
        for job in prometheus["scrape_configs"]
        for discovery in job["dns_sd_configs"]
        for name in discovery["names"]
    ]

    assert set(prometheus["rule_files"]) <= mounted
    assert set(asked) <= OURS
    assert set(asked) >= {"gateway", "inference", "inference-gpu", "relay", "deliver", "maintenance"}


def test_the_gateway_asks_every_service_of_this_file_that_tells_what_it_counts() -> None:
    environments = {name: COMPOSE["services"][name].get("environment", {}) for name in OURS}
    (told,) = (told["MINDTRACK_OPERATIONS_TARGETS"] for told in environments.values() if TARGETS in told)
    urls = [urlsplit(target.partition("=")[2]) for target in json.loads(told)]
    telling = {name for name, told in environments.items() if "MINDTRACK_METRICS_PORT" in told}

    ports = {name: environments[name]["MINDTRACK_METRICS_PORT"] for name in telling}

    assert {url.hostname: url.port for url in urls} == ports | {"gateway": 8000}


def test_grafana_asks_services_of_this_file() -> None:
    datasources = yaml.safe_load((OBSERVABILITY / "grafana/datasources.yaml").read_text())["datasources"]
    (provider,) = yaml.safe_load((OBSERVABILITY / "grafana/dashboards.yaml").read_text())["providers"]
    mounted = {volume.split(":")[1] for volume in COMPOSE["services"]["grafana"]["volumes"]}

    assert {source["url"] for source in datasources} == {"http://prometheus:9090", "http://jaeger:16686"}
    assert provider["options"]["path"] in mounted


JAEGER: Document = yaml.safe_load((OBSERVABILITY / "jaeger.yaml").read_text())


@pytest.mark.parametrize(
    ("attribute", "kept"),
    [
        ("enduser.id", False),
        ("client.address", False),
        ("net.peer.ip", False),
        ("url.query", False),
        ("url.path", False),
        ("user_agent.original", False),
        ("http.request.header.authorization", False),
        ("db.statement", False),
        ("exception.message", False),
        ("http.route", True),
        ("http.request.method", True),
        ("db.system.name", True),
        ("mindtrack.job.id", True),
        ("mindtrack.attempt.outcome", True),
        ("error.type", True),
    ],
)
def test_traces_are_scrubbed_before_they_are_stored(attribute: str, *, kept: bool) -> None:
    (pipeline,) = JAEGER["service"]["pipelines"].values()
    actions = JAEGER["processors"]["attributes/scrub"]["actions"]

    assert "attributes/scrub" in pipeline["processors"]
    assert {action["action"] for action in actions} == {"delete"}
    assert any(re.search(action["pattern"], attribute) for action in actions) is not kept


def test_jaeger_names_no_part_that_it_does_not_configure() -> None:
    (pipeline,) = JAEGER["service"]["pipelines"].values()

    for kind in ("receivers", "processors", "exporters"):
        assert set(pipeline[kind]) == JAEGER[kind].keys()
    assert set(JAEGER["service"]["extensions"]) == JAEGER["extensions"].keys()


# --- .env -----------------------------------------------------------------------------------------------


def test_env_has_every_variable_that_is_read_with_the_same_default() -> None:
    read: dict[str, set[str]] = {}
    for name, kind, default in REFERENCE.findall(TEXT):
        read.setdefault(name, set()).add(default if kind == "-" else "")
    told = {each.name: {each.default or ""} for each in dotenv.VARIABLES}

    assert read == told


def test_the_example_is_what_the_command_prints() -> None:
    printed = CliRunner().invoke(app, ["dotenv", "--example"]).stdout

    assert (ROOT / ".env.example").read_text() == printed


def test_the_example_holds_no_secret() -> None:
    values = _values((ROOT / ".env.example").read_text())

    assert values
    assert set(values.values()) == {""}


def test_secrets_are_new_each_time_and_long(tmp_path: Path) -> None:
    for name in ("one", "two"):
        dotenv.write(tmp_path / name, Issuer(tmp_path / "issuer"), tmp_path / f"keys of {name}")
    one, two = (_values((tmp_path / name).read_text()) for name in ("one", "two"))

    secret = [name for name in one if SECRET.search(name)]
    assert len(secret) == 8
    for name in secret:
        assert re.fullmatch(r"[0-9a-f]{48}", one[name])
        assert one[name] != two[name]
    assert len({one[name] for name in secret}) == 8
    assert (tmp_path / "one").stat().st_mode & 0o077 == 0
    assert Path(one["JWKS_FILE"]).is_file()


def test_keys_are_read_by_containers_and_nobody_else_and_stay(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    for name in ("one", "two"):
        dotenv.write(tmp_path / name, Issuer(tmp_path / "issuer"), keys)
    one, two = (_values((tmp_path / name).read_text()) for name in ("one", "two"))

    names = ("KEY_ENCRYPTION_KEYS_FILE", "AUDIT_KEYS_FILE")
    assert keys.stat().st_mode & 0o777 == 0o700
    assert {Path(one[name]).stat().st_mode & 0o777 for name in names} == {0o444}
    assert [one[name] for name in names] == [two[name] for name in names]
    KeyFile(Path(one[names[0]]))
    AuditKeys.read(Path(one[names[1]]))


def test_an_env_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("precious")

    with pytest.raises(dotenv.DotenvExistsError, match="remove it first"):
        dotenv.write(tmp_path / ".env", Issuer(tmp_path / "issuer"), tmp_path / "keys")

    assert (tmp_path / ".env").read_text() == "precious"


def _values(text: str) -> Mapping[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if line and not line.startswith("#"))


# --- The air-gapped road --------------------------------------------------------------------------------


def test_the_air_gapped_road_replaces_every_server_and_nothing_else() -> None:
    built = re.findall(r'Image\("(mindtrack-airgap/[\w:.]+)"', (ROOT / "deploy/airgap/build.py").read_text())

    assert AIRGAP["services"].keys() == COMPOSE["services"].keys() - OURS - OBSERVERS
    assert {service["image"] for service in AIRGAP["services"].values()} == set(built)
