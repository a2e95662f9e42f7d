"""The first schema, because a history has to begin somewhere: runs, and what was measured in them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "runs",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("started_at", sa.String(), nullable=False),
        sa.Column("finished_at", sa.String()),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("workload_name", sa.String(), nullable=False),
        sa.Column("algorithm", sa.String(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("random_seed", sa.JSON()),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("throw_away", sa.Boolean(), nullable=False),
        sa.Column("network_namespace", sa.String()),
        sa.Column("host", sa.JSON(), nullable=False),
        sa.Column("original", sa.JSON()),
        sa.Column("baseline", sa.JSON()),
        sa.Column("result", sa.JSON()),
        sa.Column("pid", sa.Integer()),
        sa.Column("pid_start", sa.Integer()),
        sa.Column("boot_id", sa.String()),
    )
    op.create_index("ix_runs_started_at", "runs", ["started_at"])
    _create_measurements()


def _create_measurements() -> None:
    op.create_table(
        "measurements",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("run_id", sa.String(), sa.ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("arm", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("configuration", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("value", sa.Float()),
        sa.Column("unit", sa.String()),
        sa.Column("maximize", sa.Boolean()),
        sa.Column("metrics", sa.JSON()),
        sa.Column("system", sa.JSON()),
        sa.Column("performance", sa.Float()),
        sa.Column("stability", sa.Float()),
        sa.Column("reward", sa.Float()),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("notes", sa.JSON(), nullable=False),
        sa.Column("output_tail", sa.String(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("context", sa.JSON(), nullable=False),
        sa.Column("started_at", sa.String(), nullable=False),
        sa.UniqueConstraint("run_id", "sequence", name="one_sequence_per_run"),
    )
