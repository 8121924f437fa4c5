"""`make restore-drill`: loses the whole database and every attachment under load, and brings them back from the backups.

The programs run over a database that archives its log every few seconds. A base backup is taken under load; later, under load, the server
is killed, and its files and the attachments' are removed. It is restored to the end of the archived log, and goes on; and, elsewhere, to a
moment that was chosen. What was acknowledged before the last restored event must be there, once; each record must be what it was.
"""

import json
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import text

from embedded import postgres
from embedded.backup import back_up_folder, restore_folder
from embedded.product import SERVICES
from operations.archive import Archive
from operations.backup import open_schema, roots
from operations.restore import Restored, tree_root
from tests.faults.cluster import wait
from tests.faults.house import DATABASE, House, house
from tests.faults.load import Entry, Journal, Load
from tests.faults.programs import eventually

LOG_SECONDS, MIRROR_SECONDS = 4, 1.0
"""How often the log is archived and attachments are copied here; a deployment does so every 60 and 30 seconds."""
MOST_LOST_SECONDS = LOG_SECONDS + 4.0
MOST_DOWN_SECONDS = 60.0
WRITING_SECONDS = 2.0
READY_SECONDS = 30.0


class Drill:
    """One installation with its backups, and what is wrong with what came back."""

    def __init__(self, built: House, archive: Archive) -> None:
        self.house, self.archive = built, archive
        self.url = built.cluster.server.admin_url.set(database=DATABASE)
        self.stores = {"files": built.files}
        self.wrong: list[str] = []

    def load(self) -> Load:
        return Load(self.house.base, self.house.cycle, self.house.journal, self.house.office)

    def back_up_under_load(self) -> float:
        """Take a base backup while clients write; gives how long it took."""
        with self.load() as load:
            load.await_progress(time.monotonic(), READY_SECONDS)
            begun = time.monotonic()
            back_up_folder(self.house.folder, self.archive.folder, database=DATABASE)
            seconds = time.monotonic() - begun
            load.await_progress(time.monotonic(), READY_SECONDS)
        return seconds

    def choose(self) -> datetime:
        """Name a moment at which everything is settled, having kept what each record signs."""
        eventually(self.house.ledger().is_settled)
        self.house.keep_checkpoints()
        with open_schema(self.url, "public").connect() as connection:
            now: datetime = connection.execute(text("select clock_timestamp()")).scalar_one()
        return now

    def leaves(self) -> dict[str, list[bytes]]:
        """Read every record's leaves, as an outsider might have kept them."""
        found: dict[str, list[bytes]] = {}
        for name in SERVICES:
            with open_schema(self.url, name).connect() as connection:
                found[name] = list(connection.scalars(text("select hash from leaf order by index")))
        return found

    def destroy(self) -> tuple[dict[str, list[bytes]], datetime]:
        """Lose the server, its files and the attachments; gives the leaves of just before, and when."""
        known, at = self.leaves(), datetime.now(UTC)
        self.house.cluster.kill()
        self.house.cluster.stop()
        shutil.rmtree(self.house.folder / "postgresql" / "cluster")
        self.house.files.rename(self.house.folder / "lost")  # at once, though programs write there
        return known, at

    def come_back(self) -> Restored:
        """Restore to the end of the log, as `deploy/restore.sh` does: the programs are stopped meanwhile."""
        self.house.programs.stop()
        found, _ = restore_folder(self.house.folder, self.archive.folder, database=DATABASE)
        self.house.cluster.start_again()
        self.url = self.house.cluster.server.admin_url.set(database=DATABASE)
        with ThreadPoolExecutor(len(SERVICES)) as hands:
            list(hands.map(self.house.programs.start, SERVICES))
        return found

    def judge_roots(self, found: Restored, known: dict[str, list[bytes]]) -> bool:
        """Tell whether each restored record is the beginning of the record that was lost."""
        return all(size <= len(known[name]) and tree_root(known[name], size) == root for name, (size, root) in found.record.items())

    def judge_writes(self, found: Restored, destroyed: datetime) -> tuple[int, int]:
        """Judge every write that was acknowledged before the last restored event, or begun again after; counts those, and the lost rest."""
        journal, now = self.house.journal, datetime.now(UTC).timestamp() - time.monotonic()
        reached = datetime.fromisoformat(found.restored_to or "").timestamp() - now
        gone, mirrored = destroyed.timestamp() - now, destroyed.timestamp() - now - 2 * MIRROR_SECONDS

        def must_be_there(one: Entry) -> bool:
            until = min(reached, mirrored) if one.kind == "file" else reached
            return one.acknowledged is None or one.begun > gone or one.acknowledged < until

        kept = [one for one in journal.entries if must_be_there(one)]
        lost = [one for one in journal.entries if not must_be_there(one)]
        absent = {one.answer["id"] for one in lost if one.kind == "account"}  # whoever goes on with one of these finds nothing
        self.house.journal = Journal(entries=kept)
        verdict = self.house.judge()
        self.wrong += [one for one in journal.surprises if not any(account in one for account in absent)] + verdict.wrong
        return verdict.acknowledged, len(lost)


