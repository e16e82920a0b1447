"""Results of runs that failed and are measured again are withdrawn until they have ended anew."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("results", sa.Column("withdrawn", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    op.execute("DELETE FROM results WHERE withdrawn")
    op.drop_column("results", "withdrawn")
