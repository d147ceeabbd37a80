from __future__ import annotations

import itertools
import re
from importlib.resources import files

import pytest

from mindtrack_shared.domain.jobs import (
    TERMINAL,
    TRANSITIONS,
    FailureCode,
    IllegalTransitionError,
    JobStatus,
    RejectionCode,
)


def test_the_table_names_every_state() -> None:
    assert set(TRANSITIONS) == set(JobStatus)


@pytest.mark.parametrize(("current", "target"), list(itertools.product(JobStatus, JobStatus)))
def test_only_arrows_of_the_table_can_be_taken(current: JobStatus, target: JobStatus) -> None:
    if target in TRANSITIONS[current]:
        assert current.to(target) is target
    else:
        with pytest.raises(IllegalTransitionError, match=f"from {current} to {target}"):
            current.to(target)


def test_nothing_leaves_a_terminal_state() -> None:
    assert {status.value for status in TERMINAL} == {"succeeded", "rejected", "failed", "canceled"}
    assert not JobStatus.RUNNING.is_terminal
    assert JobStatus.CANCELED.is_terminal


def test_the_database_trigger_allows_the_same_arrows() -> None:
    migration = files("mindtrack_shared.db.migrations") / "versions" / "0001_initial_schema.py"
    trigger = migration.read_text().split('TRANSITIONS = """')[1].split('"""')[0]

    arrows = set(re.findall(r"\('(\w+)', '(\w+)'\)", trigger))

    assert arrows == {
        (source.value, target.value) for source in TRANSITIONS for target in TRANSITIONS[source]
    }


@pytest.mark.parametrize("code", [*RejectionCode, *FailureCode])
def test_every_code_has_neutral_advice(code: RejectionCode | FailureCode) -> None:
    assert code.advice.endswith(".")
    assert not re.search(r"\b(error|invalid|wrong|bad)\b", code.advice, re.IGNORECASE)


@pytest.mark.parametrize("code", RejectionCode)
def test_what_is_measured_has_a_unit(code: RejectionCode) -> None:
    unmeasured = {RejectionCode.UNREADABLE, RejectionCode.NO_AUDIO}
    assert (code.unit is None) == (code in unmeasured)


def test_advice_tells_codes_apart() -> None:
    assert len({code.advice for code in RejectionCode}) == len(RejectionCode)
