"""Canaries go in wherever people's data do, and come out nowhere: not in logs, metrics, traces, Valkey,
temporary files or command lines.

Allowed are ids. A line of a log may name a person by id, and a job; it never holds a score beside a person's
id. Metrics, traces and Valkey name no person at all.
"""

from __future__ import annotations

import base64
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Gauge, start_http_server
from redis import Redis

from e2e.every_path import Drive
from leaks import LOOK_EVERY, Canaries, Commands, Watch, files, live_keys, overheard, pages
from mindtrack_client import JobStatus
from mindtrack_local.config import StackConfig
from mindtrack_local.stack import Stack
from mindtrack_shared.observability.otlp import Collector
from mindtrack_shared.observability.traces import Span
from otlp_receiver import receiving
from webhook_receiver import receiving as taking_webhooks

#: For the system to start, and all of it to be driven, on a busy machine.
pytestmark = pytest.mark.timeout(600)

#: Digits that tell a score from other numbers.
DIGITS = 6
#: Sinks that name no person.
NAMELESS = ("metrics", "traces", "keys", "commands", "files of Valkey")


@dataclass
class Evidence:
    drive: Drive
    sinks: dict[str, list[bytes]]
    #: Put straight into each sink, by the sink.
    planted: dict[str, Canaries]
    user_ids: list[str]
    looks: int


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """Run a system, drive it along all paths, plant a canary in each sink, and keep what the sinks hold."""
    folder = tmp_path_factory.mktemp("leaks")
    temporary, recordings, var = folder / "tmp", folder / "recordings", folder / "var"
    recordings.mkdir()
    temporary.mkdir()
    commands, watch = Commands(), Watch(temporary)
    with ExitStack() as around:
        traces = around.enter_context(receiving())
        hooks = around.enter_context(taking_webhooks())
        nobody = around.enter_context(socket.socket())  # bound, and not listening
        nobody.bind(("127.0.0.1", 0))
        stack = Stack(_config(var, temporary, traces.endpoint, nobody.getsockname()[1]))
        with stack, watch.watching():
            drive = Drive(stack, recordings, hooks, nobody.getsockname()[1])
            with overheard(stack.queue_url, commands):
                drive.everything()
            targets = [f"{stack.base_url}/metrics"]
            targets += [f"http://127.0.0.1:{port}/metrics" for port in stack.metrics_ports.values()]
            with overheard(stack.queue_url, commands), ExitStack() as plants:
                plant = Plant(stack, temporary, targets, traces.endpoint, plants)
                planted = {sink: Canaries() for sink in PLANTED}
                for sink, canaries in planted.items():
                    plant.leak(sink, canaries.new(f"planted in {sink}"))
                with Redis.from_url(stack.queue_url) as redis:
                    keys = list(live_keys(redis))
                metrics = list(pages(targets))
                watch.look()
            user_ids = drive.user_ids()
        # Stopped services have sent and written all that they had.
        logs = {f"log of {path.stem}": [path.read_bytes()] for path in sorted((var / "log").iterdir())}
        sinks = {
            **logs,
            "keys": keys,
            "commands": commands.heard,
            "files of Valkey": list(files(var / "valkey")),
            "metrics": metrics,
            "traces": list(traces.bodies),
            "temporary files": [*watch.files, *files(temporary)],
            "command lines": list(watch.command_lines),
            "files of processes": list(files(var / "run")),
        }
    return Evidence(drive, sinks, planted, user_ids, watch.looks)


def _config(var: Path, temporary: Path, collector: str, nobody: int) -> StackConfig:
    channels = {"MINDTRACK_NOTIFY_CHANNELS": '["email", "push"]'}
    away = {
        "MINDTRACK_NOTIFY_EMAIL_URL": f"mailto://127.0.0.1:{nobody}?from=a@b.org&mode=insecure&to={{address}}",
        "MINDTRACK_NOTIFY_PUSH_URL": f"ntfy://127.0.0.1:{nobody}/{{address}}",
    }
    return StackConfig(
        var=var,
        storage="s3",
        durable=True,  # Valkey writes down every command
        settings_overrides={
            "TMPDIR": str(temporary),
            "MINDTRACK_LOG_FORMAT": "json",
            "MINDTRACK_LOG_LEVEL": "DEBUG",
            "MINDTRACK_JOB_MAX_ATTEMPTS": "2",
            "MINDTRACK_TRACING_ENDPOINT": collector,
        },
        service_overrides={"gateway": channels, "deliver": channels | away},
    )


