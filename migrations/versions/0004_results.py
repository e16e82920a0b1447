"""Ended runs with what all runs are compared by. The server fills it from what is there when it starts."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "results",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("study_id", sa.String(), nullable=False),
        sa.Column("study", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("workload", sa.String(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("hardware", sa.String(), nullable=True),
        sa.Column("environment", sa.String(), nullable=True),
        sa.Column("baseline", sa.String(), nullable=False),
        sa.Column("variant", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("family", sa.String(), nullable=False),
        sa.Column("techniques", sa.String(), nullable=False),
        sa.Column("effort", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("ran", sa.String(), nullable=True),
        sa.Column("point", sa.JSON(), nullable=False),
        sa.Column("batch_size", sa.BigInteger(), nullable=True),
        sa.Column("length", sa.BigInteger(), nullable=True),
        sa.Column("finished_at", sa.Float(), nullable=False),
        sa.Column("figures", sa.LargeBinary(), nullable=False),
        sa.Column("verdicts", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"]),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"]),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("run_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_results_study_id", "results", ["study_id"])


def downgrade() -> None:
    op.drop_table("results")
