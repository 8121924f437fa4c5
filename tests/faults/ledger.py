"""What must hold once the dust has settled: the clients' journals against the rows, the record and the peers."""

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import rfc8785
from sqlalchemy import Engine, create_engine, select, text
from sqlalchemy.pool import NullPool

from embedded.product import SERVICES
from kernel.database import event, leaf
from kernel.record import document
from kernel.settings import ServiceName
from tests.faults.cluster import Cluster
from tests.faults.load import Journal

ROWS: Mapping[str, tuple[ServiceName, str]] = {
    "report": (
        "workflow",
        "select o.text, o.id::text from objection o",
    ),
    "file": ("workflow", "select replace(a.name, '.pdf', ''), a.id::text from attachment a"),
    "department": ("intake", "select d.code, d.code from department d"),
    "reviewer": ("scoring", "select r.person, r.id::text from reviewer r"),
    "recusal": ("scoring", "select r.credit_code, r.id::text from recusal r"),
    "account": ("gateway", "select a.login, a.id::text from account a where a.login like 'f-%'"),
    "disabling": ("gateway", "select a.id::text, a.id::text from account a where a.status = 'disabled'"),
}
"""For each kind of write its rows: what marks one, and the id by which its event names it."""
EVENTS: Mapping[str, tuple[str, str]] = {
    "report": ("objection.received", "replace(subject, 'objection:', '')"),
    "file": ("attachment.added", "facts->>'attachment'"),
    "department": ("department.stated", "replace(subject, 'body:', '')"),
    "reviewer": ("reviewer.appointed", "replace(subject, 'reviewer:', '')"),
    "recusal": ("recusal.declared", "replace(subject, 'recusal:', '')"),
    "account": ("account.invited", "replace(subject, 'account:', '')"),
    "disabling": ("account.disabled", "replace(subject, 'account:', '')"),
}


@dataclass
class Verdict:
    """What was counted, and, in a sentence each, what is wrong."""

    acknowledged: int = 0
    lost: int = 0
    duplicated: int = 0
    events: int = 0
    rows: int = 0
    letters: int = 0
    wrong: list[str] = field(default_factory=list)

    def say(self, sentence: str, those: Sequence[object] = ()) -> None:
        self.wrong.append(f"{sentence}: {len(those)}, such as {those[0]}" if those else sentence)


