"""What the incident pages tell people to ask the database, at night, is something that it understands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

RUNBOOK = Path(__file__).parents[2] / "docs/runbook"
QUERIES = [
    pytest.param(query, id=f"{page.stem}-{number}")
    for page in sorted(RUNBOOK.rglob("*.md"))
    for number, query in enumerate(re.findall(r"```sql\n(.*?)```", page.read_text(), flags=re.DOTALL))
]


@pytest.mark.parametrize("query", QUERIES)
def test_the_database_understands_it(engine: Engine, query: str) -> None:
    with engine.connect() as connection:
        connection.execute(text(query)).all()