#: In Python: a temporary file without a name.
HOLD_A_DELETED_FILE = """
import sys, tempfile, time
file = tempfile.TemporaryFile(dir=sys.argv[1])
file.write(sys.stdin.buffer.read())
file.flush()
time.sleep(60)
"""
#: Each with a way of its own to leak into.
PLANTED = (
    "log of gateway",
    "keys",
    "commands",
    "files of Valkey",
    "metrics",
    "traces",
    "temporary files",
    "deleted files",
    "command lines",
)


@dataclass
class Plant:
    """Leaks into sinks what nothing else holds."""

    stack: Stack
    temporary: Path
    targets: list[str]
    collector: str
    #: What has to go on until all was looked at.
    held: ExitStack

    def leak(self, sink: str, leaked: str) -> None:
        redis = self.held.enter_context(Redis.from_url(self.stack.queue_url))
        match sink:
            case "log of gateway":
                Path(f"/proc/{self.stack.process('gateway').pid}/fd/2").write_text(
                    f"{leaked}\n", encoding="utf-8"
                )
            case "keys":
                redis.hset("leak", "field", leaked)
            case "commands":
                redis.publish("leak", base64.b64encode(f"[{leaked}]".encode()))
            case "files of Valkey":
                redis.set("leak-for-a-moment", leaked)
                redis.delete("leak-for-a-moment")
            case "metrics":
                registry = CollectorRegistry()
                Gauge("leak", "A leak.", ["person"], registry=registry).labels(leaked).set(1)
                server, _ = start_http_server(0, "127.0.0.1", registry)
                self.held.callback(server.server_close)
                self.held.callback(server.shutdown)
                self.targets.append(f"http://127.0.0.1:{server.server_port}/metrics")
            case "traces":
                spans = Collector(self.collector, service="leak")
                began = time.time_ns()
                attributes = {"person": leaked}
                spans.write(
                    Span(
                        name="leak",
                        trace_id=1,
                        parent_id=None,
                        began=began,
                        ended=began,
                        attributes=attributes,
                    )
                )
                spans.close()
            case "temporary files":
                path = self.temporary / "leak"
                path.write_text(leaked, encoding="utf-8")
                time.sleep(10 * LOOK_EVERY)
                path.unlink()
            case "deleted files":
                process = self.held.enter_context(
                    subprocess.Popen(
                        [sys.executable, "-c", HOLD_A_DELETED_FILE, str(self.temporary)],
                        stdin=subprocess.PIPE,
                    )
                )
                self.held.callback(process.kill)
                assert process.stdin is not None
                process.stdin.write(leaked.encode())
                process.stdin.close()
                time.sleep(2)
            case "command lines":
                process = self.held.enter_context(
                    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", leaked])
                )
                self.held.callback(process.kill)
                time.sleep(10 * LOOK_EVERY)


def test_nothing_leaks(evidence: Evidence, capsys: pytest.CaptureFixture[str]) -> None:
    drive, sinks = evidence.drive, evidence.sinks
    paths = {(method, _template(path), status) for method, path, status in drive.answers}
    looked_through = sum(len(each) for contents in sinks.values() for each in contents)
    with capsys.disabled():
        print(  # noqa: T201 - the figure is what the test is for
            f"\n{len(drive.canaries.places)} canaries; {len(drive.answers)} requests along {len(paths)} "
            f"paths (method, route, status), all {len(drive.asked)} routes of the API, "
            f"{len(drive.jobs)} jobs; {len(sinks)} sinks, {looked_through:,} bytes"
        )
    assert drive.canaries.found_in(sinks) == []


def test_metrics_traces_and_valkey_name_nobody(evidence: Evidence) -> None:
    people = Canaries(dict.fromkeys(evidence.user_ids, "a person's id"))
    assert people.places
    assert people.found_in({sink: evidence.sinks[sink] for sink in NAMELESS}) == []


def test_no_line_of_a_log_holds_a_score_beside_a_person(evidence: Evidence) -> None:
    assert evidence.drive.scores
    assert list(_scored(_lines(evidence), evidence.user_ids, evidence.drive.scores)) == []


