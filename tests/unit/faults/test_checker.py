"""Each invariant can fail: a history that breaks it is found, and one that does not is left alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from faults.campaign.checker import Invariant, judge, judge_canaries, judge_objects
from faults.campaign.history import Ended, History, Move
from faults.campaign.journal import Accepted, Entry, Erased, Journal, Note, Refused, Seen, read

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


def accepted(job: str = "a", key: str = "k") -> Accepted:
    return Accepted(at=0.0, fault="F1", job=job, key=key, status=202, seconds=0.01)


def seen(status: str, job: str = "a") -> Seen:
    return Seen(at=1.0, fault="F1", job=job, status=status)


def erased(job: str = "a") -> Erased:
    return Erased(at=1.0, fault="F1", job=job)


def ended(status: str = "succeeded", *, attempt: int = 1, analysed: tuple[int, ...] = (1,)) -> Ended:
    return Ended(
        job="a",
        status=status,
        attempt=attempt,
        max_attempts=3,
        code=None,
        object_key="recordings/a",
        analysed_attempts=analysed,
    )


def move(before: str | None, after: str, *, fences: tuple[int | None, int], attempt: int = 1) -> Move:
    return Move(
        at=NOON,
        job="a",
        before=before,
        after=after,
        fence_before=fences[0],
        fence_after=fences[1],
        attempt=attempt,
        max_attempts=3,
    )


MADE = move(None, "queued", fences=(None, 0), attempt=0)
CLAIMED = move("queued", "running", fences=(0, 1))
LAPSED = move("running", "queued", fences=(1, 1))
CLAIMED_AGAIN = move("queued", "running", fences=(1, 2), attempt=2)
DONE = move("running", "succeeded", fences=(2, 2), attempt=2)
#: A job whose first worker was lost.
SOUND = History(moves=(MADE, CLAIMED, LAPSED, CLAIMED_AGAIN, DONE), jobs=(ended(attempt=2, analysed=(2,)),))
TOLD: tuple[Entry, ...] = (accepted(), seen("queued"), seen("running"), seen("queued"), seen("succeeded"))


def found(history: History, entries: tuple[Entry, ...] = TOLD) -> set[Invariant]:
    return {violation.invariant for violation in judge(entries, history)}


def test_a_job_whose_worker_was_lost_breaks_nothing() -> None:
    assert not found(SOUND)


def test_a_job_that_was_erased_is_not_lost() -> None:
    assert not found(History(moves=(MADE, CLAIMED), jobs=()), (accepted(), erased(), seen("unknown")))


@pytest.mark.parametrize("left", [(), (ended("running", analysed=()),), (ended("queued", analysed=()),)])
def test_an_accepted_job_without_an_end_is_lost(left: tuple[Ended, ...]) -> None:
    assert found(replace(SOUND, moves=(), jobs=left), (accepted(),)) == {Invariant.NOTHING_LOST}


def test_an_accepted_job_that_the_api_does_not_know_is_lost() -> None:
    assert found(SOUND, (*TOLD, seen("unknown"))) == {Invariant.NOTHING_LOST}


def test_a_job_that_stands_for_two_recordings_loses_one() -> None:
    assert found(SOUND, (*TOLD, accepted(key="other"))) == {Invariant.NOTHING_LOST}


@pytest.mark.parametrize(
    "left",
    [
        ended(attempt=2, analysed=(2, 2)),  # a duplicate
        ended(attempt=2, analysed=(1,)),  # a late write, of the attempt that was lost
        ended(attempt=2, analysed=()),
        ended("failed", attempt=2, analysed=(2,)),
    ],
)
def test_each_success_has_one_analysis_of_its_own_attempt(left: Ended) -> None:
    assert found(replace(SOUND, jobs=(left,)), (accepted(),)) == {Invariant.ONE_ANALYSIS}


def test_one_request_that_became_two_jobs_is_found() -> None:
    other = replace(ended(), job="b")
    history = replace(SOUND, jobs=(*SOUND.jobs, other))

    assert found(history, (*TOLD, accepted(job="b"))) == {Invariant.ONE_ANALYSIS}


@pytest.mark.parametrize(
    "more",
    [
        move("succeeded", "running", fences=(2, 3), attempt=3),
        move("succeeded", "queued", fences=(2, 2), attempt=2),
        move("succeeded", "failed", fences=(2, 2), attempt=2),
    ],
)
def test_leaving_an_end_is_found(more: Move) -> None:
    assert found(replace(SOUND, moves=(*SOUND.moves, more))) == {Invariant.FORWARD_ONLY}


def test_a_missing_move_is_found() -> None:
    assert found(replace(SOUND, moves=(MADE, CLAIMED, CLAIMED_AGAIN, DONE))) == {Invariant.FORWARD_ONLY}


@pytest.mark.parametrize("later", ["running", "failed"])
def test_clients_who_see_an_end_and_something_else_afterwards_are_heard(later: str) -> None:
    assert found(SOUND, (*TOLD, seen(later))) == {Invariant.FORWARD_ONLY}


def test_clients_who_see_another_end_than_the_tables_have_are_heard() -> None:
    assert found(SOUND, (accepted(), seen("failed"))) == {Invariant.FORWARD_ONLY}


@pytest.mark.parametrize(
    ("index", "changed"),
    [
        (3, replace(CLAIMED_AGAIN, fence_after=1)),  # two holders with one fence
        (2, replace(LAPSED, fence_after=0)),  # an older fence is valid again
        (2, replace(LAPSED, fence_after=5)),  # a holder loses its fence to nobody
    ],
)
def test_fences_rise_with_claims_and_only_then(index: int, changed: Move) -> None:
    moves = [*SOUND.moves]
    moves[index] = changed

    assert Invariant.FENCES_RISE in found(replace(SOUND, moves=tuple(moves)))


def test_more_attempts_than_allowed_are_found() -> None:
    moves = (*SOUND.moves[:3], replace(CLAIMED_AGAIN, attempt=4), replace(DONE, attempt=4))
    history = History(moves=moves, jobs=(ended(attempt=4, analysed=(4,)),))

    assert found(history) == {Invariant.ATTEMPTS_BOUNDED}


def test_objects_and_rows_belong_together() -> None:
    fresh, old = timedelta(minutes=1), timedelta(hours=25)

    assert not judge_objects(["a"], {"a": old, "being-uploaded": fresh})
    assert not judge_objects(["a", "taken"], {"a": old}, harmed=["taken"])
    missing = judge_objects(["a"], {})
    orphaned = judge_objects([], {"a": old})
    assert [each.where for each in missing] == [each.where for each in orphaned] == ["a"]
    assert {each.invariant for each in missing + orphaned} == {Invariant.OBJECTS_MATCH_ROWS}


def test_what_people_said_is_found_in_logs() -> None:
    files = {"gateway.log": b"job_accepted job_id=1", "worker.log": b"device=canary-1 fell over"}

    (violation,) = judge_canaries(["canary-1", "canary-2"], files)

    assert (violation.invariant, violation.where) == (Invariant.NOTHING_TOLD, "worker.log")


def test_a_journal_is_read_as_it_was_written(tmp_path: Path) -> None:
    refused = Refused(at=2.0, fault="F1", key="k", status=503, retry_after="1", seconds=0.2)
    entries = [*TOLD, refused, erased(), Note(at=3.0, fault="F1", what="over")]

    with Journal(tmp_path / "run" / "journal.jsonl") as journal:
        for entry in entries:
            journal.write(entry)

    assert list(read(tmp_path / "run" / "journal.jsonl")) == entries == journal.entries
