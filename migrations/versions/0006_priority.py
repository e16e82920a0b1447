"""Priorities: which runs are taken first, with the queue's index in that order; indexes of the lists of runs."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

QUEUE = "ix_runs_queue"


def upgrade() -> None:
    for table in ("studies", "runs"):
        op.add_column(table, sa.Column("priority", sa.Integer(), nullable=False, server_default="0"))
    op.drop_index(QUEUE, "runs")
    op.create_index(QUEUE, "runs", ["state", "device_kind", sa.text("priority DESC"), "study_id", "position"])
    op.create_index("ix_runs_state_id", "runs", ["state", "id"])
    op.create_index("ix_runs_state_finished", "runs", ["state", "finished_at", "id"])
    op.create_index("ix_runs_finished", "runs", ["finished_at", "id"])
    op.drop_index("ix_runs_outcome", "runs")
    op.create_index("ix_runs_outcome", "runs", ["outcome", "finished_at", "id"])


def downgrade() -> None:
    op.drop_index("ix_runs_outcome", "runs")
    op.create_index("ix_runs_outcome", "runs", ["outcome"])
    op.drop_index("ix_runs_finished", "runs")
    op.drop_index("ix_runs_state_finished", "runs")
    op.drop_index("ix_runs_state_id", "runs")
    op.drop_index(QUEUE, "runs")
    op.create_index(QUEUE, "runs", ["state", "device_kind", "study_id", "position"])
    for table in ("runs", "studies"):
        op.drop_column(table, "priority")
