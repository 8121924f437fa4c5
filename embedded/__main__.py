"""`quality-award`, the command line; `python -m embedded` is the same."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from embedded import remote
from embedded.cannot import CannotError
from embedded.remote import examples

# What a command needs is imported when it is called: a key press that completes a word starts this program, too.

NAME = "quality-award"
Environment = Literal["production", "demo", "test"]
Step = Literal["list", "publish", "sign", "retire", "drop"]

Data = Annotated[Path, typer.Option(help="The data folder.", envvar="QUALITY_AWARD_DATA", file_okay=False)]
Backups = Annotated[Path, typer.Option(help="The folder of the backups.", envvar="QUALITY_AWARD_BACKUPS", file_okay=False)]
ServedIn = Annotated[Environment, typer.Option(help="The environment that it is served in.")]

app = typer.Typer(
    name=NAME,
    help="The yearly quality award of 金东区: serve it, play a year, keep it up, and check what came of it.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
app.add_typer(remote.accounts, name="accounts")
app.add_typer(remote.export, name="export")


@app.command(
    epilog=examples(
        "run", "run --port 9000 --data /srv/award", "run --environment demo --data /tmp/award", "run --backups /mnt/other/award"
    )
)
def run(
    data: Data = Path("data"),
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on; 0 takes a free one.")] = 8000,
    environment: Annotated[Environment, typer.Option(help="demo and test let the business clock be moved.")] = "production",
    edition: Annotated[str | None, typer.Option(help="The edition of the regulation that new cycles open with.")] = None,
    backups: Annotated[
        Path | None,
        typer.Option(help="A folder on another disk, to which the database archives its log and attachments are copied.", file_okay=False),
    ] = None,
) -> None:
    """Serve the product on this machine, with a PostgreSQL of its own in the data folder, until Ctrl-C."""
    from embedded.serve import serve  # noqa: PLC0415

    with suppress(KeyboardInterrupt):
        serve(data.absolute(), host, port, environment, edition, backups and backups.absolute())


@app.command(epilog=examples("demo", "demo --until 'Sheets are scored and sealed' --keep", "demo --edition biennial-example"))
def demo(
    url: Annotated[str | None, typer.Option(help="An address that serves environment demo; without it one is started.")] = None,
    activation: Annotated[str | None, typer.Option(help="The first office account's activation secret, with --url.")] = None,
    edition: Annotated[str, typer.Option(help="The edition of the regulation to play the year under.")] = "jindong-2022",
    until: Annotated[str | None, typer.Option(metavar="SCENE", help="Play no further than to the scene of this title.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Go on serving, with accounts in demo-accounts.json.")] = False,  # noqa: FBT002
    result: Annotated[Path, typer.Option(help="Where to write what came of it.", dir_okay=False)] = Path("demo-result.json"),
) -> None:
    """Drive one whole award year by HTTP alone, in all the roles, and check every step."""
    from embedded import demo as year  # noqa: PLC0415

    raise typer.Exit(year.run(url, activation, result, edition, until=until, keep=keep))


@app.command(epilog=examples("migrate", "migrate --data /srv/award", "migrate --deployment"))
def migrate(
    data: Data = Path("data"),
    deployment: Annotated[bool, typer.Option("--deployment", help="The one that QUALITY_AWARD_OWNER_URL names.")] = False,  # noqa: FBT002
) -> None:
    """Bring a database to the newest revision; `run` does so by itself, a deployment once before its programs start."""
    if deployment:
        from migrations.deployment import upgrade_deployment  # noqa: PLC0415

        upgrade_deployment()
    else:
        from embedded.upkeep import migrate as upgrade  # noqa: PLC0415

        upgrade(data.absolute())


@app.command(epilog=examples("keys list", "keys publish", "keys sign", "keys retire", "keys drop 4f0c2b9e7d1a6c35 --now"))
def keys(
    step: Annotated[Step, typer.Argument(help="What to do.")],
    kid: Annotated[str | None, typer.Argument(help="The key, where several could be meant.")] = None,
    data: Data = Path("data"),
    environment: ServedIn = "production",
    now: Annotated[bool, typer.Option("--now", help="After a leak: don't wait, though valid tokens may be refused.")] = False,  # noqa: FBT002
) -> None:
    """List the keys that sign tokens, or take one step of a rotation; while the product serves, or not.

    `publish` a new key, let it `sign` a minute later, `retire` the former one a minute after that, and `drop` it once
    every token that it signed has expired. A step that would have valid tokens refused is not taken, but for `--now`.
    """
    from embedded import upkeep  # noqa: PLC0415

    raise typer.Exit(upkeep.rotate(data.absolute(), environment, step, kid, now=now))


@app.command(epilog=examples("retention --dry-run", "retention --data /srv/award"))
def retention(
    data: Data = Path("data"),
    environment: ServedIn = "production",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be erased and how old it is.")] = False,  # noqa: FBT002
) -> None:
    """Erase what has been kept as long as the settings say; one JSON line for each thing."""
    from embedded import upkeep  # noqa: PLC0415

    upkeep.keep(data.absolute(), environment, dry_run=dry_run)


@app.command(epilog=examples("reseal", "reseal --new-key"))
def reseal(
    data: Data = Path("data"),
    environment: ServedIn = "production",
    new_key: Annotated[bool, typer.Option("--new-key", help="Make a new key first; while nothing serves.")] = False,  # noqa: FBT002
) -> None:
    """Seal contact data that stands in the clear or under an earlier key with the current key."""
    from embedded import upkeep  # noqa: PLC0415

    upkeep.reseal(data.absolute(), environment, new_key=new_key)


def moment(text: str) -> datetime:
    """Read an instant with its offset from UTC."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    if instant.tzinfo is None:
        raise typer.BadParameter("say the offset from UTC too, such as 2026-05-04T09:30:00+08:00")
    return instant


