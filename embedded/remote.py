"""What the command line does through the door, with the rights of who signs in, here or at any other address: accounts and exports."""

import hashlib
import json
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import httpx
import typer
from rich.console import Console
from rich.table import Table

from embedded.caller import Caller
from embedded.cannot import CannotError

BASE = "/api/v1"
SIGNING_IN = "The password comes from QUALITY_AWARD_PASSWORD, or is asked for."

accounts = typer.Typer(
    help=f"List accounts, let them in or shut them out, and issue one-time links, as the office. {SIGNING_IN}",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
export = typer.Typer(
    help="Write the published results, or a year's result bundle, into a file.", no_args_is_help=True, rich_markup_mode="markdown"
)

Url = Annotated[str, typer.Option(help="Where the product is served.", envvar="QUALITY_AWARD_URL")]
Ca = Annotated[
    Path | None, typer.Option(help="The certificate that the address shows, where no known authority signed it.", dir_okay=False)
]
Login = Annotated[str, typer.Option(help="Who signs in.", envvar="QUALITY_AWARD_LOGIN")]
Code = Annotated[str, typer.Option(help="The code of the second factor, where one is enrolled.")]
Whom = Annotated[str, typer.Argument(help="The account's login, or its id.")]
HERE = "http://127.0.0.1:8000"


@dataclass(frozen=True)
class Door:
    """An address of the product."""

    url: str
    ca: Path | None

    @contextmanager
    def called(self) -> Iterator[Caller]:
        """Call it; what it refuses, and that it isn't there, is a sentence."""
        verified = ssl.create_default_context(cafile=self.ca) if self.ca else True
        headers = {"Accept-Language": "en"}
        try:
            with Caller(base_url=self.url.rstrip("/") + BASE, headers=headers, timeout=60, trust_env=False, verify=verified) as caller:
                yield caller
        except httpx.TransportError as error:
            raise CannotError(f"{self.url} can't be reached ({type(error).__name__}).") from error

    @contextmanager
    def signed_in(self, login: str, code: str, role: str) -> Iterator[Caller]:
        """Call it as a person, whose sign-in ends with the block."""
        password = os.environ.get("QUALITY_AWARD_PASSWORD") or typer.prompt(f"Password of {login}", hide_input=True)
        form = {"login": login, "password": password, "code": code, "role": role}
        with self.called() as caller:
            caller.headers["Authorization"] = f"Bearer {good(caller.post('/auth/sign-in', json=form)).json()['access_token']}"
            try:
                yield caller
            finally:
                caller.post("/auth/logout")


def good(answer: httpx.Response) -> httpx.Response:
    """Demand an answer that says yes; a problem is told in its own words."""
    if answer.is_success:
        return answer
    answer.read()
    told = answer.json() if "json" in answer.headers.get("content-type", "") else {}
    raise CannotError(f"{told.get('detail', answer.reason_phrase)} ({told.get('code', answer.status_code)})")


def examples(*lines: str) -> str:
    """Give a command's examples, as its help ends."""
    return "Examples:\n\n" + "\n\n".join(f"    quality-award {line}" for line in lines)


def pages(caller: Caller, path: str, **params: str) -> Iterator[dict[str, Any]]:
    """Give every item of a list."""
    cursor: str | None = None
    while True:
        page = good(caller.get(path, params=params | {"limit": "200"} | ({"cursor": cursor} if cursor else {}))).json()
        yield from page["items"]
        if (cursor := page["next_cursor"]) is None:
            return


def found(caller: Caller, whom: str) -> tuple[dict[str, Any], str]:
    """Find an account by login or id; gives it with its ETag."""
    ids = [one["id"] for one in pages(caller, "/accounts") if whom in {one["id"], one["login"]}]
    if not ids:
        raise CannotError(f"There is no account {whom}, or it is none of yours to manage.")
    answer = good(caller.get(f"/accounts/{ids[0]}"))
    return answer.json(), answer.headers["etag"]


@accounts.command("list", epilog=examples("accounts list", "accounts list --status pending", "accounts list --role reviewer --json"))
def list_accounts(
    login: Login = "office",
    code: Code = "",
    url: Url = HERE,
    ca: Ca = None,
    status: Annotated[Literal["pending", "active", "disabled"] | None, typer.Option(help="Only these.")] = None,
    role: Annotated[str | None, typer.Option(help="Only who holds this role.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line for each account.")] = False,  # noqa: FBT002
) -> None:
    """List the accounts that you may see, oldest first."""
    wanted = {name: value for name, value in (("status", status), ("role", role)) if value}
    with Door(url, ca).signed_in(login, code, "committee") as caller:
        items = list(pages(caller, "/accounts", **wanted))
    if as_json:
        for one in items:
            typer.echo(json.dumps(one, ensure_ascii=False))
        return
    table = Table("login or client", "name", "status", "roles", "since")
    for one in items:
        roles = "; ".join(
            " ".join([grant["role"], *grant["duties"], grant["org"] or grant["body"] or ""]).strip() for grant in one["grants"]
        )
        table.add_row(one["login"] or one["id"], one["name"], one["status"], roles or ", ".join(one["scopes"]), one["created_at"][:10])
    Console().print(table)


def _set_status(whom: str, status: str, login: str, code: str, door: Door) -> None:
    with door.signed_in(login, code, "committee") as caller:
        account, etag = found(caller, whom)
        changed = good(caller.patch(f"/accounts/{account['id']}", json={"status": status}, headers={"If-Match": etag})).json()
    typer.echo(f"{changed['login'] or changed['id']} is {changed['status']}")


@accounts.command(epilog=examples("accounts disable li.zhuren"))
def disable(whom: Whom, login: Login = "office", code: Code = "", url: Url = HERE, ca: Ca = None) -> None:
    """Shut an account out at once, from every service; what it did stays."""
    _set_status(whom, "disabled", login, code, Door(url, ca))


@accounts.command(epilog=examples("accounts enable li.zhuren"))
def enable(whom: Whom, login: Login = "office", code: Code = "", url: Url = HERE, ca: Ca = None) -> None:
    """Let a disabled account in again."""
    _set_status(whom, "active", login, code, Door(url, ca))


@accounts.command(epilog=examples("accounts reset li.zhuren"))
def reset(whom: Whom, login: Login = "office", code: Code = "", url: Url = HERE, ca: Ca = None) -> None:
    """Issue a one-time secret for a new password, or for the first one; earlier unused ones end. It is shown this once."""
    with Door(url, ca).signed_in(login, code, "committee") as caller:
        account, _ = found(caller, whom)
        purpose = "activation" if account["status"] == "pending" else "reset"
        link = good(caller.post(f"/accounts/{account['id']}/activation-links", json={"purpose": purpose})).json()
    way = "activation" if purpose == "activation" else "password-reset"
    typer.echo(f"POST {BASE}/auth/{way} with this secret, until {link['expires_at']}:\n{link['activation']}")


@accounts.command(
    epilog=examples(
        "accounts invite li.zhuren 李某 --role committee --duty chair", "accounts invite zhang 张某 --role endorser --body 330703101"
    )
)
def invite(
    invited: Annotated[str, typer.Argument(metavar="LOGIN", help="The login of the new account.")],
    name: Annotated[str, typer.Argument(help="The person's name.")],
    role: Annotated[Literal["endorser", "reviewer", "committee", "supervisor"], typer.Option(help="The role to hold.")],
    duty: Annotated[list[str] | None, typer.Option(help="Of the committee: office, chair, vice_chair, member; may be given again.")] = None,
    body: Annotated[str | None, typer.Option(help="Of an endorser: the body's code.")] = None,
    login: Login = "office",
    code: Code = "",
    url: Url = HERE,
    ca: Ca = None,
) -> None:
    """Invite a person by a one-time secret, which is shown this once; supervisors are the chair's to invite (7.1)."""
    grant = {"role": role, "duties": duty or []} | ({"body": body} if body else {})
    with Door(url, ca).signed_in(login, code, "committee") as caller:
        made = good(caller.post("/accounts", json={"kind": "person", "login": invited, "name": name, "grants": [grant]})).json()
    typer.echo(f"POST {BASE}/auth/activation with this secret, until {made['expires_at']}:\n{made['activation']}")


def written(caller: Caller, path: str, out: Path) -> httpx.Headers:
    """Stream an answer into a file, which is there once it is whole; gives the answer's headers."""
    draft = out.with_name(f"{out.name}.part")
    with caller.stream("GET", path) as answer:
        good(answer)
        with draft.open("wb") as file:
            for chunk in answer.iter_bytes():
                file.write(chunk)
    draft.replace(out)
    return answer.headers


Out = Annotated[Path, typer.Option(help="The file to write.", dir_okay=False)]


@export.command(
    epilog=examples("export results --client 01900000-… --out results.csv", "export results --client 01900000-… --out results.parquet")
)
def results(
    out: Out,
    client: Annotated[str, typer.Option(help="The machine client's id.", envvar="QUALITY_AWARD_CLIENT")],
    url: Url = HERE,
    ca: Ca = None,
) -> None:
    """Write the published results as CSV or Parquet, by the file's name, and beside it their signed manifest.

    They are a machine client's to read (`POST /accounts` admits one); its secret comes from QUALITY_AWARD_CLIENT_SECRET, or is asked for.
    """
    kind = out.suffix.removeprefix(".")
    if kind not in {"csv", "parquet"}:
        raise CannotError("The file's name must end with .csv or .parquet.")
    secret = os.environ.get("QUALITY_AWARD_CLIENT_SECRET") or typer.prompt(f"Secret of {client}", hide_input=True)
    form = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
    with Door(url, ca).called() as caller:
        caller.headers["Authorization"] = f"Bearer {good(caller.post('/auth/token', data=form)).json()['access_token']}"
        position = written(caller, f"/results.{kind}", out)["results-position"]
        manifest = good(caller.get("/results/manifest", params={"format": kind})).json()
    if (str(manifest["position"]), manifest["sha256"]) != (position, hashlib.sha256(out.read_bytes()).hexdigest()):
        raise CannotError("The results changed while they were written: the file is whole, and without a manifest; write it again.")
    out.with_name(f"{out.name}.manifest.json").write_text(json.dumps(manifest, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    typer.echo(f"{manifest['rows']} results, {manifest['bytes']} bytes, sha256 {manifest['sha256']}")


@export.command(
    epilog=examples("export bundle 01900000-… --out bundle.zip", "export bundle 01900000-… --out bundle.zip --login zhao.jiandu")
)
def bundle(
    cycle: Annotated[str, typer.Argument(help="The cycle's id.")],
    out: Out,
    login: Annotated[str | None, typer.Option(help="A member of the supervision group; the public bundle needs none.")] = None,
    code: Code = "",
    url: Url = HERE,
    ca: Ca = None,
) -> None:
    """Write all that a year's results rest on into a file that `verify` checks: the public's, or the supervision group's."""
    door = Door(url, ca)
    with door.signed_in(login, code, "supervisor") if login else door.called() as caller:
        out.write_bytes(good(caller.get(f"/cycles/{cycle}/bundle")).content)
    typer.echo(f"{out}: {out.stat().st_size} bytes; check it with `quality-award verify {out}`")
