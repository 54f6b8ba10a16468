"""Runs that belong to a sweep."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. No constraint: SQLite would build the table anew, and drop what refers to the old one."""
    op.add_column("runs", sa.Column("parent", sa.String(length=16), nullable=True))
    op.create_index("ix_runs_parent", "runs", ["parent"])


def downgrade() -> None:
    """Undo."""
    op.drop_index("ix_runs_parent", "runs")
    op.drop_column("runs", "parent")
