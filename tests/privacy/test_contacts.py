"""A small year whose people's contacts are marked, and every place where a mark must not be."""

import json
import logging
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from embedded import postgres
from kernel import logs, upkeep
from kernel.sealed import Seal, give_seal
from kernel.settings import Settings
from kernel.upkeep import Keeping
from services.intake.retention import keepings as intake_keepings
from services.workflow.retention import keepings as workflow_keepings
from tests.intake.applicants import ORGANISATION, SCREENING, Applicant, Intake
from tests.rig import Award
from tests.workflow.committee import ok
from tests.workflow.year import Year, points

PERSON, TELEPHONE, EMAIL = "金丝雀甲", "0579-7613-0042", "kanari7@example.cn"
OBJECTOR, REACHED = "金丝雀乙", "kanari8@example.cn"
MARKS = (PERSON, TELEPHONE, EMAIL, OBJECTOR, REACHED)
CONTACTS = [{"name": PERSON, "position": "", "telephone": TELEPHONE, "email": EMAIL}]
SERVICES = ("gateway", "intake", "scoring", "workflow")


def marks_in(content: bytes) -> list[str]:
    """Look for the marks as they are, in hexadecimal (as a dump writes bytes), and as JSON may escape them."""
    lower = content.lower()
    forms = {mark: (mark.encode(), mark.encode().hex().encode(), json.dumps(mark).strip('"').encode()) for mark in MARKS}
    return [mark for mark, written in forms.items() if any(form.lower() in lower for form in written)]


