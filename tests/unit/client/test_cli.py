from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from mindtrack_client import __version__
from mindtrack_client.cli import app
from mindtrack_client.exits import MEANINGS
from unit.client import documents
from unit.client.command import Command, json_lines, run
from unit.client.documents import JOB_ID, USER_ID
from unit.client.fake_gateway import TOKEN, FakeGateway, Reply

JOB_PATH = f"/v1/jobs/{JOB_ID}"
NOW = {"Retry-After": "0"}


def test_watch(command: Command, gateway: FakeGateway) -> None:
    running = Reply(200, documents.job("running", attempt=2), NOW)
    gateway.on("GET", JOB_PATH, running, Reply(200, documents.job("succeeded")))
    result = command("watch", JOB_ID, FORCE_COLOR="1", NO_COLOR="1")
    assert result.exit_code == 0
    assert "Emotion" in result.stdout
    assert "attempt 2" in result.stderr


def test_watch_shows_what_was_measured(command: Command, gateway: FakeGateway) -> None:
    gateway.on("GET", JOB_PATH, Reply(200, documents.job("succeeded")))
    text = " ".join(command("watch", JOB_ID, COLUMNS="120").stdout.split())
    assert "speech 6.1 s (81%), signal to noise 24.6 dB, level -21.4 dBFS, bandwidth unknown" in text
    assert "f0_median_hz 118 Hz +1.3 SD (n = 12)" in text
    assert "pause_ratio 0.214 - response_latency_seconds - -" in text


def test_watch_says_when_the_model_cannot_tell(command: Command, gateway: FakeGateway) -> None:
    gateway.on("GET", JOB_PATH, Reply(200, documents.indeterminate()))
    result = command("watch", JOB_ID)
    assert result.exit_code == 0
    assert "can't tell: the model is too unsure" in result.stdout
    assert "Neutral" not in result.stdout
    assert "0.30" not in result.stdout


def test_what_the_model_cannot_express_is_unknown(command: Command, gateway: FakeGateway) -> None:
    gateway.on("GET", JOB_PATH, Reply(200, documents.partly_known()))
    text = command("watch", JOB_ID).stdout
    assert re.search(r"Stress +unknown", text)
    assert "anxiety unknown, depressive 0.30, baseline unknown" in text


def test_jobs_leave_out_what_nobody_can_tell(command: Command, gateway: FakeGateway) -> None:
    items = [documents.indeterminate(), documents.partly_known()]
    gateway.on("GET", "/v1/jobs", Reply(200, {"items": items, "next_cursor": None}))
    unsure, partly = command("jobs").stdout.splitlines()[1:3]
    assert unsure.split()[3:] == ["succeeded", "can't", "tell", "-"]
    assert partly.split()[3:] == ["succeeded", "Neutral", "-"]
    assert max(len(unsure), len(partly)) <= 80


def test_days_show_an_unknown_index_as_such(command: Command, gateway: FakeGateway) -> None:
    day = documents.day("2026-11-22", 0.9, depressive_mean=None, baseline_mean=None)
    gateway.on("GET", "/v1/users/me/trends", Reply(200, documents.trend(day)))
    (line,) = (line for line in command("trends").stdout.splitlines() if line.startswith("Sun"))
    assert line.split()[-3:] == ["0.10", "-", "-"]


def test_watch_times_out(command: Command, gateway: FakeGateway) -> None:
    gateway.on("GET", JOB_PATH, Reply(200, documents.job("running")))
    result = command("watch", JOB_ID, "--timeout", "0")
    assert result.exit_code == 5
    assert result.stdout == ""
    assert f"job {JOB_ID} is still running" in result.stderr


def test_jobs_keep_whole_ids_in_80_columns(command: Command, gateway: FakeGateway) -> None:
    items = [documents.job("succeeded"), documents.job("canceled")]
    gateway.on("GET", "/v1/jobs", Reply(200, {"items": items, "next_cursor": None}))
    lines = command("jobs").stdout.splitlines()
    assert lines[1].split() == [JOB_ID, "2026-11-22", "16:59", "succeeded", "Neutral", "0.30"]
    assert lines[2].split() == [JOB_ID, "2026-11-22", "16:59", "canceled"]
    assert "not a diagnosis" in lines[3]


def test_jobs_stop_at_the_limit(command: Command, gateway: FakeGateway) -> None:
    page = {"items": [documents.job(), documents.job()], "next_cursor": "more"}
    gateway.on("GET", "/v1/jobs", Reply(200, page))
    result = command("jobs", "--limit", "3", "--status", "queued", "--json")
    assert [document["id"] for document in json_lines(result)] == [JOB_ID] * 3
    assert [asked.query["status"] for asked in gateway.asked] == ["queued", "queued"]


