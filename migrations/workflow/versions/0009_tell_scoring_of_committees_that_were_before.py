"""Tell scoring of committees that were set before: it hears of every later one."""

from alembic import op

revision = "workflow_0009"
down_revision = "workflow_0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("lock table unsequenced in share row exclusive mode")
    op.execute(
        "insert into outbox (peer, leaf_index) select 'scoring', leaf.index from leaf join event on event.id = leaf.event_id "
        "where event.kind = 'committee.set' and not 'scoring' = any (event.told) order by leaf.index"
    )
    # what has no place in the record yet is in no tree, and may still be addressed to one more
    op.execute(
        "update event set told = array_append(told, 'scoring') where kind = 'committee.set' and not 'scoring' = any (told) "
        "and id in (select event_id from unsequenced)"
    )


def downgrade() -> None:
    op.execute("delete from outbox using leaf, event where outbox.leaf_index = leaf.index and event.id = leaf.event_id "
               "and outbox.peer = 'scoring' and event.kind = 'committee.set' and not 'scoring' = any (event.told)")
