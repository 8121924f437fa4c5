"""Sealed contacts: what a frozen version held of them moves into a column of its own; `reseal` seals it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = 'intake_0002'
down_revision = 'intake_0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        'frozen_version',
        sa.Column(
            'contacts',
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment='of a version from the time when the hash took them in',
        ),
    )
    op.execute(
        "update frozen_version set contacts = content #> '{organisation,contacts}', content = content #- '{organisation,contacts}' "
        "where content->'organisation' ? 'contacts'"
    )


def downgrade() -> None:
    op.drop_column('frozen_version', 'contacts')