def test_a_score_beside_a_person_is_found() -> None:
    lines = ['{"user_id": "u1", "stress": 0.7312500001}', '{"user_id": "u1"}', '{"seconds": 0.73125}']
    assert list(_scored(lines, ["u1"], [0.73125])) == lines[:1]


def test_the_sinks_are_those_of_this_run(evidence: Evidence) -> None:
    """Silence proves nothing where nobody spoke: each sink holds what it should."""
    sinks = {sink: b"\n".join(contents) for sink, contents in evidence.sinks.items()}
    job = next(iter(evidence.drive.jobs))
    statuses = {status for _, _, status in evidence.drive.answers}
    assert statuses >= {200, 201, 202, 303, 401, 404, 422, 500, 503}
    assert set(evidence.drive.jobs.values()) == {JobStatus.SUCCEEDED, JobStatus.REJECTED, JobStatus.FAILED}
    assert job.encode() in sinks["log of gateway"]
    assert job.encode() in sinks["log of inference"]
    for event, service in (
        (b"request_failed", "gateway"),
        (b"attempt_failed", "inference"),
        (b"webhook_attempted", "deliver"),
        (b"notification_attempted", "deliver"),
        (b"database_unavailable", "relay"),
        (b"broker_unavailable", "relay"),
    ):
        assert event in sinks[f"log of {service}"], event
    assert b"mindtrack.job.status" in sinks["traces"]
    assert b"mindtrack_http_request_seconds_count" in sinks["metrics"]
    assert b"PUBLISH" in sinks["commands"].upper()
    assert b"LPUSH" in sinks["files of Valkey"]
    assert evidence.looks > 100


def test_every_line_is_one_of_ours(evidence: Evidence) -> None:
    """What services write past the log would be no JSON. Celery says a word when it is told to stop."""
    odd = [
        line
        for service in ("gateway", "inference", "relay", "deliver", "beat", "maintenance", "migrate")
        for line in evidence.sinks[f"log of {service}"][0].decode().splitlines()
        if line and not line.startswith(("{", "worker: ")) and "canary-" not in line
    ]
    assert odd == []


def test_nothing_had_to_be_withheld(evidence: Evidence) -> None:
    """Our own lines hold declared fields only, so that operators miss none."""
    lines = [json.loads(line) for line in _lines(evidence) if line.startswith("{")]
    assert [line for line in lines if line.get("withheld") and line["event"] != "library_spoke"] == []
    assert [line for line in lines if line["event"] == "undeclared_event"] == []


def test_what_is_planted_in_a_sink_is_found_there(evidence: Evidence) -> None:
    for sink, canaries in evidence.planted.items():
        found = canaries.found_in({sink: evidence.sinks[sink.replace("deleted", "temporary")]})
        assert found, f"a leak into {sink} would not be noticed"


@pytest.mark.parametrize("written", [str.encode, lambda text: text.encode().hex().encode()])
def test_canaries_are_found_however_they_are_written(written: Callable[[str], bytes]) -> None:
    canaries = Canaries()
    value = canaries.new("somewhere")
    assert canaries.found_in({"sink": [b"before " + written(value) + b" after"]})
    for before in ("", "a", "ab", "abc"):
        assert canaries.found_in({"sink": [base64.b64encode(f"{before}{value}, after".encode())]})
    assert canaries.found_in({"sink": [b"canary-000000000000"]}) == []


def _lines(evidence: Evidence) -> Iterator[str]:
    for sink, contents in evidence.sinks.items():
        if sink.startswith("log of ") and sink != "log of postgres":
            yield from b"\n".join(contents).decode(errors="backslashreplace").splitlines()


def _scored(lines: Iterable[str], user_ids: list[str], scores: list[float]) -> Iterator[str]:
    # Whatever was rounded after.
    digits = [f"{score:.{DIGITS}f}"[:-1] for score in scores]
    for line in lines:
        if any(user_id in line for user_id in user_ids) and any(each in line for each in digits):
            yield line


def _template(path: str) -> str:
    """Put a path as its route has it, near enough to count."""
    return re.sub(r"canary-[0-9a-f]{12}|[0-9a-f]{8}-[0-9a-f-]{27}", "*", path)
