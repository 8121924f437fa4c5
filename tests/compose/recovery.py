"""Back the deployment up, write on, lose its volumes, and bring everything back by `make backup` and `make restore`."""

import json
import re
import subprocess
import time
from collections.abc import Callable

from embedded.product import SERVICES
from tests.compose.rolling import Deployment, judge
from tests.faults.load import Journal
from tests.faults.programs import eventually

PROGRESS_SECONDS = 60.0
ARCHIVED_SECONDS = 60.0
MOST_DOWN_SECONDS = 240
VOLUMES = ("db", "files", "papers")
COUNT = (
    "ls /stores/*/?? /stores/*/files/?? 2>/dev/null | grep -c '^[0-9a-f]\\{32\\}$'; ls /backups/files/*/?? | grep -c '^[0-9a-f]\\{32\\}$'"
)


def await_archived(deployment: Deployment) -> None:
    """Wait until all that was written is in the archive of the log, and every attachment beside it."""
    switched = "select pg_walfile_name(pg_switch_wal() - 1)"
    last = deployment.query(switched).strip()
    archived = f"select coalesce(last_archived_wal, '') >= '{last}' from pg_stat_archiver"  # noqa: S608 - our own words
    eventually(lambda: deployment.query(archived).strip() == "t", ARCHIVED_SECONDS)

    def mirrored() -> bool:
        kept, copied = deployment.compose("exec", "-T", "mirror", "sh", "-c", COUNT).split()
        return int(copied) >= int(kept) > 0

    eventually(mirrored, ARCHIVED_SECONDS)


def sizes(deployment: Deployment) -> dict[str, int]:
    """Count the events that have their place in each record."""
    return {name: int(deployment.query(f"select count(*) from {name}.leaf")) for name in SERVICES}  # noqa: S608 - our own words


def lose(deployment: Deployment) -> None:
    """Lose the host: its containers, and the volumes of the database and the attachments."""
    deployment.compose("kill")
    deployment.compose("down")
    project = json.loads(deployment.compose("config", "--format", "json"))["name"]
    subprocess.run(["docker", "volume", "rm", *(f"{project}_{name}" for name in VOLUMES)], check=True, capture_output=True)  # noqa: S603, S607 - our own words


def recover(deployment: Deployment, cycle: str, make: Callable[..., str], tell: Callable[[str], None]) -> list[str]:
    """Do it; gives what is wrong, and tells the figures."""
    journal = Journal()
    with deployment.load(cycle, journal) as load:
        load.await_progress(time.monotonic(), PROGRESS_SECONDS)
        make("backup")
        load.await_progress(time.monotonic(), PROGRESS_SECONDS)
    eventually(deployment.ledger().is_settled, PROGRESS_SECONDS)
    await_archived(deployment)
    before = sizes(deployment)
    lose(deployment)
    said = make("restore")
    found = json.loads(next(line for line in said.splitlines() if '"restored_to"' in line))
    seconds = int(re.findall(r'"rto_seconds": (\d+)', said)[-1])
    tell(f"restore: {found['events']} events, {found['files']} attachments, RTO {seconds} s, RPO at most {found['rpo_seconds_at_most']} s")
    wrong = [f"restore: {one}" for one in found["wrong"]]
    wrong += [
        f"restore: {name} has {found['record'][name][0]} events, not {size}"
        for name, size in before.items()
        if found["record"][name][0] != size
    ]
    with deployment.load(cycle, journal) as load:
        stuck = load.await_progress(time.monotonic(), PROGRESS_SECONDS)
    verdict = judge(deployment, journal)
    tell(f"restore: of {verdict.acknowledged} acknowledged writes {verdict.lost} lost, {verdict.duplicated} there twice")
    wrong += [f"restore: no {kind} got through afterwards" for kind in stuck]
    if seconds > MOST_DOWN_SECONDS:
        wrong.append(f"restore: it took {seconds} s")
    return wrong + journal.surprises + verdict.wrong
