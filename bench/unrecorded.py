"""`python -m bench.unrecorded MODULE` runs a program that appends nothing to its record: what is measured is what that spares."""

import runpy
import sys
from uuid import UUID

from kernel.database import new_id
from kernel.requests import Transaction


def unwritten(*_given: object, **_more: object) -> UUID:
    """Write nothing; gives what an event's id would be."""
    return new_id()


if __name__ == "__main__":
    Transaction.record = unwritten  # type: ignore[method-assign]  # that is what it is for
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
