"""The tables as the code of today expects them; how older files get there is in ``migrations``.

Two tables: a run, and everything that was measured during it. Whatever is asked for row by row has a
column of its own, the rest is JSON. Times are text, UTC, ISO 8601, and therefore sort as they are.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

REVISION = "0002"
"""The newest migration; a file that says so is opened without loading alembic."""

metadata = MetaData()

runs = Table(
    "runs",
    metadata,
    Column("id", String, primary_key=True),
    Column("started_at", String, nullable=False, index=True),
    Column("finished_at", String),
    Column("state", String, nullable=False),
    Column("workload_name", String, nullable=False),
    Column("algorithm", String, nullable=False),
    Column("document", JSON(none_as_null=True), nullable=False),
    Column("random_seed", JSON(none_as_null=True)),  # any size: SQLite's integers end at 64 bits
    Column("dry_run", Boolean, nullable=False),
    Column("throw_away", Boolean, nullable=False),
    Column("network_namespace", String),
    Column("host", JSON(none_as_null=True), nullable=False),
    Column("original", JSON(none_as_null=True)),
    Column("baseline", JSON(none_as_null=True)),
    Column("result", JSON(none_as_null=True)),
    Column("pid", Integer),
    Column("pid_start", Integer),
    Column("boot_id", String),
)

measurements = Table(
    "measurements",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", String, ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("purpose", String, nullable=False),
    Column("number", Integer, nullable=False),
    Column("arm", String, nullable=False),
    Column("reference", String, nullable=False),
    Column("configuration", JSON(none_as_null=True), nullable=False),
    Column("status", String, nullable=False),
    Column("value", Float),
    Column("unit", String),
    Column("maximize", Boolean),
    Column("metrics", JSON(none_as_null=True)),
    Column("system", JSON(none_as_null=True)),
    Column("performance", Float),
    Column("stability", Float),
    Column("reward", Float),
    Column("seconds", Float, nullable=False),
    Column("reason", String, nullable=False),
    Column("notes", JSON(none_as_null=True), nullable=False),
    Column("output_tail", String, nullable=False),
    Column("request_id", String, nullable=False),
    Column("context", JSON(none_as_null=True), nullable=False),
    Column("started_at", String, nullable=False),
    Column("change_seconds", Float),
    UniqueConstraint("run_id", "sequence", name="one_sequence_per_run"),
)
