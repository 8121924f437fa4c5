"""The difference between two submitted versions of an application, by JSON pointer."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query

from kernel.problems import absent
from kernel.requests import InTransaction, Transaction
from kernel.service import router
from kernel.wire import Answer
from services.intake import access
from services.intake.application import Reader
from services.intake.tables import Application, FrozenVersion


class Change(Answer):
    """One place that differs; attachments are told apart by their ids, rows of a table by their places."""

    pointer: str
    change: Literal["added", "removed", "changed"]
    before: Any
    after: Any


class Difference(Answer):
    """What changed from version `against` to version `number`."""

    number: int
    against: int
    changes: list[Change]


def _members(value: object) -> dict[str, Any] | None:
    if isinstance(value, dict):
        return value
    if isinstance(value, list):
        return {str(place): one for place, one in enumerate(value)}
    return None


def changes(before: object, after: object, pointer: str = "") -> Iterator[Change]:
    """Compare two JSON documents, as deep as both go."""
    old, new = _members(before), _members(after)
    if old is None or new is None or type(before) is not type(after):
        if before != after:
            yield Change(pointer=pointer, change="changed", before=before, after=after)
        return
    for name in old | new:
        place = f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
        if name not in old:
            yield Change(pointer=place, change="added", before=None, after=new[name])
        elif name not in new:
            yield Change(pointer=place, change="removed", before=old[name], after=None)
        else:
            yield from changes(old[name], new[name], place)


def _content(transaction: Transaction, application: Application, number: int) -> dict[str, Any]:
    row = transaction.session.get(FrozenVersion, (application.id, number)) if 0 < number <= application.submitted else None
    if row is None:
        raise absent()
    return row.whole() | {"attachments": {one["id"]: one for one in row.content["attachments"]}}


routes = router("application")


@routes.get("/applications/{application}/versions/{number}/difference", operation_id="get_version_difference")
def get_difference(
    application: UUID,
    number: int,
    _reader: Reader,
    transaction: InTransaction,
    against: Annotated[int | None, Query(description="the version to compare with, by default the one before")] = None,
) -> Difference:
    """Read what changed between two submitted versions; an official's reading is recorded (7.6)."""
    found = access.find(transaction, application)
    other = number - 1 if against is None else against
    before, after = _content(transaction, found, other), _content(transaction, found, number)
    access.read_dossier(transaction, found, f"versions/{other}-{number}")
    return Difference(number=number, against=other, changes=list(changes(before, after)))
