"""Who reads the door's own record."""

from collections.abc import Collection
from functools import partial

import anyio.from_thread

from kernel.identity import Principal
from kernel.problems import absent
from kernel.requests import Transaction


def withheld(transaction: Transaction, supervisor: Principal) -> Collection[str]:
    """Ask workflow, which knows the supervision groups, what a supervisor may not read; the record is absent to one outside them (7.1)."""
    question = partial(transaction.service.peers.ask, "workflow", "/internal/record-readers", {"person": supervisor.person})
    answer = anyio.from_thread.run(question)
    if answer["reads"] is not True:
        raise absent()
    without: Collection[str] = answer["without"]
    return without
