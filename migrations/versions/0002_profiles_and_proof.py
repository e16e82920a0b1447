"""Timelines, kernels and artifacts of a run; how sure and by which method an effect is; what a run actually ran."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
WORST_FIRST = ("fell_back", "emulated", "as_asked")


def upgrade() -> None:
    op.add_column("effects", sa.Column("p_value", sa.Float(), nullable=True))
    op.add_column("effects", sa.Column("method", sa.String(), nullable=True))
    op.add_column("runs", sa.Column("ran", sa.String(), nullable=True))
    op.add_column("runs", sa.Column("bottlenecks", sa.JSON(), nullable=True))
    op.add_column("samples", sa.Column("contended", sa.Boolean(), nullable=False, server_default=sa.false()))
    _read_proofs()

    op.create_table(
        "timelines",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("metric", sa.String(), nullable=False),
        sa.Column("phase", sa.String(), nullable=False),
        sa.Column("arm", sa.String(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("at_s", sa.LargeBinary(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("run_id", "token", "metric", "phase", "arm"),
    )
    op.create_table(
        "kernels",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("arm", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_kernels_run", "kernels", ["run_id", "token"], unique=False)
    op.create_table(
        "artifacts",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("arm", sa.String(), nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("run_id", "token", "name", "arm"),
    )


def downgrade() -> None:
    op.drop_table("artifacts")
    op.drop_table("kernels")
    op.drop_table("timelines")
    op.drop_column("samples", "contended")
    op.drop_column("runs", "bottlenecks")
    op.drop_column("runs", "ran")
    op.drop_column("effects", "method")
    op.drop_column("effects", "p_value")


def _read_proofs() -> None:
    """What runs of the first version ran stands in their proofs."""
    runs = sa.table("runs", sa.column("id", sa.String), sa.column("proofs", sa.JSON), sa.column("ran", sa.String))
    connection = op.get_bind()
    for run_id, proofs in connection.execute(sa.select(runs.c.id, runs.c.proofs)).all():
        found = _ran(json.loads(proofs) if isinstance(proofs, str) else proofs)
        if found is not None:
            connection.execute(runs.update().where(runs.c.id == run_id).values(ran=found))


def _ran(proofs: Any) -> str | None:
    known = [proof for proof in proofs or () if isinstance(proof, dict)]
    seen = {proof.get("ran") for proof in known if proof.get("arm") == "variant" or proof.get("ran") == "fell_back"}
    return next((word for word in WORST_FIRST if word in seen), None)
