"""Scores that may be unknown or indeterminate, quality, biomarkers, and what a model was calibrated on.

The previous release goes on writing full rows, which satisfy every check. It cannot read a score that is
unknown; only models that it cannot serve write one.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

#: In the order in which services write them.
TABLES = ("recordings", "jobs", "analyses", "analysis_windows", "day_rollups")
PROBABILITIES = ("p_neutral", "p_happy", "p_sad", "p_anxious", "p_stressed")
SCORES = ("stress_score", "anxiety_index", "depressive_index", "baseline_index")
#: Columns that may be null from now on.
LOOSENED = (
    *(("analyses", column) for column in (*PROBABILITIES, *SCORES)),
    *(("analysis_windows", column) for column in PROBABILITIES),
    *(("day_rollups", column) for column in ("depressive_sum", "baseline_sum")),
)
ADDED: tuple[tuple[str, str, sa.types.TypeEngine[Any]], ...] = (
    ("recordings", "prompt_ended_at", sa.DateTime(timezone=True)),
    ("jobs", "measured", sa.Double()),
    ("jobs", "needed", sa.Double()),
    ("jobs", "quality", JSONB()),
    ("analyses", "unmapped_mass", sa.Double()),
    ("analyses", "uncertainty", sa.Double()),
    ("analyses", "indeterminate_reason", sa.Text()),
    ("analyses", "biomarkers", JSONB()),
    ("analyses", "deviations", JSONB()),
    ("analyses", "temperature", sa.Double()),
    ("analyses", "abstention_threshold", sa.Double()),
    ("analyses", "calibration_set", sa.Text()),
    ("analysis_windows", "unmapped_mass", sa.Double()),
    ("analysis_windows", "uncertainty", sa.Double()),
    ("analysis_windows", "indeterminate_reason", sa.Text()),
)
SCORES_KNOWN = (
    "(stress_score is null) = (p_anxious is null or p_stressed is null)"
    " and (anxiety_index is null) = (p_anxious is null)"
    " and (depressive_index is null) = (p_sad is null)"
    " and (baseline_index is null) = (p_neutral is null or p_happy is null)"
)
REASON_KNOWN = "indeterminate_reason in ('uncertain', 'unmapped')"

#: Table, name, condition.
Check = tuple[str, str, str]


def _sums(total: str) -> tuple[Check, ...]:
    return tuple(
        (table, "probabilities_sum_to_one", f"abs({total} - 1) <= 0.001")
        for table in ("analyses", "analysis_windows")
    )


CHECKS: tuple[Check, ...] = (
    ("recordings", "prompt_ends_within", "prompt_ended_at >= recorded_at"),
    ("jobs", "measured_when_rejected", "status = 'rejected' or (measured is null and needed is null)"),
    ("jobs", "quality_when_decoded", "quality is null or status in ('succeeded', 'rejected')"),
    ("jobs", "quality_is_object", "jsonb_typeof(quality) = 'object'"),
    ("analyses", "unmapped_mass_in_unit_interval", "unmapped_mass between 0 and 1"),
    ("analyses", "uncertainty_in_unit_interval", "uncertainty between 0 and 1"),
    ("analyses", "indeterminate_reason_known", REASON_KNOWN),
    ("analyses", "abstention_threshold_in_unit_interval", "abstention_threshold between 0 and 1"),
    ("analyses", "temperature_positive", "temperature > 0"),
    ("analyses", "biomarkers_is_object", "jsonb_typeof(biomarkers) = 'object'"),
    ("analyses", "deviations_is_object", "jsonb_typeof(deviations) = 'object'"),
    ("analyses", "scores_known_by_probabilities", SCORES_KNOWN),
    ("analysis_windows", "unmapped_mass_in_unit_interval", "unmapped_mass between 0 and 1"),
    ("analysis_windows", "uncertainty_in_unit_interval", "uncertainty between 0 and 1"),
    ("analysis_windows", "indeterminate_reason_known", REASON_KNOWN),
)
SUMS_OF_ALL = _sums(" + ".join(PROBABILITIES))
SUMS_OF_KNOWN = _sums(" + ".join(f"coalesce({column}, 0)" for column in PROBABILITIES))


def upgrade() -> None:
    _lock()
    for table, column in LOOSENED:
        op.alter_column(table, column, nullable=True)
    for table, column, kind in ADDED:
        op.add_column(table, sa.Column(column, kind))
    _replace_checks(SUMS_OF_ALL, (*CHECKS, *SUMS_OF_KNOWN))


def downgrade() -> None:
    """Go back. Refused by Postgres while a row holds an unknown score.

    What was indeterminate looks like any other analysis afterwards, and may be somebody's latest.
    """
    _lock()
    _replace_checks((*CHECKS, *SUMS_OF_KNOWN), SUMS_OF_ALL)
    for table, column, _ in ADDED:
        op.drop_column(table, column)
    for table, column in LOOSENED:
        op.alter_column(table, column, nullable=False)


def _lock() -> None:
    """Wait for the tables once, in the order in which services write them: no deadlock while they run."""
    op.execute(f"lock table {', '.join(TABLES)} in access exclusive mode")


def _replace_checks(old: tuple[Check, ...], new: tuple[Check, ...]) -> None:
    """Change each table's checks in one statement: Postgres then looks at each row once."""
    for changed in sorted({table for table, _, _ in (*old, *new)}):
        drops = [f"drop constraint ck_{table}_{name}" for table, name, _ in old if table == changed]
        adds = [
            f"add constraint ck_{table}_{name} check ({condition})"
            for table, name, condition in new
            if table == changed
        ]
        op.execute(f"alter table {changed} {', '.join(drops + adds)}")
