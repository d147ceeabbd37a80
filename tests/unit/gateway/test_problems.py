from __future__ import annotations

import re
from pathlib import Path

import pytest

from mindtrack_gateway import problems
from mindtrack_gateway.problems import ProblemError, problem_type

DOCS = Path(__file__).parents[3] / "docs" / "problems.md"


def subclasses(kind: type[ProblemError]) -> list[type[ProblemError]]:
    return [found for child in kind.__subclasses__() for found in (child, *subclasses(child))]


@pytest.mark.parametrize("kind", subclasses(ProblemError))
def test_every_problem_is_explained_in_the_docs(kind: type[ProblemError]) -> None:
    row = re.search(rf"^\| `{problem_type(kind.slug)}` \| (\d+) \|", DOCS.read_text(), re.MULTILINE)

    assert row, kind.slug
    assert int(row[1]) == kind.status


def test_the_docstring_draws_the_whole_tree() -> None:
    drawn = re.findall(r"── (\w+Error) *(\d+)?", problems.__doc__ or "")

    assert dict(drawn).keys() == {kind.__name__ for kind in subclasses(ProblemError)}


def test_types_are_unique() -> None:
    slugs = [kind.slug for kind in subclasses(ProblemError)]

    assert len(slugs) == len(set(slugs))
