"""The product under load beside its references: the door, one's own application, a score item, a list."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import httpx
from sqlalchemy import create_engine, text

from bench.load import rate, request
from bench.rows import Row, seconds_each
from embedded import postgres
from embedded.product import SERVICES, Product, Secrets, kept_secrets
from kernel.settings import ServiceName
from tests.faults.programs import ROOT, Programs, eventually, free_port, programs
from tests.intake.applicants import Intake, credit_code
from tests.rig import Award
from tests.scoring.year import RUBRIC, Year, rating

SERVER, CLIENT = {0}, {1}
ROUNDS = 3
PATIENCE_SECONDS = 120
"""How long a program may take to answer where the machine has other things to do."""
NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log stderr crit;
events {{ worker_connections 256; }}
http {{
    access_log off; client_body_temp_path {folder}; proxy_temp_path {folder};
    upstream behind {{ server 127.0.0.1:{upstream}; keepalive 64; }}
    server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection ""; }} }}
}}
"""

LIKE_ORGANISATION = """
insert into organisation select (jsonb_populate_record(o, jsonb_build_object('credit_code', '{code}'))).* from organisation o limit 1
"""
LIKE_APPLICATION = """
insert into application select (jsonb_populate_record(a, jsonb_build_object('id', '{id}', 'credit_code', '{code}'))).*
from application a where id = '{model}'
"""


def pin(process: int, cores: set[int]) -> None:
    """Keep a process, every thread of it, on these cores."""
    for thread in Path(f"/proc/{process}/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


@contextmanager
def running(words: list[str], port: int, cores: set[int], **environment: str) -> Iterator[int]:
    """Run a program on these cores until the block ends; gives its port once it answers."""
    with subprocess.Popen(words, cwd=ROOT, env=os.environ | environment) as process:  # noqa: S603 - our own words
        try:
            eventually(lambda: _answers(port), PATIENCE_SECONDS)
            pin(process.pid, cores)
            yield port
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    try:
        httpx.get(f"http://127.0.0.1:{port}/", trust_env=False)
    except httpx.TransportError:
        return False
    return True


@contextmanager
def bare(what: str, cores: set[int], url: str = "postgresql+psycopg://") -> Iterator[int]:
    """Run a reference program."""
    port = free_port()
    with running([sys.executable, "-m", "bench.bare"], port, cores, BARE=what, BARE_PORT=str(port), BARE_URL=url):
        yield port


@contextmanager
def nginx(upstream: int, folder: Path) -> Iterator[int]:
    """Run nginx before an upstream, with one worker on the server's core."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        raise SystemExit("The door's reference is nginx (Debian's package nginx); it is not installed.")
    port, place = free_port(), folder / "nginx"
    place.mkdir()
    (place / "conf").write_text(NGINX.format(folder=place, port=port, upstream=upstream))
    with running(["taskset", "--cpu-list", "0", program, "-c", str(place / "conf"), "-p", str(place)], port, SERVER):
        yield port


def beside(name: str, ours: Callable[[], float], reference: Callable[[], float], at_least: float) -> Row:
    """Press on both in turn, and compare the best of each: seconds for one answer."""
    rates = [(ours(), reference()) for _ in range(ROUNDS)]
    return Row(name, 1 / max(one for one, _ in rates), 1 / max(other for _, other in rates), at_least)


class House:
    """The four programs as a deployment runs them, in production, over rows of their own making."""

    def __init__(self, house: Programs, server: postgres.Server, kept: Secrets, folder: Path) -> None:
        """Make what is measured through the door, in environment test; then go to production."""
        self.programs = house
        self._server = server
        product = Product(server, house.database, folder, kept, "test")  # it signs tokens with the programs' own keys, and serves nothing
        self._sign = product.door.tokens.sign
        award = Award(product, house.url("gateway"), server, house.database)
        self.application, self.organisation = self._applications(Intake(award))
        self.sheet, self.reviewer = self._sheet(Year(award, 2026))
        award.close()
        for name in SERVICES:
            self._owner(name, "delete from clock_shift")
        house.settings["environment"] = "production"
        for name in SERVICES:
            self.restart(name)

    def restart(self, name: ServiceName, **settings: str) -> None:
        """Start a program anew, on the server's core."""
        self.programs.restart(name, **settings)
        pin(self.programs.process(name), SERVER)

    def _owner(self, schema: str, *statements: str) -> None:
        url = self._server.admin_url.set(database=self.programs.database)
        owner = create_engine(url, connect_args={"options": f"-csearch_path={schema}"})
        with owner.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))
        owner.dispose()

    def _applications(self, intake: Intake) -> tuple[str, str]:
        """Make one application by hand and a hundred like it; the window stays open."""
        one = intake.submitted(1)
        copies = [(uuid4(), credit_code(number)) for number in range(1000, 1100)]
        self._owner(
            "intake",
            "update cycle set opens = now() - interval '1 day', closes = now() + interval '30 days'",
            *(LIKE_ORGANISATION.format(code=code) for _, code in copies),
            *(LIKE_APPLICATION.format(id=key, code=code, model=one.id) for key, code in copies),
        )
        return one.id, one.code

    @staticmethod
    def _sheet(year: Year) -> tuple[str, str]:
        names = ("a", "b", "c")
        year.appoint(*names, leaders=names)
        year.undertake(*names)
        applications = year.close_screening(3)
        year.form(names, applications)
        return year.sheet("a", applications[0]), year.person("a")

    def token(self, person: str = "p1", **claims: object) -> str:
        """Sign a token in the name of somebody."""
        return self._sign(person, claims)

    def port(self, name: ServiceName) -> int:
        """Give where a program listens."""
        return self.programs.address(name)[1]

    def database_url(self, schema: str) -> str:
        """Give a service's own access to its schema, as an address whose search path is set."""
        url = self._server.url(schema, self.programs.kept.passwords[schema], self.programs.database)
        return url.update_query_dict({"options": f"-csearch_path={schema}"}).render_as_string(hide_password=False)


