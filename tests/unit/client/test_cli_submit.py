from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from mindtrack_client import batch
from unit.client import documents
from unit.client.command import Command, json_lines, run
from unit.client.documents import JOB_ID
from unit.client.fake_gateway import TOKEN, FakeGateway, Reply

JOB_PATH = f"/v1/jobs/{JOB_ID}"
NOW = {"Retry-After": "0"}


def test_submit_waits_and_shows_the_result_with_one_notice(
    command: Command,
    accepted: FakeGateway,
    recording: Path,
) -> None:
    running = Reply(200, documents.job("running"), NOW)
    accepted.on("GET", JOB_PATH, running, Reply(200, documents.job("succeeded")))
    result = command("submit", str(recording))
    assert result.exit_code == 0
    for words in ("Analysed  today.m4a", "2026-11-22 16:59 +0900 Asia/Tokyo", "Neutral (50%)", "0.30 of 1"):
        assert words in result.stdout
    assert result.stdout.count("not a diagnosis") == 1
    assert result.stderr == ""


def test_submit_without_waiting_says_how_to_go_on(
    command: Command,
    accepted: FakeGateway,
    recording: Path,
) -> None:
    result = command("submit", "--no-wait", str(recording))
    assert result.exit_code == 0
    assert "Queued" in result.stdout
    assert f"mindtrack watch {JOB_ID}" in result.stderr
    assert [asked.method for asked in accepted.asked] == ["POST"]


@pytest.mark.parametrize("where", ["before", "after"])
def test_json_is_one_document_and_nothing_else(
    command: Command,
    accepted: FakeGateway,
    recording: Path,
    where: str,
) -> None:
    accepted.on("GET", JOB_PATH, Reply(200, documents.job("succeeded")))
    arguments = ["submit", str(recording)]
    arguments.insert(0 if where == "before" else 1, "--json")
    # As on a terminal: progress shows, but never on stdout.
    result = command(*arguments, FORCE_COLOR="1")
    assert result.exit_code == 0
    (document,) = json_lines(result)
    assert document["analysis"]["stress_score"] == 0.3
    assert "today.m4a" in result.stderr


def test_names_and_servers_words_are_no_markup(
    command: Command,
    accepted: FakeGateway,
    tmp_path: Path,
) -> None:
    name, advice = "[bold][red]a].wav", "Please speak [bold]louder[/bold]."
    (tmp_path / name).write_bytes(b"x")
    document = documents.rejected()
    document["problem"]["detail"] = advice
    accepted.on("GET", JOB_PATH, Reply(200, document))
    result = command("submit", str(tmp_path / name), FORCE_COLOR="1")
    assert name in result.stdout
    assert advice in result.stdout
    assert name in result.stderr


def test_a_rejected_job_is_told_neutrally(
    command: Command,
    accepted: FakeGateway,
    recording: Path,
) -> None:
    accepted.on("GET", JOB_PATH, Reply(200, documents.rejected()))
    result = command("submit", str(recording))
    assert result.exit_code == 1
    assert "Not analysed  today.m4a" in result.stdout
    assert "Please speak a little longer." in result.stdout
    assert "2.32 s, needed at least 4 s" in result.stdout
    assert "rror" not in result.output


@pytest.mark.parametrize(
    ("figures", "line"),
    [
        ({"measured": 0.23, "needed": 0.1, "unit": "share"}, "Measured 23.0%, needed at most 10.0%"),
        ({"measured": None, "needed": 300.0, "unit": "s"}, "Limit 300 s"),
        ({"measured": None, "needed": None, "unit": None}, "Code too_short"),
    ],
    ids=["limit", "not measured", "nothing to measure"],
)
def test_figures_say_on_which_side_of_them_a_recording_must_lie(
    command: Command, accepted: FakeGateway, recording: Path, figures: dict[str, Any], line: str
) -> None:
    document = documents.rejected()
    document["problem"] |= figures
    accepted.on("GET", JOB_PATH, Reply(200, document))
    text = " ".join(command("submit", str(recording)).stdout.split())
    assert line in text
    assert ("Measured" in text) == (figures["measured"] is not None)


