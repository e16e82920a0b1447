"""What devices can do at most, as their workers measured it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "ceilings",
        sa.Column("device_id", sa.String(), nullable=False),
        sa.Column("measured", sa.JSON(), nullable=True),
        sa.Column("received_at", sa.Float(), nullable=True),
        sa.Column("asked_at", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"]),
        sa.PrimaryKeyConstraint("device_id"),
    )


def downgrade() -> None:
    op.drop_table("ceilings")
