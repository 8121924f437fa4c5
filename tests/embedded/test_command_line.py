"""The command line: it explains itself, completes words, and does what it says, for real."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine
from typer.core import TyperGroup
from typer.main import get_command

from embedded import postgres
from embedded.__main__ import NAME, app, main
from embedded.caller import Caller
from embedded.product import Secrets, kept_secrets
from kernel.health import newest_revision
from migrations.migrate import SCHEMAS, engine_for
from tests.gateway.people import PASSWORD, a_login, activated, sign_in
from tests.rig import Award
from tests.workflow.committee import ok

ROOT = Path(__file__).parents[2]
Command = Callable[..., tuple[int, str, str]]


def walked(group: Any, *words: str) -> Iterator[tuple[tuple[str, ...], Any]]:  # noqa: ANN401 - as the library has it
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from walked(command, *words, name)
        else:
            yield (*words, name), command


COMMANDS = dict(walked(get_command(app)))


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Give what a command answers: its exit status, what it said, and what it said went wrong."""
    monkeypatch.setenv("COLUMNS", "200")

    def given(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", [NAME, *words])
        status = main()
        said = capsys.readouterr()
        return status, said.out, said.err

    return given


@pytest.fixture(scope="module")
def office(award: Award) -> dict[str, Any]:
    """The office's account, which signs in."""
    with award.client("committee", duties=["office"]) as by, award.client() as anyone:
        return activated(anyone, by, [{"role": "committee", "duties": ["office"]}])


@pytest.fixture
def as_office(award: Award, office: dict[str, Any], command: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    for name, value in (("URL", award.address), ("LOGIN", office["login"]), ("PASSWORD", PASSWORD)):
        monkeypatch.setenv(f"QUALITY_AWARD_{name}", value)
    return command


def test_the_commands_are_those_that_are_promised() -> None:
    promised = {"run", "demo", "migrate", "keys", "accounts", "export", "verify", "backup", "restore"}
    assert promised <= {words[0] for words in COMMANDS}


@pytest.mark.parametrize("words", sorted(COMMANDS), ids=" ".join)
def test_every_command_says_what_it_is_for_what_it_takes_and_shows_examples(words: tuple[str, ...], command: Command) -> None:
    status, said, _ = command(*words, "--help")
    assert (status, "Examples:" in said, f"{NAME} {' '.join(words)}" in said.partition("Examples:")[2]) == (0, True, True)
    assert COMMANDS[words].help
    assert [one.name for one in COMMANDS[words].params if not getattr(one, "help", None)] == []


def test_the_entry_point_is_this_program() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    module, _, function = scripts[NAME].partition(":")
    assert getattr(import_module(module), function) is main


def test_a_shell_completes_its_words() -> None:
    def asked(**environment: str) -> str:
        told = [sys.executable, "-m", "embedded"]
        return subprocess.run(told, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=True).stdout  # noqa: S603 - our own words

    script = asked(_QUALITY_AWARD_COMPLETE="source_bash")
    assert "complete -o default -F _quality_award_completion quality-award" in script
    words = asked(_QUALITY_AWARD_COMPLETE="complete_bash", COMP_WORDS="quality-award accounts dis", COMP_CWORD="2")
    assert words.split() == ["disable"]


def test_accounts_are_listed_shut_out_let_in_and_given_a_new_password(award: Award, office: dict[str, Any], as_office: Command) -> None:
    with award.client("committee", duties=["office"]) as by, award.client() as anyone:
        person = activated(anyone, by, [{"role": "reviewer"}])
        login = person["login"]
        status, said, _ = as_office("accounts", "list", "--role", "reviewer", "--json")
        assert (status, [one["login"] for one in map(json.loads, said.splitlines())]) == (0, [login])
        table = as_office("accounts", "list")[1]
        assert [name for name in (login, office["login"]) if name not in table] == []
        assert as_office("accounts", "disable", login)[:2] == (0, f"{login} is disabled\n")
        assert sign_in(anyone, login).json()["code"] == "credentials_wrong"
        assert as_office("accounts", "enable", person["id"])[:2] == (0, f"{login} is active\n")
        secret = as_office("accounts", "reset", login)[1].splitlines()[-1]
        ok(anyone.post("/auth/password-reset", json={"secret": secret, "password": "battery-Staple-8"}))
        assert sign_in(anyone, login, "battery-Staple-8").status_code == 200


def test_a_person_is_invited_and_what_the_door_refuses_is_one_sentence(award: Award, as_office: Command) -> None:
    login = a_login()
    status, said, _ = as_office("accounts", "invite", login, "某人", "--role", "endorser", "--body", "330703102")
    assert status == 0
    with award.client() as anyone:
        ok(anyone.post("/auth/activation", json={"secret": said.splitlines()[-1], "password": PASSWORD}))
    again = as_office("accounts", "invite", login, "某人", "--role", "reviewer")
    assert again == (1, "", "That login is taken (login_taken)\n")
    assert as_office("accounts", "reset", "nobody.has.this")[2].startswith("There is no account nobody.has.this")


def test_a_wrong_password_and_an_address_where_nobody_serves_are_one_sentence(as_office: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUALITY_AWARD_PASSWORD", "wrong-Horse-7")
    assert as_office("accounts", "list")[2].endswith("(credentials_wrong)\n")
    refused = as_office("accounts", "list", "--url", "http://127.0.0.1:1")
    assert refused == (1, "", "http://127.0.0.1:1 can't be reached (ConnectError).\n")


def test_results_are_written_with_their_manifest(award: Award, as_office: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by: Caller = award.client("committee", "office-1", duties=["office"])
    row = {
        "credit_code": "91330703MA28E3QW5E", "organisation": "金华某某机械有限公司", "award": "innovation", "year": 2023, "prize": 150000,
        "document_number": "金东政发〔2023〕18号", "approved_on": "2023-10-12",
    }  # fmt: skip
    ok(by.post("/awards/imports", json={"awards": [row]}))
    client = ok(by.post("/accounts", json={"kind": "client", "name": "公共数据平台", "scopes": ["results:read"]}))
    monkeypatch.setenv("QUALITY_AWARD_CLIENT_SECRET", client["client_secret"])
    for kind in ("csv", "parquet"):
        out = tmp_path / f"results.{kind}"
        status, said, wrong = as_office("export", "results", "--client", client["id"], "--out", str(out))
        assert (status, wrong) == (0, "")
        manifest = json.loads((tmp_path / f"results.{kind}.manifest.json").read_text(encoding="utf-8"))
        assert said == f"{manifest['rows']} results, {out.stat().st_size} bytes, sha256 {manifest['sha256']}\n"
    rows = list(csv.DictReader((tmp_path / "results.csv").read_text(encoding="utf-8").splitlines()))
    assert [(one["organisation"], one["award"], one["year"]) for one in rows] == [(row["organisation"], "innovation", "2023")]
    assert as_office("export", "results", "--client", client["id"], "--out", "results.txt")[0] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "results.csv", "results.csv.manifest.json", "results.parquet", "results.parquet.manifest.json",
    ]  # fmt: skip


def test_there_is_no_bundle_before_the_results_are_public_and_what_is_none_is_not_verified(
    award: Award, as_office: Command, tmp_path: Path
) -> None:
    cycle = ok(award.client("committee", duties=["office"]).post("/cycles", json={"year": 2090}))["id"]
    out = tmp_path / "bundle.zip"
    assert as_office("export", "bundle", cycle, "--out", str(out)) == (1, "", "There is no such thing (absent)\n")
    assert list(tmp_path.iterdir()) == []
    assert as_office("verify", str(out))[0] == 2
    out.write_bytes(b"no bundle")
    assert as_office("verify", str(out))[0] == 1


@pytest.mark.full
def test_a_data_folder_is_migrated_backed_up_and_restored(command: Command, tmp_path: Path) -> None:
    data, backups = tmp_path / "data", tmp_path / "backups"
    where = ("--data", str(data), "--backups", str(backups))
    assert command("migrate", "--data", str(data)) == (1, "", f"There is no data of the product in {data}.\n")
    data.mkdir(mode=0o700)
    kept_secrets(data)
    assert command("migrate", "--data", str(data)) == (0, "", "")
    status, said, wrong = command("backup", *where)
    assert (status, said.startswith(str(backups / "base")), wrong) == (0, True, "")
    shutil.rmtree(data / "postgresql" / "cluster")
    refused = command("restore", *where, "--until", "2026-05-04T09:30:00")
    assert (refused[0], "say the offset from UTC too" in refused[2]) == (2, True)
    status, said, wrong = command("restore", *where)
    restored = json.loads(said)
    assert (status, restored["wrong"], restored["missing"], wrong) == (0, [], [], "")
    assert command("keys", "list", "--data", str(data)) == (0, "", "")


def test_the_database_that_the_environment_names_is_migrated(
    server: postgres.Server, kept: Secrets, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    administrator = create_engine(server.admin_url, isolation_level="AUTOCOMMIT")
    with administrator.connect() as connection:
        connection.exec_driver_sql("create database a_deployment")
    url = server.url(postgres.SUPERUSER, server.password, "a_deployment")
    monkeypatch.setenv("QUALITY_AWARD_OWNER_URL", url.set(password=None).render_as_string())
    monkeypatch.setenv("QUALITY_AWARD_OWNER_PASSWORD", server.password)
    for schema, password in kept.passwords.items():  # the roles are the whole server's: they keep their passwords
        monkeypatch.setenv(f"QUALITY_AWARD_{schema.upper()}_DATABASE_PASSWORD", password)
    assert command("migrate", "--deployment") == (0, "", "")
    for schema in SCHEMAS:
        engine = engine_for(url, schema)
        with engine.connect() as connection:
            found = connection.exec_driver_sql("select version_num from alembic_version").scalar_one()
        engine.dispose()
        assert int(found.rpartition("_")[2]) == newest_revision(schema)
    with administrator.connect() as connection:
        connection.exec_driver_sql("drop database a_deployment with (force)")
    administrator.dispose()


@contextmanager
def played(result: Path) -> Iterator[str]:
    """Play the demo year while its supervision group still sees it, and give the address where it stays until the block ends."""
    until = "Results are published, prizes are paid"
    told = [sys.executable, "-m", "embedded", "demo", "--until", until, "--keep", "--result", str(result)]
    with subprocess.Popen(told, cwd=ROOT, stdout=subprocess.PIPE, text=True, process_group=0) as year:  # noqa: S603 - our own words
        assert year.stdout is not None
        try:
            yield next(line for line in year.stdout if line.startswith("The year stays on")).split()[4].rstrip(",")
        finally:
            year.send_signal(signal.SIGINT)


@pytest.mark.full
@pytest.mark.timeout(600)
def test_a_demo_year_s_bundles_are_exported_and_hold(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    public, own = tmp_path / "bundle.zip", tmp_path / "own.zip"
    with played(tmp_path / "demo-result.json") as url:
        accounts = json.loads((tmp_path / "demo-accounts.json").read_text(encoding="utf-8"))
        login = next(login for login, account in sorted(accounts.items()) if account["role"] == "supervisor")
        monkeypatch.setenv("QUALITY_AWARD_PASSWORD", accounts[login]["password"])
        cycle = httpx.get(f"{url}/api/v1/public/announcements", trust_env=False).json()["items"][0]["cycle"]
        for out, whose in ((public, ()), (own, ("--login", login))):
            exported = command("export", "bundle", cycle, "--url", url, "--out", str(out), *whose)
            assert (exported[0], exported[2]) == (0, "")
    for out in (public, own):
        status, said, _ = command("verify", str(out), "--year", "2026")
        assert (status, said.splitlines()[-1]) == (0, "everything holds")
    assert own.stat().st_size > public.stat().st_size
    assert command("verify", str(public), "--year", "2025")[0] == 1