def rows() -> list[Row]:
    """Measure one after the other: server on one core, load and upstream on the other."""
    os.sched_setaffinity(0, CLIENT)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        folder.chmod(0o711)
        server = stack.enter_context(postgres.running(folder / "postgresql"))
        kept = kept_secrets(folder)
        house = House(stack.enter_context(programs(server, kept, folder)), server, kept, folder)
        return [_door(house, folder), *_services(house)]


def _door(house: House, folder: Path) -> Row:
    """Compare the door with nginx before the same upstream, which stands in workflow's place."""
    with bare("upstream", CLIENT) as upstream, nginx(upstream, folder) as plain:
        house.restart("gateway", workflow_url=f"http://127.0.0.1:{upstream}")
        asked = request("GET", "/api/v1/awards", house.token("office-1", role="committee", duties=["office"]))
        named = "GET through the door, valid token, 32 connections; nginx before the same upstream"
        row = beside(named, lambda: rate(house.port("gateway"), asked, 32), lambda: rate(plain, asked, 32), 0.6)
        house.restart("gateway")
        return row


def _services(house: House) -> Iterator[Row]:
    """Compare what a service does with bare FastAPI and SQLAlchemy doing the same to the same rows."""
    mine = house.token(role="applicant", org=house.organisation)
    office = house.token("office-1", role="committee", duties=["office"])
    with bare("app", SERVER, house.database_url("intake")) as reference:
        own, plain = request("GET", f"/api/v1/applications/{house.application}", mine), request("GET", f"/applications/{house.application}")
        yield beside(
            "GET of one's own application, at the service; bare FastAPI + SQLAlchemy",
            lambda: rate(house.port("intake"), own), lambda: rate(reference, plain), 0.7
        )  # fmt: skip
        page, listed = request("GET", "/api/v1/applications?limit=50", office), request("GET", "/applications?limit=50")
        yield beside(
            "list of 50 applications; bare FastAPI + SQLAlchemy",
            lambda: rate(house.port("intake"), page), lambda: rate(reference, listed), 0.7
        )  # fmt: skip
    with bare("app", SERVER, house.database_url("scoring")) as reference:
        yield _score_item(house, reference)


def _score_item(house: House, reference: int) -> Row:
    """Save one item of one sheet again and again, over one connection, each time from the version that the last one gave."""
    path, item = f"/sheets/{house.sheet}/items/{RUBRIC.items[0].id}", rating(60)
    me = {"authorization": f"Bearer {house.token(house.reviewer, role='reviewer')}"}

    def saves(port: int, base: str, headers: Mapping[str, str]) -> float:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}{base}", headers=headers, timeout=PATIENCE_SECONDS, trust_env=False) as client:
            tag = client.get(f"/sheets/{house.sheet}").headers.get("etag", '"0"') if base else '"0"'

            def save() -> None:
                nonlocal tag
                answer = client.put(path, json=item, headers={"If-Match": tag})
                answer.raise_for_status()
                tag = str(answer.headers.get("etag", tag))

            return 1 / seconds_each(save)

    return beside(
        "save a score item, one commit; bare FastAPI + SQLAlchemy writing the same row",
        lambda: saves(house.port("scoring"), "/api/v1", me), lambda: saves(reference, "", {}), 0.7
    )  # fmt: skip