def test_a_pipe_without_unicode_gets_digits(gateway: FakeGateway) -> None:
    trend = documents.trend(documents.day("2026-11-22", 0.9)) | {"notice": "caf\u00e9"}
    gateway.on("GET", "/v1/users/me/trends", Reply(200, trend))
    with gateway.serving() as url:
        runner = CliRunner(charset="ascii", env={"COLUMNS": "80"})
        result = runner.invoke(app, ["--url", url, "--token", TOKEN, "trends"], catch_exceptions=False)
    assert result.exit_code == 0
    assert "|      8|" in result.stdout
    assert "caf?" in result.stdout


def test_no_jobs(command: Command, gateway: FakeGateway) -> None:
    gateway.on("GET", "/v1/jobs", Reply(200, {"items": [], "next_cursor": None}))
    assert command("jobs").stdout == "No jobs.\n"


def test_trends_draw_gaps_and_the_servers_notice_once(command: Command, gateway: FakeGateway) -> None:
    days = [documents.day("2026-11-16", 0.1), documents.day("2026-11-22", 0.9, count=2, stress_sd=0.05)]
    gateway.on("GET", "/v1/users/me/trends", Reply(200, documents.trend(*days)))
    result = command("trends")
    assert result.exit_code == 0
    assert "|▁     █|" in result.stdout
    assert "2 recordings, mean 0.50, latest 0.90" in result.stdout
    assert "Sun 2026-11-22" in result.stdout
    assert result.stdout.count("not a diagnosis") == 1
    assert "the server's words" in result.stdout


def test_trends_say_where_a_measure_stands(command: Command, gateway: FakeGateway) -> None:
    unknown = documents.measure_trend(measure="f0_median_hz", status="calibrating", baseline=None, caveats=[])
    unknown["calibration"] = unknown["calibration"] | {
        "complete": False,
        "span_days": {"have": 3, "need": 14},
    }
    gateway.on(
        "GET",
        "/v1/users/me/trends",
        Reply(200, documents.trend() | {"measures": [documents.measure_trend(), unknown]}),
    )
    told = command("trends", "--measure", "stress_score", "--measure", "f0_median_hz").stdout
    assert "stress score: above, usually 0.1 to 0.35, rising, 5 of 7 days recorded" in told
    assert "What happened meanwhile is not known." in told
    assert "f0 median hz: calibrating, 3 of 14 days, 5 of 7 days recorded" in told


def test_trends_of_someone_else_as_json(command: Command, gateway: FakeGateway) -> None:
    gateway.on("GET", f"/v1/users/{USER_ID}/trends", Reply(200, documents.trend()))
    result = command("trends", "--user", USER_ID, "--days", "7", "--json")
    assert json_lines(result) == [documents.trend() | {"measures": []}]


def test_trends_without_recordings(command: Command, gateway: FakeGateway) -> None:
    gateway.on("GET", "/v1/users/me/trends", Reply(200, documents.trend()))
    assert "No recordings that count from 2026-11-16 to 2026-11-22." in command("trends").stdout


def test_the_server_says_no(command: Command, gateway: FakeGateway) -> None:
    gateway.on("GET", "/v1/users/me/trends", Reply(401, documents.problem(401, "Unauthorized")))
    result = command("trends", "--json")
    assert result.exit_code == 3
    assert result.stdout == ""
    assert result.stderr == "Unauthorized (401): Because.\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--token", TOKEN, "jobs"], "MINDTRACK_URL"),
        (["--url", "http://gateway.test", "jobs"], "MINDTRACK_TOKEN"),
        (["--url", "gateway.test", "--token", TOKEN, "jobs"], "must start with http"),
        (["submit", "no-such-file.wav"], "no-such-file.wav"),
        (["submit"], "Missing argument"),
        (["watch", "not-an-id"], "valid UUID"),
        (["trends", "--user", "somebody"], "must be a user's id"),
        (["trends", "--days", "0"], "greater than or equal to 1"),
        (["jobs", "--status", "done"], "done"),
    ],
)
def test_wrong_usage_is_explained(arguments: list[str], words: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_version() -> None:
    assert run("--version").stdout == f"mindtrack {__version__}\n"


def test_help_lists_every_exit_code() -> None:
    text = run("--help").stdout
    for code, meaning in MEANINGS.items():
        assert f"{code.value}  {meaning}" in text
