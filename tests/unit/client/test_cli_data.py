from __future__ import annotations

import hashlib
import json
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest

from unit.client import documents
from unit.client.command import Command, json_lines
from unit.client.documents import JOB_ID
from unit.client.fake_gateway import FakeGateway, Reply

JOB_PATH = f"/v1/jobs/{JOB_ID}"
IDS = [JOB_ID, *(f"01890a5d-ac96-774b-bcce-b302099a805{digit}" for digit in "65")]


def listing(*items: dict[str, Any], more: str | None = None) -> Reply:
    return Reply(200, {"items": list(items), "next_cursor": more})


class TestHistory:
    def test_shows_scores(self, command: Command, gateway: FakeGateway) -> None:
        items = [documents.job("succeeded"), documents.indeterminate(), documents.rejected()]
        gateway.on("GET", "/v1/jobs", listing(*items))
        heading, scores, unsure, rejected, notice = command("history").stdout.splitlines()
        assert heading.split() == [
            "Recorded", "Status", "Emotion", "Stress", "Anxiety", "Depressive", "Baseline",
        ]  # fmt: skip
        assert scores.split() == [
            "2026-11-22", "16:59", "succeeded", "Neutral", "0.30", "0.10", "0.10", "0.60",
        ]  # fmt: skip
        assert unsure.split()[2:] == ["succeeded", "can't", "tell", "-", "-", "-", "-"]
        assert rejected.split() == ["2026-11-22", "16:59", "rejected"]
        assert max(map(len, (heading, scores))) <= 80
        assert "not a diagnosis" in notice

    def test_goes_through_every_page_or_up_to_the_limit(self, command: Command, gateway: FakeGateway) -> None:
        gateway.on("GET", "/v1/jobs", listing(*[documents.job()] * 2, more="c"), listing(documents.job()))
        assert len(json_lines(command("history", "--json"))) == 3
        assert [asked.query for asked in gateway.asked] == [{"limit": "100"}, {"limit": "100", "cursor": "c"}]
        gateway.on("GET", "/v1/jobs", listing(*[documents.job()] * 2, more="c"), listing(documents.job()))
        assert len(json_lines(command("history", "--json", "--limit", "1"))) == 1

    def test_a_time_counts_also_where_the_server_passes_it_over(
        self, command: Command, gateway: FakeGateway
    ) -> None:
        items = [
            documents.job(created_at=f"2026-11-{day}T08:00:00Z", status="queued") for day in (24, 23, 22, 21)
        ]
        gateway.on("GET", "/v1/jobs", listing(*items, more="c"))
        times = ("--since", "2026-11-22", "--until", "2026-11-24T08:00Z", "--time-zone", "Asia/Tokyo")
        found = json_lines(command("history", "--json", "--status", "queued", *times))
        assert [job["created_at"] for job in found] == ["2026-11-23T08:00:00Z", "2026-11-22T08:00:00Z"]
        (asked,) = gateway.asked
        assert asked.query == {
            "limit": "100",
            "status": "queued",
            "created_after": "2026-11-22T00:00:00+09:00",
            "created_before": "2026-11-24T08:00:00+00:00",
        }

    def test_without_recordings(self, command: Command, gateway: FakeGateway) -> None:
        gateway.on("GET", "/v1/jobs", listing())
        assert command("history").stdout == "No recordings.\n"

    def test_a_time_that_makes_no_sense(self, command: Command) -> None:
        assert command("history", "--since", "yesterday").exit_code == 2


class TestDelete:
    def test_asks_first(self, command: Command, gateway: FakeGateway) -> None:
        gateway.on("DELETE", JOB_PATH, Reply(200, documents.receipt()))
        result = command("delete", JOB_ID)  # nobody answers
        assert result.exit_code == 1
        assert "its recording and its analysis?" in result.stderr
        assert gateway.asked == []

    def test_tells_people_and_programs(self, command: Command, gateway: FakeGateway) -> None:
        gateway.on("DELETE", JOB_PATH, Reply(200, documents.receipt()))
        told = f"Deleted {JOB_ID}; receipt {documents.receipt()['receipt_id']}.\n"
        assert command("delete", "--yes", JOB_ID).stdout == told
        assert json_lines(command("delete", "-y", "--json", JOB_ID)) == [documents.receipt()]

    def test_tells_of_audio_that_is_deleted_later(self, command: Command, gateway: FakeGateway) -> None:
        gateway.on("DELETE", JOB_PATH, Reply(200, documents.receipt(audio_deleted_at=None)))
        assert "deleted as soon as storage answers" in command("delete", "--yes", JOB_ID).stdout

    def test_of_what_is_not_there(self, command: Command, gateway: FakeGateway) -> None:
        gateway.on("DELETE", JOB_PATH, Reply(404, documents.problem(404, "Not Found")))
        result = command("delete", "--yes", JOB_ID)
        assert result.exit_code == 3
        assert result.stderr == "Not Found (404): Because.\n"


