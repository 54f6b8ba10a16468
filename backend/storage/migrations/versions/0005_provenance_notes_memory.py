"""Where a run's data came from, what its attempts had to say, and the memory that it needs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. Defaults make the new columns fit old rows: SQLite need not build the table anew."""
    op.add_column("runs", sa.Column("provenance", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("runs", sa.Column("notes", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("runs", sa.Column("memory", sa.JSON(), nullable=True))


def downgrade() -> None:
    """Undo."""
    for name in ("memory", "notes", "provenance"):
        op.drop_column("runs", name)
