"""`python -m operations …` in the compose file's container of that name: what `make backup` and `make restore` are made of."""

import argparse
import json
import shutil
import sys
import threading
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import URL, make_url

from kernel import logs
from kernel.settings import SECRETS
from operations.archive import MIRROR_SECONDS, Archive, BackupError
from operations.backup import KEPT, back_up
from operations.restore import await_recovery, check, lay_out


class OperationsSettings(BaseSettings):
    """Where the database, its cluster's files, the stores of the attachments and the backups are."""

    model_config = SettingsConfigDict(env_prefix="QUALITY_AWARD_", secrets_dir=SECRETS if SECRETS.is_dir() else None, extra="ignore")

    owner_url: str = ""
    owner_password: SecretStr = SecretStr("")
    cluster: Path = Path("/var/lib/postgresql/18/docker")
    archive: Path = Path("/backups")
    stores: dict[str, Path] = {}
    """The folders of the attachments by schema (a JSON object)."""
    files_s3_bucket: str = ""
    """The bucket that keeps intake's instead, and is not looked after here."""

    def folders(self) -> dict[str, Path]:
        """Give the stores that are folders."""
        return {name: folder for name, folder in self.stores.items() if name != "intake" or not self.files_s3_bucket}

    def url(self) -> URL:
        """Give the owner's URL with its password."""
        return make_url(self.owner_url).set(password=self.owner_password.get_secret_value())


def moment(text: str) -> datetime:
    """Read an instant with its offset from UTC."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise argparse.ArgumentTypeError("say the offset from UTC too, such as 2026-05-04T09:30:00+08:00")
    return found


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m operations", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    taking = commands.add_parser("backup", help="take a base backup, then the attachments")
    taking.add_argument("--keep", type=int, default=KEPT, help="how many base backups stay, with all that they need")
    mirroring = commands.add_parser("mirror", help="copy the attachments again and again")
    mirroring.add_argument("--every", type=float, default=MIRROR_SECONDS, help="seconds")
    laying = commands.add_parser("lay-out", help="put a base backup in the place of the stopped database's cluster")
    commands.add_parser("give-back", help="copy the attachments that the stores lack")
    checking = commands.add_parser("check", help="hold what a restore brought back against the base backup")
    for one in (laying, checking):
        one.add_argument("--until", type=moment, help="the moment to go back to; without it, to the end of the archived log")
    checking.add_argument("--begun", type=float, required=True, help="when the restore was begun, in seconds since 1970")
    return parser.parse_args()


def tell(**facts: object) -> None:
    """Say what was done as one JSON line."""
    sys.stdout.write(json.dumps(facts, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def run(given: argparse.Namespace, settings: OperationsSettings) -> int:
    """Do one command."""
    archive = Archive(settings.archive)
    match given.command:
        case "backup":
            programs = Path(shutil.which("pg_basebackup") or "").parent
            base = back_up(settings.url(), archive, settings.folders(), programs, given.keep)
            tell(base=base.name, record=base.record)
        case "mirror":
            logs.configure("INFO")
            archive.keep_mirroring(settings.folders(), given.every, threading.Event())
        case "lay-out":
            base = archive.choose(given.until)
            aside = lay_out(archive, base, settings.cluster, given.until)
            tell(base=base.name, aside=str(aside) if aside else None)
        case "give-back":
            tell(copied=archive.give_back(settings.folders()))
        case "check":
            base = archive.choose(given.until)
            await_recovery(settings.url())
            found = check(settings.url(), base, settings.folders(), given.until)
            reached = datetime.fromisoformat(found.restored_to) if found.restored_to else datetime.fromisoformat(base.ended_at)
            lost = ((given.until or datetime.fromtimestamp(given.begun, UTC)) - reached).total_seconds()
            tell(**asdict(found), rpo_seconds_at_most=round(lost, 1))
            return 1 if found.wrong else 0
    return 0


def main() -> int:
    """Run the command; an error that the person can mend is one sentence."""
    try:
        return run(arguments(), OperationsSettings.model_validate({}))
    except BackupError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
