"""Which version of its definition each figure of a result followed, and the stack of the baseline that its ratios are over.

The server writes the results of before anew when it starts.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute("DELETE FROM results")
    op.add_column("results", sa.Column("against", sa.String(), nullable=False))


def downgrade() -> None:
    op.drop_column("results", "against")
    op.execute("DELETE FROM results")
