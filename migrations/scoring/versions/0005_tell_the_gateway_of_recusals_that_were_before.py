"""Tell the gateway of recusals that were before: it hears of every later one as intake and workflow do."""

from alembic import op

revision = "scoring_0005"
down_revision = "scoring_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("lock table unsequenced in share row exclusive mode")
    op.execute(
        "insert into outbox (peer, leaf_index) select 'gateway', leaf.index from leaf join event on event.id = leaf.event_id "
        "where event.kind in ('recusal.declared', 'recusal.lifted') order by leaf.index"
    )
    # what has no place in the record yet is in no tree, and may still be addressed to one more
    op.execute(
        "update event set told = array_append(told, 'gateway') "
        "where kind in ('recusal.declared', 'recusal.lifted') and id in (select event_id from unsequenced)"
    )


def downgrade() -> None:
    op.execute("delete from outbox where peer = 'gateway'")
