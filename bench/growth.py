"""What a request costs while applications grow from a hundred to a million: as many queries and pages, hardly more time."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

import httpx
from sqlalchemy import Connection, Engine, Table, event, text

from bench.imports import award
from bench.intake import demand
from bench.rows import Row
from embedded.caller import Caller
from kernel import database, logs
from services.intake import tables as intake
from services.workflow import tables as workflow
from tests.intake.applicants import DRAFTING, TOWN, Intake
from tests.rig import Award
from tests.workflow.committee import ok

SIZES = [int(size) for size in os.environ.get("GROWTH", "100 10000 1000000").split()]
TIMES, WARM = 60, 10
PAGES, TIME = 1 / 1.1, 1 / 1.5
BY_INDEX = "set local enable_seqscan = off; set local enable_hashjoin = off; set local enable_mergejoin = off"
"""How the smallest is read for its pages: as the larger are (decision 17)."""
COUNTED = "count-these"
Replay = tuple[str, Any]


@dataclass(frozen=True)
class Cost:
    """What one request took: statements, the pages of tables and of their indexes' leaves that they touched, and the median of its time."""

    queries: int
    pages: int
    seconds: float


def copied(connection: Connection, table: Table, given: Mapping[str, str], which: str) -> None:
    """Copy the model's rows of a table once for each of the made-up organisations, with what is given in SQL in the place of its own."""
    names = [column.name for column in table.columns]
    values = ", ".join(given.get(name, f'original."{name}"') for name in names)
    columns = ", ".join(f'"{name}"' for name in names)
    connection.execute(text(f"insert into {table.name} ({columns}) select {values} from {table.name} original, copies where {which}"))  # noqa: S608 - our own words


def grow(award: Award, model: Mapping[str, str], first: int, last: int) -> None:
    """Add applications by number, with all that belongs to each: six in ten to the current cycle, the others to one before it."""
    engine = award.database("intake")
    with engine.begin() as connection:
        connection.exec_driver_sql("set local synchronous_commit = off")
        connection.execute(
            text("""create temporary table copies on commit drop as
            select case when n % 10 < 6 then uuidv7() else uuidv7('-1 year') end as id, '91330703' || lpad(n::text, 10, '0') as code,
            cast(case when n % 10 < 6 then :current else :past end as uuid) as cycle from generate_series(cast(:first as int), :last) n"""),
            {"first": first, "last": last, "current": model["cycle"], "past": model["past"]},
        )
        own, code = f"original.application_id = '{model['id']}'", f"original.credit_code = '{model['code']}'"
        copied(connection, intake.Organisation.__table__, {"credit_code": "copies.code"}, code)  # type: ignore[arg-type]
        copied(
            connection,
            intake.Application.__table__,  # type: ignore[arg-type]
            {"id": "copies.id", "credit_code": "copies.code", "cycle_id": "copies.cycle"},
            f"original.id = '{model['id']}'",
        )
        for one in (intake.Section, intake.FrozenVersion):
            copied(connection, one.__table__, {"application_id": "copies.id"}, own)  # type: ignore[arg-type]
        copied(connection, intake.Endorsement.__table__, {"id": "uuidv7()", "application_id": "copies.id"}, own)  # type: ignore[arg-type]
        events = {"id": "uuidv7()", "subject": "'application:' || copies.id", "told": "'{}'"}
        copied(connection, database.event, events, f"original.subject = 'application:{model['id']}'")
    settled(engine)
    engine = award.database("workflow")
    with engine.begin() as connection:
        connection.exec_driver_sql("set local synchronous_commit = off")
        connection.exec_driver_sql(f"create temporary table copies on commit drop as select n from generate_series({first}, {last}) n")  # noqa: S608 - numbers
        held = f"original.id = '{model['award']}'"
        numbered = "'91330703' || lpad(copies.n::text, 10, '0')"
        values = {"id": "uuidv7()", "credit_code": numbered, "certificate": "'C-' || copies.n", "plaque": "'P-' || copies.n"}
        copied(connection, workflow.Award.__table__, values, held)  # type: ignore[arg-type]
        copied(
            connection,
            workflow.ResultChange.__table__,  # type: ignore[arg-type]
            {"position": "copies.n + 1"},
            f"original.award_id = '{model['award']}' and original.position = 1",
        )
    settled(engine)