class Lines(logging.Handler):
    """Keeps the log as the programs would write it; what the callers' own HTTP library logs here is no program's."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logs.JsonLines())
        self.kept: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith(("httpx", "httpcore")):
            self.kept.append(self.format(record))


class Played:
    """What is left of the year."""

    def __init__(self, award: Award) -> None:
        self.award = award
        self.intake = Intake(award)
        self.applicant = self.intake.filed(4201, organisation={"contacts": CONTACTS})
        self.provoke(self.applicant)
        award.at(SCREENING)
        self.intake.settle(self.applicant)
        ok(self.intake.determine(self.applicant))
        ok(self.intake.close())
        self.year = Year(award, 2090, [{"material": points(700)}])
        notice = self.year.noticed()
        told = {"text": "该企业曾受处罚", "name": OBJECTOR, "contact": REACHED}
        self.objection = ok(self.year.anyone.post(f"/notices/{notice}/objections", json=told))
        self.year.anyone.post(f"/notices/{notice}/objections", json=told | {"text": "\x00" + OBJECTOR})

    @staticmethod
    def provoke(applicant: Applicant) -> None:
        """Get every kind of error with the marks in the request."""
        path = f"/organisations/{applicant.code}"
        body: dict[str, Any] = ORGANISATION | {"contacts": CONTACTS}
        applicant.client.put(path, json=body, headers={"If-Match": '"0"'})
        applicant.client.put(path, json=body | {"legal_form": TELEPHONE}, headers={"If-Match": '"1"'})
        applicant.client.put(path, json=body | {"address": "\x00" + EMAIL}, headers={"If-Match": '"1"'})
        applicant.client.put(path, content=f'{{"name": "{PERSON}", '.encode(), headers={"If-Match": '"1"'})
        applicant.client.get(f"/applications/{TELEPHONE}")

    def answers(self) -> Iterator[tuple[str, bytes]]:
        """What is told to those who have no business with a contact: exports, records, the public, bodies, supervisors."""
        award, dossier = self.award, f"/applications/{self.applicant.id}"
        platform = award.client(scope="results:read", person="platform")
        supervisor = self.year.committee.supervisor
        for path in ("/results", "/results.csv", "/results.parquet", "/results/changes?since=0"):
            yield path, platform.get(path).content
        for path in ("/public/announcements", "/public/notices", "/public/awards"):
            yield path, self.year.anyone.get(path).content
        for service in SERVICES:
            yield service, supervisor.get(f"/record/{service}/events?limit=200").content
        for path in (dossier, f"{dossier}/versions/1", f"{dossier}/timeline", "/endorsements"):
            answer = self.intake.town.get(path)
            assert answer.is_success, answer.text
            yield path, answer.content
        yield "objection", supervisor.get(f"/objections/{self.objection['id']}").content


@pytest.fixture(scope="module")
def log() -> Iterator[Lines]:
    lines, root = Lines(), logging.getLogger()
    level = root.level
    root.addHandler(lines)
    root.setLevel(logging.DEBUG)
    yield lines
    root.removeHandler(lines)
    root.setLevel(level)


@pytest.fixture(scope="module")
def played(log: Lines, award: Award) -> Played:
    assert log.kept is not None
    return Played(award)


def test_who_is_meant_to_reads_the_contacts(played: Played) -> None:
    assert ok(played.intake.office.get(f"/organisations/{played.applicant.code}"))["contacts"] == CONTACTS
    objector = ok(played.year.office.get(f"/objections/{played.objection['id']}"))["objector"]
    assert objector == {"name": OBJECTOR, "contact": REACHED}


def test_no_log_line_holds_a_contact(played: Played, log: Lines) -> None:
    assert played.objection
    assert log.kept
    assert marks_in("\n".join(log.kept).encode()) == []


@pytest.mark.parametrize("service", SERVICES)
def test_no_event_and_no_metric_holds_a_contact(played: Played, service: str) -> None:
    engine = played.award.database(service)
    with engine.connect() as connection:
        events = connection.execute(text("select coalesce(string_agg(event::text, ' '), '') from event")).scalar_one()
        kept = connection.execute(text("select coalesce(string_agg(encode(body, 'hex'), ' '), '') from idempotency")).scalar_one()
    engine.dispose()
    assert marks_in(events.encode()) == []
    assert marks_in(kept.encode()) == []
    program = played.award.product.door.app if service == "gateway" else played.award.product.programs[service]  # type: ignore[index]  # one of SERVICES
    from prometheus_client import generate_latest  # noqa: PLC0415 - the registry is the program's own

    assert marks_in(generate_latest(program.state.service.registry)) == []


def test_no_export_and_no_reader_without_business_gets_a_contact(played: Played) -> None:
    assert {path: marks_in(content) for path, content in played.answers() if marks_in(content)} == {}


def test_neither_a_dump_nor_the_files_of_the_database_hold_a_contact(played: Played, server: postgres.Server) -> None:
    engine = played.award.database("workflow")
    with engine.connect() as connection:
        connection.execute(text("checkpoint"))
        name, oid = connection.execute(text("select datname, oid from pg_database where datname = current_database()")).one()
    engine.dispose()
    environment = {"PGPASSWORD": server.password, "PATH": os.defpath}
    where = ["-h", str(server.socket), "-p", str(postgres.PORT), "-U", postgres.SUPERUSER]
    dump = subprocess.run([postgres.binaries() / "pg_dump", *where, name], env=environment, capture_output=True, check=True).stdout  # noqa: S603 - ours
    assert str(ORGANISATION["name"]).encode() in dump, "the search would find what stands there"
    assert marks_in(dump) == []
    data = server.socket.parent
    files = [*(data / "cluster" / "base" / str(oid)).iterdir(), *(data / "cluster" / "pg_wal").glob("0*"), data / "postgresql.log"]
    assert [file.name for file in files if marks_in(file.read_bytes())] == []


@contextmanager
def upkeep_session(award: Award, service: str) -> Iterator[tuple[Session, Settings]]:
    program = award.product.programs[service]  # type: ignore[index]  # one of SERVICES
    settings: Settings = program.state.service.settings
    engine = create_engine(settings.database(), connect_args={"options": f"-csearch_path={service}"})
    give_seal(engine, Seal(settings.contact_key, settings.contact_keys_former))
    with Session(engine, expire_on_commit=False) as session:
        yield session, settings
    engine.dispose()


def events_of(session: Session) -> int:
    return int(session.execute(text("select count(*) from event where kind = 'retention.applied'")).scalar_one())


@pytest.mark.parametrize(
    ("service", "keepings", "name", "setting"),
    [
        ("workflow", workflow_keepings, "objectors", "objector_days"),
        ("intake", intake_keepings, "organisation_contacts", "applicant_days"),
    ],
)
def test_contacts_are_erased_when_their_time_is_over_and_a_dry_run_only_tells(
    played: Played, service: str, keepings: Callable[[Settings], list[Keeping]], name: str, setting: str
) -> None:
    if service == "workflow":
        ok(played.year.office.post("/objections/dismissals", json={"items": [{"objection": played.objection["id"], "reasons": "无事实"}]}))
    with upkeep_session(played.award, service) as (session, settings):
        if service == "intake":
            session.execute(text("update cycle set phase = 'closed'"))
            session.commit()
        last = "select max(closes) from cycle" if service == "intake" else "select max(settled_at) from objection"
        ended = session.execute(text(last)).scalar_one()
        chosen = [one for one in keepings(settings) if one.name == name]
        for seconds, found in ((-1, 0), (1, 1)):
            played.award.at((ended + timedelta(days=getattr(settings, setting), seconds=seconds)).isoformat())
            for dry_run in (True, True, False):
                (line,) = upkeep.apply(session, settings, chosen, dry_run=dry_run)
                assert (line["keeping"], line["dry_run"], line["found"]) == (name, dry_run, found)
                assert events_of(session) == (0 if dry_run or not found else 1)
        (line,) = upkeep.apply(session, settings, chosen, dry_run=False)
        assert (line["found"], events_of(session)) == (0, 1)
    if service == "workflow":
        assert ok(played.year.office.get(f"/objections/{played.objection['id']}"))["objector"] is None
    else:
        assert ok(played.intake.office.get(f"/organisations/{played.applicant.code}"))["contacts"] == []


def test_the_answers_of_old_keys_are_erased_by_the_wall_clock(played: Played) -> None:
    with upkeep_session(played.award, "scoring") as (session, settings):
        age = {"days": settings.idempotency_days + 1}
        session.execute(text("update idempotency set created_at = now() - make_interval(days => :days)"), age)
        kept = session.execute(text("select count(*) from idempotency")).scalar_one()
        assert kept
        (line,) = upkeep.apply(session, settings, [upkeep.kept_answers(settings)], dry_run=False)
        assert line["found"] == kept
        assert session.execute(text("select count(*) from idempotency")).scalar_one() == 0


def test_an_installation_from_before_the_key_gets_one_and_keeps_its_other_secrets(tmp_path: Path) -> None:
    from embedded.product import kept_secrets  # noqa: PLC0415 - beside its one use

    before = kept_secrets(tmp_path)
    path = tmp_path / "secrets.json"
    held = json.loads(path.read_text())
    del held["contact_key"]
    path.write_text(json.dumps(held))
    after = kept_secrets(tmp_path)
    assert (after.passwords, after.clients, after.seeds) == (before.passwords, before.clients, before.seeds)
    assert after.contact_key != before.contact_key
    assert kept_secrets(tmp_path) == after
    assert path.stat().st_mode & 0o777 == 0o600