def test_several_recordings_each_get_their_answer_and_the_highest_code_counts(
    command: Command,
    gateway: FakeGateway,
    recording: Path,
    tmp_path: Path,
) -> None:
    other = tmp_path / "other.wav"
    other.write_bytes(b"x")
    gateway.on(
        "POST",
        "/v1/jobs",
        Reply(413, documents.problem(413, "Too large", errors=[{"field": "file", "detail": "9 GB"}])),
        Reply(202, documents.job(), NOW),
    )
    gateway.on("GET", JOB_PATH, Reply(200, documents.rejected()))
    result = command("submit", str(recording), str(other))
    assert result.exit_code == 3
    assert result.stderr == "today.m4a: Too large (413): Because. (file: 9 GB)\n"
    assert "Not analysed  other.wav" in result.stdout


def test_a_wait_that_times_out_says_how_to_resume(
    command: Command,
    accepted: FakeGateway,
    recording: Path,
) -> None:
    accepted.on("GET", JOB_PATH, Reply(200, documents.job("running"), NOW))
    result = command("submit", "--json", "--timeout", "0", str(recording))
    assert result.exit_code == 5
    assert [document["status"] for document in json_lines(result)] == ["running"]
    assert f"mindtrack watch {JOB_ID}" in result.stderr


def test_trouble_while_waiting_loses_no_job(
    command: Command,
    accepted: FakeGateway,
    recording: Path,
) -> None:
    accepted.on("GET", JOB_PATH, Reply(500, documents.problem(500, "Internal Server Error")))
    result = command("submit", str(recording))
    assert result.exit_code == 3
    assert "today.m4a: Internal Server Error (500)" in result.stderr
    assert f"mindtrack watch {JOB_ID}" in result.stderr


def test_interrupting_loses_no_job(
    command: Command,
    accepted: FakeGateway,
    recording: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(batch, "wait", interrupt)
    result = command("submit", str(recording))
    assert result.exit_code == 130
    assert f"mindtrack watch {JOB_ID}" in result.stderr


@pytest.mark.parametrize(
    ("moment", "sent"),
    [
        ("2026-11-22T08:30", b"2026-11-22T08:30:00+09:00"),
        ("2026-11-22 08:30+02:00", b"2026-11-22T08:30:00+02:00"),
    ],
)
def test_recorded_at_without_offset_counts_in_the_time_zone(
    command: Command,
    accepted: FakeGateway,
    recording: Path,
    moment: str,
    sent: bytes,
) -> None:
    arguments = ("submit", "--no-wait", "--recorded-at", moment, str(recording))
    result = command(*arguments, MINDTRACK_TIME_ZONE="Asia/Tokyo")
    assert result.exit_code == 0
    assert sent in accepted.asked[0].body
    assert b"Asia/Tokyo" in accepted.asked[0].body


def test_the_end_of_the_prompt_goes_along(command: Command, accepted: FakeGateway, recording: Path) -> None:
    times = ("--recorded-at", "2026-11-22T08:30Z", "--prompt-ended-at", "2026-11-22T08:30:01.5Z")
    result = command("submit", "--no-wait", *times, str(recording))
    assert result.exit_code == 0
    assert b"2026-11-22T08:30:01.500000+00:00" in accepted.asked[0].body


def test_the_priority_goes_along(command: Command, accepted: FakeGateway, recording: Path) -> None:
    result = command("submit", "--no-wait", "--priority", "bulk", str(recording))
    assert result.exit_code == 0
    assert b'name="priority"\r\n\r\nbulk\r\n' in accepted.asked[0].body


def test_nobody_listens(recording: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound but not listening: refused, and nobody else gets it
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        result = run("--url", url, "--token", TOKEN, "--attempts", "1", "submit", str(recording))
    assert result.exit_code == 4
    assert f"today.m4a: no answer from {url}" in result.stderr
    assert TOKEN not in result.output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--recorded-at", "yesterday"], "not an ISO 8601 time"),
        (["--recorded-at", "2026-11-22", "--time-zone", "Mars/Base"], "unknown time zone"),
        (["--recorded-at", "2026-11-22", "SECOND"], "one recording at a time"),
        (["--prompt-ended-at", "2026-11-22T08:30Z"], "needs --recorded-at"),
        (["--recorded-at", "2026-11-22", "--prompt-ended-at", "soon"], "not an ISO 8601 time: soon"),
    ],
)
def test_times_that_make_no_sense(recording: Path, options: list[str], words: str) -> None:
    arguments = [str(recording) if option == "SECOND" else option for option in options]
    result = run("submit", *arguments, str(recording))
    assert result.exit_code == 2
    assert words in result.stderr
