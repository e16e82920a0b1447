"""The spread of the samples beside each value, and which version of its definition was followed."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("measurements", sa.Column("q1", sa.Float(), nullable=True))
    op.add_column("measurements", sa.Column("q3", sa.Float(), nullable=True))
    op.add_column("measurements", sa.Column("definition", sa.Integer(), nullable=False, server_default="1"))


def downgrade() -> None:
    for name in ("definition", "q3", "q1"):
        op.drop_column("measurements", name)
