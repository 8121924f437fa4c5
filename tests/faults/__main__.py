"""`make faults`: does every fault to the real programs under load, judges what is left, and shows that it would have noticed.

ROUNDS: how many times every fault is done; SECONDS: rounds go on until so much time has passed; SEED: the order of the faults.
"""

import json
import os
import random
import signal
import sys
import time

from embedded.product import SERVICES
from tests.faults.cluster import wait
from tests.faults.house import DATABASE, House, house
from tests.faults.ledger import Verdict
from tests.faults.load import Journal, Load
from tests.faults.programs import eventually
from tests.faults.scenes import NotPlayedError, Scene, scenes

RECOVERY_SECONDS = 30.0


def tell(words: str) -> None:
    sys.stderr.write(words + "\n")
    sys.stderr.flush()


class Run:
    """One run over one house: the faults done, and what went wrong meanwhile."""

    def __init__(self, built: House) -> None:
        self.house = built
        self.done = 0
        self.skipped: dict[str, str] = {}
        self.wrong: list[str] = []

    def play(self, scene: Scene, load: Load) -> None:
        """Do one fault under load, wait until every kind of write gets through again, and keep the records' checkpoints."""
        journal, begun = self.house.journal, time.monotonic()
        before = len(journal.acknowledged()), sum(journal.refused.values()), journal.broken
        journal.expected = scene.also
        try:
            scene.play(self.house)
        except NotPlayedError as error:
            self.skipped[scene.name] = str(error)
            tell(f"  {scene.name}: not done, {error}")
            return
        except AssertionError as error:
            self.wrong.append(f"{scene.name}: {error}")
        self.done += 1
        healed = time.monotonic()
        stuck = load.await_progress(healed, RECOVERY_SECONDS)
        journal.expected = frozenset()
        if stuck:
            self.wrong.append(f"{scene.name}: no {' and no '.join(stuck)} got through in {RECOVERY_SECONDS:.0f} s afterwards")
        self.house.keep_checkpoints()
        after = len(journal.acknowledged()), sum(journal.refused.values()), journal.broken
        acknowledged, refused, broken = (late - early for late, early in zip(after, before, strict=True))
        if scene.bites and refused + broken == 0:
            self.wrong.append(f"{scene.name}: nobody noticed; that was no fault")
        tell(
            f"  {scene.name}: {healed - begun:.1f} s and {time.monotonic() - healed:.1f} s to recover; "
            f"{acknowledged} acknowledged, {refused} asked to wait, {broken} broken off"
        )


def control(built: House, kinds: tuple[str, ...], fault: str) -> Verdict:
    """Run a load of its own with a safeguard taken away, do what the safeguard is for, and count."""
    built.journal = Journal()
    with Load(built.base, built.cycle, built.journal, built.office, kinds) as load:
        load.await_progress(time.monotonic(), RECOVERY_SECONDS)
        if fault == "answers lost":
            built.wiring.do(built.peer["workflow"].lose_answers(b"POST /api"))
            wait(1.5)
            built.wiring.do(built.peer["workflow"].heal())
        else:
            wait(1.5)
            built.cluster.kill()
            built.cluster.start_again()
        load.await_progress(time.monotonic(), RECOVERY_SECONDS)
    verdict = Verdict()
    built.ledger().judge_writes(verdict, built.journal)
    return verdict


def without_idempotency(built: House) -> Verdict:
    """Let the database forget every key; then a lost answer must make a second row."""
    for name in SERVICES:
        built.cluster.do(
            f"create function {name}.forget() returns trigger language plpgsql as 'begin return null; end'",
            f"create trigger forget before insert on {name}.idempotency for each row execute function {name}.forget()",
            database=DATABASE,
        )
    verdict = control(built, ("report",), "answers lost")
    for name in SERVICES:
        built.cluster.do(f"drop function {name}.forget cascade", database=DATABASE)
    return verdict


def without_synchronous_commit(built: House) -> Verdict:
    """Let commits be acknowledged before they are on the disk; then a crash of the server must lose some."""
    built.cluster.do(
        "alter system set wal_writer_delay = '10s'",
        "alter system set wal_writer_flush_after = '1GB'",
        "select pg_reload_conf()",
        f"alter database {DATABASE} set synchronous_commit = off",
        f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{DATABASE}'",  # noqa: S608 - our own words
    )
    return control(built, (), "server killed")


def play_rounds(run: Run, rounds: int, seconds: float, seed: int) -> None:
    begun, played = time.monotonic(), 0
    with Load(run.house.base, run.house.cycle, run.house.journal, run.house.office) as load:
        load.await_progress(time.monotonic(), RECOVERY_SECONDS)
        while played < rounds or time.monotonic() - begun < seconds:
            played += 1
            tell(f"round {played} (SEED={seed})")
            for scene in scenes(random.Random(seed)):  # noqa: S311 - an order that can be asked for again
                run.play(scene, load)
            seed += 1


def main() -> int:
    rounds, seconds = int(os.environ.get("ROUNDS") or 1), float(os.environ.get("FAULT_SECONDS") or 0)
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(10**6))
    begun = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that whoever ends a run leaves no program, server or disk behind
    with house() as built:
        run = Run(built)
        play_rounds(run, rounds, seconds, seed)
        verdict = built.judge()
        journal = built.journal
        run.wrong += journal.surprises + verdict.wrong
        run.wrong += [
            f"a fault was logged: {line.get('route')} {line.get('traceback', '')[-500:]}" for line in built.logged('"message": "fault"')
        ]
        if journal.surprises:  # what the programs said of answers that broke off, and maybe of this
            said = {line.get("traceback", "")[-700:] for line in built.logged("Exception in ASGI application")}
            tell("\n".join(said))
        tell("controls: each safeguard taken away in turn")
        duplicated = without_idempotency(built).duplicated
        lost = without_synchronous_commit(built).lost
        eventually(lambda: all(map(built.programs.is_running, SERVICES)))
    if not duplicated:
        run.wrong.append("the harness is broken: without idempotency it found no duplicate")
    if not lost:
        run.wrong.append("the harness is broken: without synchronous commit it found no loss")
    for sentence in run.wrong:
        tell(f"WRONG {sentence}")
    latencies = journal.seconds()
    answer = {
        "faults": run.done,
        "skipped": run.skipped,
        "acknowledged": verdict.acknowledged,
        "lost": verdict.lost,
        "duplicated": verdict.duplicated,
        "events": verdict.events,
        "rows": verdict.rows,
        "letters": verdict.letters,
        "checkpoints": sum(map(len, built.checkpoints.values())),
        "p50_ms": round(latencies[len(latencies) // 2] * 1000, 1),
        "p99_ms": round(latencies[len(latencies) * 99 // 100] * 1000, 1),
        "controls": {"without_idempotency_duplicated": duplicated, "without_synchronous_commit_lost": lost},
        "wrong": len(run.wrong),
        "seconds": round(time.monotonic() - begun, 1),
    }
    sys.stdout.write(json.dumps(answer, ensure_ascii=False) + "\n")
    return 1 if run.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