def tree_root(hashes: Sequence[bytes]) -> bytes:
    """The root of RFC 6962, computed here as the RFC defines it, from nothing but the leaves."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + tree_root(hashes[:split]) + tree_root(hashes[split:])).digest()


def noted(checkpoint: str) -> tuple[int, bytes]:
    """The size and root that a checkpoint states."""
    _, size, root = checkpoint.splitlines()[:3]
    return int(size), base64.b64decode(root)


class Ledger:
    """Reads the database as its owner, past every program."""

    def __init__(self, cluster: Cluster, database: str, files: Path) -> None:
        url = cluster.server.admin_url.set(database=database)
        self._engines: dict[ServiceName, Engine] = {
            name: create_engine(url, poolclass=NullPool, connect_args={"options": f"-csearch_path={name}"}) for name in SERVICES
        }
        self._files = files

    def rows(self, schema: ServiceName, statement: str) -> list[tuple[str, ...]]:
        with self._engines[schema].connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]

    def is_settled(self) -> bool:
        """Tell whether every event has its place and every letter was delivered."""
        return not any(self.rows(name, "select 1 from unsequenced union all select 1 from outbox limit 1") for name in SERVICES)

    def judge(
        self, journal: Journal, checkpoints: Mapping[ServiceName, Sequence[str]], injected: Mapping[ServiceName, set[str]]
    ) -> Verdict:
        verdict = Verdict(acknowledged=len(journal.acknowledged()))
        self.judge_writes(verdict, journal)
        self._judge_files(verdict, journal)
        self._judge_effects(verdict)
        for name in SERVICES:
            self._judge_record(verdict, name, checkpoints[name])
        for sender in SERVICES:
            for receiver in SERVICES:
                if sender != receiver:
                    self._judge_letters(verdict, sender, receiver, injected[receiver])
        return verdict

    def judge_writes(self, verdict: Verdict, journal: Journal) -> None:
        """Every acknowledged write is there once, with its one event; and no write is there twice, or without its event."""
        for kind, (schema, statement) in ROWS.items():
            known = {one.marker for one in journal.entries if one.kind == kind}
            rows = [(marker, key) for marker, key in self.rows(schema, statement) if marker in known]
            kind_of_event, key_of_event = EVENTS[kind]
            events = Counter(key for (key,) in self.rows(schema, f"select {key_of_event} from event where kind = '{kind_of_event}'"))  # noqa: S608 - our own words
            times = Counter(marker for marker, _ in rows)
            told = [events[key] for _, key in rows]
            verdict.rows += len(rows)
            verdict.events += sum(told)
            lost = [one.marker for one in journal.acknowledged(kind) if not times[one.marker]]
            twice = [marker for marker, count in times.items() if count > 1]
            verdict.lost += len(lost)
            verdict.duplicated += len(twice)
            if lost:
                verdict.say(f"{kind}: acknowledged and not there", lost)
            if twice:
                verdict.say(f"{kind}: there more than once", twice)
            odd = [key for (_, key), count in zip(rows, told, strict=True) if count != 1]
            if odd:
                verdict.say(f"{kind}: not exactly one event for a row", odd)

    def _judge_files(self, verdict: Verdict, journal: Journal) -> None:
        """Every acknowledged file has its bytes on the disk."""
        missing = []
        for one in journal.acknowledged("file"):
            key = one.answer["id"].replace("-", "")
            kept = self._files / key[-2:] / key
            if not kept.is_file() or hashlib.sha256(kept.read_bytes()).hexdigest() != one.answer["sha256"]:
                missing.append(one.answer["id"])
        verdict.lost += len(missing)
        if missing:
            verdict.say("files: acknowledged, and their bytes are not there", missing)

    def _judge_effects(self, verdict: Verdict) -> None:
        """What was disabled at the door is struck off scoring's roster, once (version 2, neither 1 nor 3); it knows scoring's recusals."""
        disabled = {person for person, _ in self.rows("gateway", ROWS["disabling"][1])}
        found = self.rows("scoring", "select person, standing, version::text from reviewer")
        odd = [row for row in found if (row[0] in disabled) != (row[1:] == ("disabled", "2"))]
        if odd:
            verdict.say("reviewers whose standing does not follow their account", odd)
        declared, known = (set(self.rows(name, "select person, credit_code from recusal")) for name in ("scoring", "gateway"))
        if declared != known:
            verdict.say("recusals that the door knows otherwise than scoring", sorted(declared ^ known))

    def _judge_record(self, verdict: Verdict, name: ServiceName, checkpoints: Sequence[str]) -> None:
        """The record's order holds every event once, hashes to its root, and begins with every tree that was ever signed."""
        with self._engines[name].connect() as connection:
            rows = connection.execute(
                select(leaf.c.index, leaf.c.hash, event).join(event, event.c.id == leaf.c.event_id).order_by(leaf.c.index)
            ).all()
        if [row[0] for row in rows] != list(range(len(rows))):
            verdict.say(f"{name}: the record's places have gaps")
        hashes = [hashlib.sha256(b"\x00" + rfc8785.dumps(document(row))).digest() for row in rows]
        if [row.hash for row in rows] != hashes:
            verdict.say(f"{name}: an event does not hash to its leaf")
        (events,) = self.rows(name, "select count(*) from event")[0]
        if int(events) != len(rows):
            verdict.say(f"{name}: {events} events and {len(rows)} leaves")
        for size, root in map(noted, checkpoints):
            if size > len(hashes) or tree_root(hashes[:size]) != root:
                verdict.say(f"{name}: the record does not begin with the tree of {size} leaves that it signed")

    def _judge_letters(self, verdict: Verdict, sender: ServiceName, receiver: ServiceName, injected: set[str]) -> None:
        """The peer has every letter once, in the sender's order; what the harness itself brought early keeps no order."""
        told = [
            key
            for (key,) in self.rows(
                sender,
                f"select e.id::text from event e join leaf l on l.event_id = e.id where '{receiver}' = any(e.told) order by l.index",  # noqa: S608 - our own words
            )
        ]
        taken = [
            key
            for (key,) in self.rows(
                receiver,
                f"select event_id::text from received where sender = '{sender}' order by received_at, event_id",  # noqa: S608 - our own words
            )
        ]
        verdict.letters += len(taken)
        if sorted(told) != sorted(taken):
            verdict.say(f"{sender} told {receiver} {len(told)} letters, and it took {len(taken)}")
        elif [key for key in told if key not in injected] != [key for key in taken if key not in injected]:
            verdict.say(f"{receiver} took the letters of {sender} out of their order")
