"""Users, recordings, jobs, analyses with their windows, and day rollups."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


TRANSITIONS = """
create function check_job_transition() returns trigger language plpgsql as $$
begin
    if (old.status, new.status) not in (
        ('queued', 'running'), ('queued', 'canceled'),
        ('running', 'queued'), ('running', 'succeeded'), ('running', 'rejected'), ('running', 'failed')
    ) then
        raise exception 'a job cannot go from % to %', old.status, new.status
            using errcode = 'check_violation', constraint = 'ck_jobs_transition';
    end if;
    return new;
end $$;

create trigger jobs_transition before update of status on jobs
    for each row when (old.status is distinct from new.status)
    execute function check_job_transition();
"""


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("length(subject) between 1 and 255", name=op.f("ck_users_subject_bounded")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("subject", name=op.f("uq_users_subject")),
    )
    op.create_table(
        "day_rollups",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("stress_sum", sa.Double(), nullable=False),
        sa.Column("stress_square_sum", sa.Double(), nullable=False),
        sa.Column("stress_min", sa.Double(), nullable=False),
        sa.Column("stress_max", sa.Double(), nullable=False),
        sa.Column("anxiety_sum", sa.Double(), nullable=False),
        sa.Column("depressive_sum", sa.Double(), nullable=False),
        sa.Column("baseline_sum", sa.Double(), nullable=False),
        sa.CheckConstraint(
            "anxiety_sum >= 0 and anxiety_sum <= count", name=op.f("ck_day_rollups_anxiety_sum_bounded")
        ),
        sa.CheckConstraint(
            "baseline_sum >= 0 and baseline_sum <= count", name=op.f("ck_day_rollups_baseline_sum_bounded")
        ),
        sa.CheckConstraint("count > 0", name=op.f("ck_day_rollups_count_positive")),
        sa.CheckConstraint(
            "depressive_sum >= 0 and depressive_sum <= count",
            name=op.f("ck_day_rollups_depressive_sum_bounded"),
        ),
        sa.CheckConstraint(
            "stress_min between 0 and stress_max and stress_max <= 1",
            name=op.f("ck_day_rollups_stress_range"),
        ),
        sa.CheckConstraint(
            "stress_square_sum >= 0 and stress_square_sum <= count",
            name=op.f("ck_day_rollups_stress_square_sum_bounded"),
        ),
        sa.CheckConstraint(
            "stress_sum >= 0 and stress_sum <= count", name=op.f("ck_day_rollups_stress_sum_bounded")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_day_rollups_user_id")),
        sa.PrimaryKeyConstraint("user_id", "day", name=op.f("pk_day_rollups")),
    )
    op.create_table(
        "recordings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_on", sa.Date(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("octet_length(sha256) = 32", name=op.f("ck_recordings_sha256_length")),
        sa.CheckConstraint("size_bytes > 0", name=op.f("ck_recordings_size_positive")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_recordings_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recordings")),
        sa.UniqueConstraint("id", "user_id", name=op.f("uq_recordings_id_user_id")),
        sa.UniqueConstraint("object_key", name=op.f("uq_recordings_object_key")),
    )
    op.create_index(
        "ix_recordings_user_id_recorded_at", "recordings", ["user_id", "recorded_at"], unique=False
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column(
            "status",
            sa.Enum("queued", "running", "succeeded", "rejected", "failed", "canceled", name="job_status"),
            nullable=False,
        ),
        sa.Column("attempt", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("max_attempts", sa.SmallInteger(), nullable=False),
        sa.Column("fence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("worker_id", sa.Uuid(), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dispatched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status = 'running') = (lease_expires_at is not null)"
            " and (status = 'running') = (worker_id is not null)",
            name=op.f("ck_jobs_leased_while_running"),
        ),
        sa.CheckConstraint(
            "(status in ('rejected', 'failed')) = (code is not null)", name=op.f("ck_jobs_code_explains_end")
        ),
        sa.CheckConstraint(
            "(status in ('succeeded', 'rejected', 'failed', 'canceled')) = (finished_at is not null)",
            name=op.f("ck_jobs_finished_when_terminal"),
        ),
        sa.CheckConstraint(
            "status in ('queued', 'canceled') or attempt > 0", name=op.f("ck_jobs_attempted_once_claimed")
        ),
        sa.CheckConstraint("attempt between 0 and max_attempts", name=op.f("ck_jobs_attempt_bounded")),
        sa.CheckConstraint("fence >= attempt", name=op.f("ck_jobs_fence_counts_claims")),
        sa.CheckConstraint("max_attempts > 0", name=op.f("ck_jobs_max_attempts_positive")),
        sa.ForeignKeyConstraint(
            ["recording_id", "user_id"],
            ["recordings.id", "recordings.user_id"],
            name=op.f("fk_jobs_recording_id_user_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.UniqueConstraint("id", "user_id", name=op.f("uq_jobs_id_user_id")),
        sa.UniqueConstraint("recording_id", name=op.f("uq_jobs_recording_id")),
    )
    op.create_index(
        "ix_jobs_leases",
        "jobs",
        ["lease_expires_at"],
        unique=False,
        postgresql_where=sa.text("status = 'running'"),
    )
    op.create_index(
        "ix_jobs_silent",
        "jobs",
        ["dispatched_at"],
        unique=False,
        postgresql_where=sa.text("status = 'queued'"),
    )
    op.create_index(
        "ix_jobs_undispatched",
        "jobs",
        ["not_before"],
        unique=False,
        postgresql_where=sa.text("status = 'queued' and dispatched_at is null"),
    )
    op.create_index("ix_jobs_user_id_id", "jobs", ["user_id", "id"], unique=False)
    op.create_index(
        "ix_jobs_waiting",
        "jobs",
        ["not_before", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'queued'"),
    )
    op.create_table(
        "analyses",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.SmallInteger(), nullable=False),
        sa.Column(
            "emotion",
            sa.Enum("Neutral", "Happy", "Sad", "Anxious", "Stressed", name="emotion"),
            nullable=False,
        ),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("stress_score", sa.Double(), nullable=False),
        sa.Column("anxiety_index", sa.Double(), nullable=False),
        sa.Column("depressive_index", sa.Double(), nullable=False),
        sa.Column("baseline_index", sa.Double(), nullable=False),
        sa.Column("audio_seconds", sa.Double(), nullable=False),
        sa.Column("processing_seconds", sa.Double(), nullable=False),
        sa.Column("bundle_id", sa.Text(), nullable=False),
        sa.Column("bundle_revision", sa.Text(), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("precision", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("p_neutral", sa.Double(), nullable=False),
        sa.Column("p_happy", sa.Double(), nullable=False),
        sa.Column("p_sad", sa.Double(), nullable=False),
        sa.Column("p_anxious", sa.Double(), nullable=False),
        sa.Column("p_stressed", sa.Double(), nullable=False),
        sa.CheckConstraint(
            "abs(p_neutral + p_happy + p_sad + p_anxious + p_stressed - 1) <= 0.001",
            name=op.f("ck_analyses_probabilities_sum_to_one"),
        ),
        sa.CheckConstraint(
            "anxiety_index between 0 and 1", name=op.f("ck_analyses_anxiety_index_in_unit_interval")
        ),
        sa.CheckConstraint("attempt > 0", name=op.f("ck_analyses_attempt_positive")),
        sa.CheckConstraint("audio_seconds > 0", name=op.f("ck_analyses_audio_seconds_positive")),
        sa.CheckConstraint(
            "baseline_index between 0 and 1", name=op.f("ck_analyses_baseline_index_in_unit_interval")
        ),
        sa.CheckConstraint(
            "confidence between 0 and 1", name=op.f("ck_analyses_confidence_in_unit_interval")
        ),
        sa.CheckConstraint(
            "depressive_index between 0 and 1", name=op.f("ck_analyses_depressive_index_in_unit_interval")
        ),
        sa.CheckConstraint("p_anxious between 0 and 1", name=op.f("ck_analyses_p_anxious_is_probability")),
        sa.CheckConstraint("p_happy between 0 and 1", name=op.f("ck_analyses_p_happy_is_probability")),
        sa.CheckConstraint("p_neutral between 0 and 1", name=op.f("ck_analyses_p_neutral_is_probability")),
        sa.CheckConstraint("p_sad between 0 and 1", name=op.f("ck_analyses_p_sad_is_probability")),
        sa.CheckConstraint("p_stressed between 0 and 1", name=op.f("ck_analyses_p_stressed_is_probability")),
        sa.CheckConstraint(
            "processing_seconds >= 0", name=op.f("ck_analyses_processing_seconds_not_negative")
        ),
        sa.CheckConstraint(
            "stress_score between 0 and 1", name=op.f("ck_analyses_stress_score_in_unit_interval")
        ),
        sa.ForeignKeyConstraint(
            ["job_id", "user_id"], ["jobs.id", "jobs.user_id"], name=op.f("fk_analyses_job_id_user_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_analyses")),
        sa.UniqueConstraint("job_id", name=op.f("uq_analyses_job_id")),
    )
    op.create_index(
        "ix_analyses_user_id_recorded_at",
        "analyses",
        ["user_id", "recorded_at"],
        unique=False,
        postgresql_include=["stress_score"],
    )
    op.create_table(
        "analysis_windows",
        sa.Column("analysis_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("start_seconds", sa.Double(), nullable=False),
        sa.Column("end_seconds", sa.Double(), nullable=False),
        sa.Column("p_neutral", sa.Double(), nullable=False),
        sa.Column("p_happy", sa.Double(), nullable=False),
        sa.Column("p_sad", sa.Double(), nullable=False),
        sa.Column("p_anxious", sa.Double(), nullable=False),
        sa.Column("p_stressed", sa.Double(), nullable=False),
        sa.CheckConstraint(
            "abs(p_neutral + p_happy + p_sad + p_anxious + p_stressed - 1) <= 0.001",
            name=op.f("ck_analysis_windows_probabilities_sum_to_one"),
        ),
        sa.CheckConstraint(
            "p_anxious between 0 and 1", name=op.f("ck_analysis_windows_p_anxious_is_probability")
        ),
        sa.CheckConstraint(
            "p_happy between 0 and 1", name=op.f("ck_analysis_windows_p_happy_is_probability")
        ),
        sa.CheckConstraint(
            "p_neutral between 0 and 1", name=op.f("ck_analysis_windows_p_neutral_is_probability")
        ),
        sa.CheckConstraint("p_sad between 0 and 1", name=op.f("ck_analysis_windows_p_sad_is_probability")),
        sa.CheckConstraint(
            "p_stressed between 0 and 1", name=op.f("ck_analysis_windows_p_stressed_is_probability")
        ),
        sa.CheckConstraint("position >= 0", name=op.f("ck_analysis_windows_position_not_negative")),
        sa.CheckConstraint(
            "start_seconds >= 0 and end_seconds > start_seconds", name=op.f("ck_analysis_windows_spans_time")
        ),
        sa.ForeignKeyConstraint(
            ["analysis_id"], ["analyses.id"], name=op.f("fk_analysis_windows_analysis_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("analysis_id", "position", name=op.f("pk_analysis_windows")),
    )
    op.execute(TRANSITIONS)


def downgrade() -> None:
    for table in ("analysis_windows", "analyses", "jobs", "recordings", "day_rollups", "users"):
        op.drop_table(table)
    op.execute("drop function check_job_transition")
    op.execute("drop type emotion")
    op.execute("drop type job_status")
