"""Who reads the door's own record."""

from collections.abc import Collection
from functools import partial

import anyio.from_thread
from sqlalchemy import select

from gateway.account import acts_for_recused, recused_codes
from gateway.tables import Account
from kernel.identity import Principal
from kernel.problems import absent
from kernel.requests import Transaction


def withheld(transaction: Transaction, supervisor: Principal) -> Collection[str]:
    """Ask workflow, which knows the supervision groups, what a supervisor may not read; the record is absent to one outside them (7.1).

    Neither may they read of the people of an organisation that they are recused from (2.4.5).
    """
    question = partial(transaction.service.peers.ask, "workflow", "/internal/record-readers", {"person": supervisor.person})
    answer = anyio.from_thread.run(question)
    if answer["reads"] is not True:
        raise absent()
    people = transaction.session.scalars(select(Account.id).where(acts_for_recused(supervisor)))
    return {*answer["without"], *transaction.session.scalars(recused_codes(supervisor)), *map(str, people)}