def settled(engine: Engine) -> None:
    """Let PostgreSQL know what there is."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("vacuum (analyze)")
    engine.dispose()


def modelled(award: Award, made: Intake) -> dict[str, str]:
    """Make by hand what the others are copies of: a filed application, an award, and a cycle that is over."""
    applicant = made.filed(1)
    row = {
        "credit_code": applicant.code, "organisation": "示例公司", "award": "innovation", "year": 2023, "prize": 150000,
        "document_number": "金东政发〔2023〕18号", "approved_on": "2023-10-12",
    }  # fmt: skip
    held = ok(made.office.post("/awards/imports", json={"awards": [row]}))["awards"][0]["id"]
    engine = award.database("intake")
    with engine.begin() as connection:
        values = ", ".join({"id": "uuidv7()", "phase": "'closed'"}.get(one.name, one.name) for one in intake.Cycle.__table__.columns)
        past = connection.execute(text(f"insert into cycle select {values} from cycle where id = :id returning id"), {"id": made.cycle})  # noqa: S608 - our own words
        closed = str(past.scalar_one())
    engine.dispose()
    return {"id": applicant.id, "code": applicant.code, "cycle": made.cycle, "past": closed, "award": held}


def requests(made: Intake, model: Mapping[str, str]) -> Mapping[str, tuple[str, Callable[[Mapping[str, str]], httpx.Response]]]:
    """Give what is measured, by its name: whose service answers it, and how it is asked."""
    own = made.award.client("applicant", "applicant-1", org=model["code"])
    platform = made.award.client(scope="results:read", person="platform-1")
    draft = made.drafted(2)

    def read(caller: Caller, path: str, **params: str | int) -> Callable[[Mapping[str, str]], httpx.Response]:
        return lambda headers: caller.get(path, params=params, headers=headers)

    return {
        "one's own application": ("intake", read(own, f"/applications/{model['id']}")),
        "its timeline": ("intake", read(own, f"/applications/{model['id']}/timeline")),
        "a cycle's first 50 applications": ("intake", read(made.office, "/applications", cycle=made.cycle, limit=50)),
        "a body's first 50 applications": ("intake", read(made.town, "/applications", limit=50)),
        "a submission, tried": (
            "intake",
            lambda headers: draft.client.post(
                f"{draft.path}/submission", json={"endorsing_body": TOWN}, params={"dry_run": "true"}, headers=headers
            ),
        ),
        "50 published results": ("workflow", read(platform, "/results", limit=50)),
        "50 changes of results": ("workflow", read(platform, "/results/changes", since=20, limit=50)),
    }


def cost(engine: Engine, ask: Callable[[Mapping[str, str]], httpx.Response], how: str = "") -> Cost:
    """Time a request, then do its statements again one by one, read as said, to count what they touch; nothing of that is kept."""
    took = []
    for number in range(WARM + TIMES):
        started = perf_counter()
        answer = ask({})
        took.append(perf_counter() - started)
        demand(answer.is_success, answer.text)
        if number < WARM:
            took.clear()
    statements: list[Replay] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_more: object) -> None:  # noqa: ANN401 - as SQLAlchemy calls it
        if logs.request_id.get() == COUNTED and "clock_shift" not in statement:
            statements.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        ask({"X-Request-Id": COUNTED})
    finally:
        event.remove(engine, "before_cursor_execute", note)
    with engine.connect() as connection:
        if how:
            connection.exec_driver_sql(how)
        pages = sum(touched(connection, *statement) for statement in statements)
        connection.rollback()
    return Cost(len(statements), pages, median(took))


def touched(connection: Connection, statement: str, parameters: Any) -> int:  # noqa: ANN401 - as the driver takes them
    """Count the pages that a statement touches, but for the inner ones of B-trees: of those there is one more with every level."""
    explained = connection.exec_driver_sql(f"explain (analyze, buffers, timing off, format json) {statement}", parameters).scalar_one()
    plan = explained[0]["Plan"]
    inner = sum(node.get("Index Searches", 0) * levels(connection, node["Index Name"]) for node in nodes(plan) if "Index Name" in node)
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] - inner)


def nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Give a plan's nodes."""
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def levels(connection: Connection, index: str) -> int:
    """Tell how many inner pages lie between a B-tree's root, itself one, and a leaf, by how many pages it has (300 entries a page)."""
    pages = connection.execute(text("select pg_relation_size(cast(:name as regclass)) / 8192"), {"name": f'"{index}"'}).scalar_one()
    depth, reach = 0, 1
    while reach < pages - 1:  # the first page says where the root is
        depth, reach = depth + 1, reach * 300
    return depth


def rows() -> Sequence[Row]:
    """Measure every request at every size; the reference is the smallest, ours the dearest of the larger."""
    found: dict[str, list[Cost]] = {}
    with award() as running:
        made = Intake(running)
        model = modelled(running, made)
        running.at(DRAFTING)
        asked, before = requests(made, model), 1
        for size in SIZES:
            grow(running, model, before, size)
            before = size + 1
            for name, (service, ask) in asked.items():
                engine = running.product.programs[service].state.service.engine  # type: ignore[index]
                found.setdefault(name, []).append(cost(engine, ask, BY_INDEX if size == SIZES[0] else ""))
    span = f"{SIZES[-1]:,} applications; {SIZES[0]:,}"
    table = []
    for name, (least, *larger) in found.items():
        table.append(Row(f"queries of {name}, {span}", max(one.queries for one in larger), least.queries, 1, "queries"))
        table.append(Row(f"pages of {name}, {span}", max(one.pages for one in larger), least.pages, PAGES, "pages"))
        table.append(Row(f"median of {name}, {span}", max(one.seconds for one in larger), least.seconds, TIME))
    return table