@contextmanager
def backups_told() -> Iterator[None]:
    """Let what a backup or a restore can't do be one sentence."""
    from operations.archive import BackupError  # noqa: PLC0415

    try:
        yield
    except BackupError as error:
        raise CannotError(str(error)) from error


@app.command(epilog=examples("backup", "backup --backups /mnt/other/award --keep 14"))
def backup(
    data: Data = Path("data"),
    backups: Backups = Path("backups"),
    keep: Annotated[int | None, typer.Option(help="How many base backups stay, with all that they need.")] = None,
) -> None:
    """Take a base backup of a data folder, and copy its attachments, while the product serves, or not.

    With the log that `run --backups` archives it is enough to restore any moment since. A deployment has `make backup`.
    """
    from embedded.backup import back_up_folder  # noqa: PLC0415
    from operations.backup import KEPT  # noqa: PLC0415

    with backups_told():
        base = back_up_folder(data.absolute(), backups.absolute(), KEPT if keep is None else keep)
    typer.echo(f"{backups / 'base' / base.name}; keep {data / 'secrets.json'} and {data / 'postgresql' / 'password'} elsewhere")


@app.command(
    epilog=examples("restore", "restore --until 2026-05-04T09:30:00+08:00", "restore --data /srv/award --backups /mnt/other/award")
)
def restore(
    data: Data = Path("data"),
    backups: Backups = Path("backups"),
    until: Annotated[
        datetime | None, typer.Option(parser=moment, metavar="MOMENT", help="The moment to go back to; without it, the end of the log.")
    ] = None,
) -> None:
    """Bring a data folder, which nothing serves, back to the end of the archived log, or to a moment.

    The database that stood there stays beside it. Ends with 1 where what came back is not what the backup holds. A deployment has
    `make restore`.
    """
    from embedded.backup import restore_folder  # noqa: PLC0415

    with backups_told():
        restored, seconds = restore_folder(data.absolute(), backups.absolute(), until)
    typer.echo(json.dumps(asdict(restored) | {"rto_seconds": round(seconds, 1)}, ensure_ascii=False))
    raise typer.Exit(1 if restored.wrong else 0)


@app.command(epilog=examples("verify bundle.zip", "verify bundle.zip --year 2026 --checkpoint kept-in-march.txt"))
def verify(
    bundle: Annotated[Path, typer.Argument(help="The bundle, as `export bundle` wrote it.", dir_okay=False)],
    checkpoint: Annotated[list[Path] | None, typer.Option(help="A checkpoint that you kept; may be given again.", dir_okay=False)] = None,
    leaves: Annotated[list[Path] | None, typer.Option(help="Leaf hashes that you kept; may be given again.", dir_okay=False)] = None,
    year: Annotated[int | None, typer.Option(help="The award year that it must be of.")] = None,
) -> None:
    """Check a result bundle offline, with nothing of the product: signatures, record, and every number that follows from another.

    Ends with 0 where everything holds, 1 where something is wrong, 2 where nothing can be read, 3 where all that is shown holds.
    """
    from verifier.__main__ import check  # noqa: PLC0415

    raise typer.Exit(check(bundle, checkpoint or [], leaves or [], year))


def main() -> int:
    """Do what the command line says; an error that the person can mend is one sentence."""
    try:
        app(prog_name=NAME)
    except CannotError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
