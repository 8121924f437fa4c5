"""What an operator does beside serving: erase what has been kept long enough (a dry run first), and seal contact data anew."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from sqlalchemy import MetaData, delete, select, tuple_
from sqlalchemy.orm import Session

from kernel import record
from kernel.clock import business_now, wall
from kernel.database import idempotency, make_engine, new_id
from kernel.sealed import give_seal, reseal
from kernel.settings import ServiceName, Settings

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - it has no public name
Found = Sequence[tuple[Any, datetime]]
"""What would be erased: its key, and since when it could have been."""


@dataclass(frozen=True)
class Keeping:
    """How long something is kept: `days` (0: for ever) after an instant that `find` knows; `erase` takes the keys that it found.

    `by_wall`: counted by the wall clock, since it is no matter of the award's year.
    """

    name: str
    days: int
    find: Callable[[Session, datetime], Found]
    erase: Callable[[Session, Sequence[Any]], None]
    by_wall: bool = False


def kept_answers(settings: Settings) -> Keeping:
    """Keep the answers that a repeated Idempotency-Key gets."""
    key = (idempotency.c.subject, idempotency.c.route, idempotency.c.key)

    def find(session: Session, before: datetime) -> Found:
        return [
            (tuple(row[:3]), row[3])
            for row in session.execute(select(*key, idempotency.c.created_at).where(idempotency.c.created_at < before))
        ]

    def erase(session: Session, keys: Sequence[Any]) -> None:
        session.execute(delete(idempotency).where(tuple_(*key).in_(keys)))

    return Keeping("idempotency", settings.idempotency_days, find, erase, by_wall=True)


def apply(session: Session, settings: Settings, keepings: Sequence[Keeping], *, dry_run: bool) -> list[dict[str, Any]]:
    """Erase what has been kept longer than its setting says, and record how much; a dry run tells the same and changes nothing."""
    now, told = business_now(session, settings.environment), []
    for one in keepings:
        line: dict[str, Any] = {"keeping": one.name, "days": one.days, "dry_run": dry_run}
        if one.days:
            before = (wall() if one.by_wall else now) - timedelta(days=one.days)
            found = one.find(session, before)
            oldest = min((at for _, at in found), default=None)
            line |= {"before": before.isoformat(), "found": len(found), "oldest": oldest and oldest.isoformat()}
            if found and not dry_run:
                one.erase(session, [key for key, _ in found])
                _record(session, now, one.name, {"before": before.isoformat(), "erased": len(found)})
                session.commit()
        told.append(line)
    return told


def _record(session: Session, now: datetime, name: str, facts: dict[str, Any]) -> None:
    record.write_event(
        session,
        at=now,
        kind="retention.applied",
        subject=f"retention:{name}",
        actor=None,
        role=None,
        clause=None,
        facts=facts,
        request_id=str(new_id()),
        told=(),
    )


def run(
    name: ServiceName, settings: Settings, metadata: MetaData, keepings: Sequence[Keeping], command: str, *, dry_run: bool = False
) -> None:
    """Do `retention` or `reseal`, and answer with one JSON line for each thing."""
    engine = make_engine(settings.database(), name, 1)
    if settings.contact_key.get_secret_value():
        give_seal(engine, settings.contact_seal())
    with Session(engine, expire_on_commit=False) as session:
        if command == "retention":
            lines = apply(session, settings, [kept_answers(settings), *keepings], dry_run=dry_run)
        else:
            lines = [{"resealed": place, "values": count} for place, count in reseal(session, metadata).items()]
    engine.dispose()
    sys.stdout.writelines(json.dumps({"service": name} | line) + "\n" for line in lines)


def arguments(name: ServiceName) -> argparse.Namespace:
    """Read a service's command line: without a word it serves."""
    parser = argparse.ArgumentParser(prog=f"python -m services.{name}", description="Without a word: serve.")
    add_commands(parser.add_subparsers(dest="command"))
    return parser.parse_args()


def add_commands(commands: Commands) -> None:
    """Add what `run` does to a command line."""
    retention = commands.add_parser("retention", help="erase what has been kept as long as the settings say")
    retention.add_argument("--dry-run", action="store_true", help="tell what would be erased and how old it is; change nothing")
    commands.add_parser("reseal", help="seal contact data that stands in the clear or under an earlier key with the current key")
