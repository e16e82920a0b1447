"""How quality was scored, beside each result. The server writes the results of before anew when it starts."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("results", sa.Column("evaluation", sa.String(), nullable=True))
    op.execute("DELETE FROM results")


def downgrade() -> None:
    op.drop_column("results", "evaluation")