def expect(wrong: list[str], sentences: Sequence[tuple[bool, str]]) -> None:
    wrong += [sentence for holds, sentence in sentences if not holds]


def play(drill: Drill, elsewhere: Path) -> dict[str, object]:
    """Do it all; gives the figures."""
    backup_seconds = drill.back_up_under_load()
    chosen, then = drill.choose(), roots(drill.url)
    stopping = threading.Event()
    mirror = threading.Thread(target=drill.archive.keep_mirroring, args=(drill.stores, MIRROR_SECONDS, stopping))
    mirror.start()
    with drill.load() as load:
        load.await_progress(time.monotonic(), READY_SECONDS)
        wait(2 * LOG_SECONDS + WRITING_SECONDS)
        stopping.set()
        mirror.join()
        known, destroyed = drill.destroy()
        shutil.copytree(drill.archive.folder, elsewhere / "backups")
        found = drill.come_back()
        stuck = load.await_progress(time.monotonic(), READY_SECONDS)
        down = (datetime.now(UTC) - destroyed).total_seconds()
    lost_seconds = (destroyed - datetime.fromisoformat(found.restored_to or "")).total_seconds()
    equal = drill.judge_roots(found, known)
    acknowledged, lost = drill.judge_writes(found, destroyed)
    earlier = elsewhere / "data"
    (earlier / "postgresql").mkdir(parents=True)
    for name in ("secrets.json", "postgresql/password"):
        shutil.copy2(drill.house.folder / name, earlier / name)
    at_chosen, _ = restore_folder(earlier, elsewhere / "backups", chosen, DATABASE)
    drill.wrong += at_chosen.wrong + [one for one in found.wrong if "attachments" not in one]
    expect(
        drill.wrong,
        [
            (not stuck, f"no {' and no '.join(stuck)} got through after the restore"),
            (equal, "a restored record is not the beginning of the one that was lost"),
            (at_chosen.record == then, "the record at the chosen moment is not what it was then"),
            (lost_seconds <= MOST_LOST_SECONDS, f"{lost_seconds:.1f} s are lost, more than {MOST_LOST_SECONDS:.0f}"),
            (down <= MOST_DOWN_SECONDS, f"it was away for {down:.1f} s, more than {MOST_DOWN_SECONDS:.0f}"),
            (lost > 0 or lost_seconds == 0, "nothing was lost, and so nothing was destroyed under load"),
        ],
    )
    return {
        "rpo_seconds": round(lost_seconds, 2),
        "rto_seconds": round(down, 1),
        "archived_every_seconds": LOG_SECONDS,
        "events": found.events,
        "events_at_chosen_moment": at_chosen.events,
        "root_equal": equal and at_chosen.record == then,
        "attachments": found.files,
        "attachments_lost_with_the_last_seconds": len(found.missing),
        "acknowledged_and_there": acknowledged,
        "acknowledged_in_the_lost_seconds": lost,
        "base_backup_seconds": round(backup_seconds, 1),
    }


def main() -> int:
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="qa-drill-", dir="/tmp") as made:
        folder = Path(made)
        folder.chmod(0o711)
        archive = Archive(folder / "backups").made()
        with house(postgres.Log(archive.wal, LOG_SECONDS)) as built:
            drill = Drill(built, archive)
            figures = play(drill, folder / "elsewhere")
    for sentence in drill.wrong:
        sys.stderr.write(f"WRONG {sentence}\n")
    figures |= {"wrong": len(drill.wrong), "seconds": round(time.monotonic() - begun, 1)}
    sys.stdout.write(json.dumps(figures) + "\n")
    return 1 if drill.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