class TestErase:
    PATH = "/v1/users/me"

    def test_asks_first(self, command: Command, gateway: FakeGateway) -> None:
        result = command("erase")  # nobody answers
        assert result.exit_code == 1
        assert "notes about you?" in result.stderr
        assert gateway.asked == []

    def test_tells_people_and_programs(self, command: Command, gateway: FakeGateway) -> None:
        gateway.on("DELETE", self.PATH, Reply(200, documents.erasure()))
        receipt = documents.erasure()["receipt_id"]
        assert command("erase", "--yes").stdout == f"Erased 12 recordings, 1 notes; receipt {receipt}.\n"
        assert json_lines(command("erase", "-y", "--json")) == [documents.erasure()]
        assert [json.loads(asked.body) for asked in gateway.asked] == [{"confirm": "erase everything"}] * 2

    def test_tells_of_audio_that_is_deleted_later(self, command: Command, gateway: FakeGateway) -> None:
        gateway.on("DELETE", self.PATH, Reply(200, documents.erasure(removed={}, audio_left=2)))
        told = command("erase", "--yes").stdout
        assert "Erased nothing" in told
        assert "deleted within minutes" in told


class TestExport:
    @pytest.fixture(autouse=True)
    def kept(self, gateway: FakeGateway) -> list[dict[str, Any]]:
        """Three jobs on two pages, the second of which is deleted before it is read."""
        whole = [documents.job("succeeded", id=IDS[0], colour="green"), documents.job(id=IDS[2])]
        brief = [documents.job(id=job_id) for job_id in IDS]
        gateway.on("GET", "/v1/jobs", listing(*brief[:2], more="c"), listing(brief[2]))
        gateway.on("GET", f"/v1/jobs/{IDS[0]}", Reply(200, whole[0]))
        gateway.on("GET", f"/v1/jobs/{IDS[1]}", Reply(410, documents.problem(410)))
        gateway.on("GET", f"/v1/jobs/{IDS[2]}", Reply(200, whole[1]))
        return whole

    def test_json_lines(self, command: Command, kept: list[dict[str, Any]], tmp_path: Path) -> None:
        target = tmp_path / "mine.jsonl"
        result = command("export", str(target), FORCE_COLOR="1")
        assert result.exit_code == 0, result.output
        assert result.stdout == f"2 jobs, 1 analyses: {target}\n"
        assert "Exporting" in result.stderr
        assert "3/3" in result.stderr
        assert [json.loads(line) for line in target.read_text().splitlines()] == kept
        assert stat.S_IMODE(target.stat().st_mode) == 0o600
        assert list(tmp_path.iterdir()) == [target]

    def test_to_stdout(self, command: Command, kept: list[dict[str, Any]]) -> None:
        assert json_lines(command("export", "-")) == kept

    def test_a_zip_has_a_manifest(self, command: Command, kept: list[dict[str, Any]], tmp_path: Path) -> None:
        target = tmp_path / "mine.ZIP"
        (manifest,) = json_lines(command("export", str(target), "--json"))
        with zipfile.ZipFile(target) as archive:
            assert archive.testzip() is None
            assert json.loads(archive.read("manifest.json")) == manifest
            lines = archive.read("jobs.jsonl")
        assert [json.loads(line) for line in lines.splitlines()] == kept
        assert manifest["files"] == {
            "jobs.jsonl": {"bytes": len(lines), "sha256": hashlib.sha256(lines).hexdigest()}
        }
        assert (manifest["jobs"], manifest["analyses"]) == (2, 1)
        assert manifest["by_status"] == {"succeeded": 1, "queued": 1}
        assert manifest["server"].startswith("http://127.0.0.1:")

    def test_trouble_leaves_what_was_there(
        self, command: Command, gateway: FakeGateway, tmp_path: Path
    ) -> None:
        target = tmp_path / "mine.zip"
        target.write_text("old")
        assert command("export", str(target)).stderr == f"{target} is there already; --force replaces it\n"
        gateway.on(
            "GET", f"/v1/jobs/{IDS[2]}", Reply(500, documents.problem(500, "Oops"), {"X-Request-ID": "r1"})
        )
        result = command("export", "--force", str(target))
        assert result.exit_code == 3
        assert result.stderr == "Oops (500): Because. (request r1)\n"
        assert target.read_text() == "old"
        assert list(tmp_path.iterdir()) == [target]

    def test_a_zip_cannot_go_to_stdout(self, command: Command) -> None:
        assert command("export", "-", "--format", "zip").exit_code == 2

    def test_a_folder_that_is_not_there(self, command: Command, tmp_path: Path) -> None:
        result = command("export", str(tmp_path / "no" / "mine.zip"))
        assert result.exit_code == 2
        assert len(result.stderr.splitlines()) == 1
