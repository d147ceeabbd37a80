from __future__ import annotations

import re
from pathlib import Path

import pytest

from mindtrack_gateway import problems
from mindtrack_gateway.problems import ProblemError, RecordingRejectedError, problem_type
from mindtrack_shared.domain.jobs import FailureCode, RejectionCode

DOCS = Path(__file__).parents[3] / "docs" / "problems.md"


def subclasses(kind: type[ProblemError]) -> list[type[ProblemError]]:
    return [found for child in kind.__subclasses__() for found in (child, *subclasses(child))]


@pytest.mark.parametrize("kind", subclasses(ProblemError))
def test_every_problem_is_explained_in_the_docs_once(kind: type[ProblemError]) -> None:
    rows = re.findall(rf"^\| `{problem_type(kind.slug)}` \| (\d+) \|", DOCS.read_text(), re.MULTILINE)

    assert rows == [str(int(kind.status))]


@pytest.mark.parametrize("code", [*RejectionCode, *FailureCode])
def test_every_code_of_a_job_is_explained_in_the_docs(code: RejectionCode | FailureCode) -> None:
    status = "rejected" if isinstance(code, RejectionCode) else "failed"

    row = re.search(rf"^\| `{code}` \| {status} \| (.*) \|", DOCS.read_text(), re.MULTILINE)

    assert row, code
    if isinstance(code, RejectionCode) and code.unit:
        assert row[1].endswith(f"| {code.unit}")


def test_a_rejection_carries_its_figures() -> None:
    error = RecordingRejectedError("Please.", code="too_noisy", measured=4.0, needed=10.0, unit="dB")

    document = error.document("/v1/jobs/1")

    assert (document.code, document.measured, document.needed, document.unit) == (
        "too_noisy",
        4.0,
        10.0,
        "dB",
    )
    assert document.instance == "/v1/jobs/1"


def test_the_docstring_draws_the_whole_tree() -> None:
    drawn = re.findall(r"── (\w+Error) *(\d+)?", problems.__doc__ or "")

    assert dict(drawn).keys() == {kind.__name__ for kind in subclasses(ProblemError)}


def test_types_are_unique() -> None:
    slugs = [kind.slug for kind in subclasses(ProblemError)]

    assert len(slugs) == len(set(slugs))
