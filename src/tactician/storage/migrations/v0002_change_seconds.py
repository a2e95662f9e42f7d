"""How long changes took, because a search that knows it spends fewer seconds on restarts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; nothing is known of older measurements."""
    op.add_column("measurements", sa.Column("change_seconds", sa.Float()))
