"""Initial tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "runs",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("crashes", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.Float(), nullable=True),
        sa.Column("queued_at", sa.Float(), nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("total_steps", sa.Integer(), nullable=False),
        sa.Column("rate", sa.Float(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=True),
        sa.Column("finished_at", sa.Float(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("device", sa.String(length=80), nullable=True),
        sa.Column("versions", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_runs_created_at"), ["created_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_runs_status"), ["status"], unique=False)

    op.create_table(
        "law_fits",
        sa.Column("run_id", sa.String(length=16), nullable=False),
        sa.Column("layer", sa.String(length=200), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("entry_variance", sa.Float(), nullable=False),
        sa.Column("mp_upper", sa.Float(), nullable=False),
        sa.Column("tw_center", sa.Float(), nullable=False),
        sa.Column("tw_scale", sa.Float(), nullable=False),
        sa.Column("edge", sa.Float(), nullable=False),
        sa.Column("p_value", sa.Float(), nullable=False),
        sa.Column("outliers", sa.Integer(), nullable=False),
        sa.Column("ks", sa.Float(), nullable=False),
        sa.Column("printed_shape", sa.Float(), nullable=False),
        sa.Column("printed_rate", sa.Float(), nullable=True),
        sa.Column("gamma_shape", sa.Float(), nullable=True),
        sa.Column("gamma_rate", sa.Float(), nullable=True),
        sa.Column("gamma_log_norm", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "layer", "step"),
    )
    op.create_table(
        "layers",
        sa.Column("run_id", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("m", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("entry_variance", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "name"),
    )
    op.create_table(
        "noise_terms",
        sa.Column("run_id", sa.String(length=16), nullable=False),
        sa.Column("layer", sa.String(length=200), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("gradient_norm", sa.Float(), nullable=False),
        sa.Column("beta1", sa.Float(), nullable=False),
        sa.Column("diffusion", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "layer", "step"),
    )
    op.create_table(
        "spectra",
        sa.Column("run_id", sa.String(length=16), nullable=False),
        sa.Column("layer", sa.String(length=200), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("singular_values", sa.LargeBinary(), nullable=False),
        sa.Column("method", sa.String(length=16), nullable=False),
        sa.Column("error_bound", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "layer", "step"),
    )
    op.create_table(
        "step_metrics",
        sa.Column("run_id", sa.String(length=16), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("loss", sa.Float(), nullable=True),
        sa.Column("accuracy", sa.Float(), nullable=True),
        sa.Column("test_loss", sa.Float(), nullable=True),
        sa.Column("test_accuracy", sa.Float(), nullable=True),
        sa.Column("learning_rate", sa.Float(), nullable=True),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "step"),
    )
    op.create_table(
        "trajectories",
        sa.Column("run_id", sa.String(length=16), nullable=False),
        sa.Column("layer", sa.String(length=200), nullable=False),
        sa.Column("predictor", sa.String(length=32), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("singular_values", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "layer", "predictor", "step"),
    )
    if op.get_bind().dialect.name == "postgresql":
        # float32 does not compress: keep TOAST from trying
        op.execute("ALTER TABLE spectra ALTER COLUMN singular_values SET STORAGE EXTERNAL")


def downgrade() -> None:
    """Undo."""
    op.drop_table("trajectories")
    op.drop_table("step_metrics")
    op.drop_table("spectra")
    op.drop_table("noise_terms")
    op.drop_table("layers")
    op.drop_table("law_fits")
    with op.batch_alter_table("runs", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_runs_status"))
        batch_op.drop_index(batch_op.f("ix_runs_created_at"))

    op.drop_table("runs")
