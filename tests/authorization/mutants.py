"""`make authorization`: the matrices, then each check that decides who may taken out in turn; every such mutant is to be caught.

One product serves all mutants: its modules are imported with every check asking a switch (`checks`, `switch`). A first walk with every
check in its place notes in which cells and which tests each check spoke; a mutant is put only to those, up to the first that finds it. What
a mutant would have changed is rolled back, so that each meets the same world.
"""

import argparse
import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from embedded import postgres
from tests.authorization import switch
from tests.authorization.checks import ROOT, Modules
from tests.authorization.equivalent import EQUIVALENT

T = TypeVar("T")
TEMPLATE = "template_award"
FOLDERS = ("gateway", "intake", "scoring", "workflow", "kernel")
BESIDE = ("tests/authorization/test_recusal.py", "tests/authorization/test_policies.py", "tests/attack/test_tricks.py")
QUIET = ("-q", "-x", "--no-header", "--tb=line", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning")
LONGEST_SECONDS = 120
MOST_FILES = 4
"""To how many files of tests a mutant is put at most, beside the matrices."""
WALK_SECONDS = 1_200
Fork = multiprocessing.get_context("fork")
Task = Callable[[], object]
Way = tuple[list[str], list[str]]


class Recorder:
    """Notes of every test how long it took, and which checks spoke in it."""

    def __init__(self) -> None:
        self.tests: list[tuple[str, list[int], float]] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Note one test, with what is set up for it."""
        switch.spoke.clear()
        began = time.monotonic()
        yield
        self.tests.append((item.nodeid, sorted(switch.spoke), time.monotonic() - began))


def files(paths: Iterable[str]) -> list[str]:
    """Name the files of tests that mutants are put to beside the matrices: those of their own service; of the kernel's, all."""
    services = {path.removeprefix("services/").partition("/")[0] for path in paths}
    folders = FOLDERS if "kernel" in services else sorted(services)
    return [*BESIDE, *sorted(str(path.relative_to(ROOT)) for folder in folders for path in (ROOT / "tests" / folder).glob("test_*.py"))]


def run_all(tasks: Sequence[Task], place: Path, at_once: int, seconds: float) -> list[Any]:
    """Run tasks in processes of their own, forked from this one so that each has the product imported; gives their answers in order.

    A task that ends without an answer, or takes too long, gives None.
    """
    answers: list[Any] = [None] * len(tasks)
    running: dict[BaseProcess, tuple[int, float]] = {}
    waiting = list(enumerate(tasks))[::-1]
    while waiting or running:
        while waiting and len(running) < at_once:
            number, task = waiting.pop()
            process = Fork.Process(target=_run, args=(task, place / f"{number}"))
            process.start()
            running[process] = (number, time.monotonic())
        wait([process.sentinel for process in running], timeout=1)
        for ended, (number, began) in list(running.items()):
            if ended.is_alive() and time.monotonic() - began > seconds:
                ended.kill()
            if not ended.is_alive():
                ended.join()
                told = place / f"{number}.json"
                answers[number] = json.loads(told.read_text()) if told.exists() else None
                told.unlink(missing_ok=True)
                del running[ended]
    return answers


def _run(task: Task, place: Path) -> None:
    with place.with_suffix(".log").open("wb") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    answer = task()
    place.with_suffix(".json").write_text(json.dumps(answer))


def listened(file: str) -> object:
    """Run one file of tests with every check in its place; gives its tests, or nothing where one failed."""
    recorder = Recorder()
    failed = pytest.main([*QUIET, file], plugins=[recorder]) not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}
    return None if failed else recorder.tests


def put_to_tests(number: int | None, tests: Sequence[str]) -> bool:
    """Run tests of one file without a check (None: with every one); True where one of them failed."""
    switch.active = number
    return pytest.main([*QUIET, *tests]) not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}


@contextmanager
def rolled_back() -> Iterator[None]:
    """Commit nothing while a check is out."""
    from kernel.requests import Transaction  # noqa: PLC0415 - imported with its checks asking the switch

    commit = Transaction.commit

    def kept(transaction: Transaction) -> None:
        transaction.dry_run = transaction.dry_run or switch.active is not None
        commit(transaction)

    Transaction.commit = kept  # type: ignore[assignment,method-assign]  # for this walk alone
    try:
        yield
    finally:
        Transaction.commit = commit  # type: ignore[method-assign]  # as it was


def walked(place: Path, wanted: Iterable[int]) -> object:
    """Build the world, walk the matrices with every check in its place, then put each mutant to the cells in which its check spoke."""
    from tests import rig  # noqa: PLC0415 - as above
    from tests.authorization.test_operations import Walk, cells  # noqa: PLC0415 - same
    from tests.authorization.test_relations import Stage, commands, lists, reads  # noqa: PLC0415 - same
    from tests.authorization.world import stand  # noqa: PLC0415 - same

    server, kept = standing()
    database, world = stand(server, TEMPLATE, kept, place / "world")
    with rig.running(server, TEMPLATE, kept, place / "bare") as bare, rig.running(server, database, kept, place / "world") as award:
        bare.at("2026-03-20T09:00:00+08:00")
        stage = Stage(award, world)
        walk = Walk(bare)
        every = [*(cell for caller in walk.clients for cell in cells(walk, caller)), *reads(stage), *lists(stage), *commands(stage)]
        spoke: list[frozenset[int]] = []
        wrong = []
        for cell in every:
            switch.spoke.clear()
            wrong.append(cell())
            spoke.append(frozenset(switch.spoke))
        caught = set()
        with rolled_back():
            for number in wanted:
                switch.active = number
                where = [place for place, numbers in enumerate(spoke) if number in numbers and wrong[place] is None]
                if any(is_wrong(every[place]) for place in where):
                    caught.add(number)
        switch.active = None
    return {"cells": len(every), "wrong": [said for said in wrong if said is not None], "caught": sorted(caught)}


def is_wrong(cell: Callable[[], str | None]) -> bool:
    """Ask a cell without a check; a product that breaks down instead of answering is found too."""
    try:
        return cell() is not None
    except httpx.TransportError:
        return True


def standing() -> tuple[postgres.Server, Any]:
    """Give the server that stands for this run, and its secrets."""
    from embedded.product import kept_secrets  # noqa: PLC0415 - as above

    folder = Path(os.environ["AWARD_SERVER"])
    return postgres.Server(folder / "socket", (folder / "password").read_text().strip()), kept_secrets(folder.parent)


def migrate() -> object:
    """Make the template."""
    from embedded.product import migrated  # noqa: PLC0415 - as above

    server, kept = standing()
    migrated(server, TEMPLATE, kept)
    return True


def trials(number: int, found: Mapping[str, Sequence[tuple[str, list[int], float]]]) -> list[Way]:
    """Give for the files in which a check spoke the tests in which it did, and all up to the last of those; the quickest files first."""
    ways = []
    for tests in found.values():
        spoken = [place for place, (_, numbers, _) in enumerate(tests) if number in numbers]
        if spoken:
            names, seconds = [name for name, _, _ in tests[: spoken[-1] + 1]], sum(tests[place][2] for place in spoken)
            ways.append((seconds, [names[place] for place in spoken], names))
    return [(own, names) for _, own, names in sorted(ways)[:MOST_FILES]]


def put_in_turn(
    numbers: Sequence[int], found: Mapping[str, Sequence[tuple[str, list[int], float]]], place: Path, at_once: int
) -> list[int]:
    """Put each mutant to its files of tests, one file after the other, until one catches it; gives those that none caught.

    Of a file only the tests in which the check spoke are run; where those fail by themselves with every check in its place, all before them
    are, too. A file that ends without an answer, or takes too long, has caught nothing.
    """
    left, began, sound = {number: trials(number, found) for number in numbers}, time.monotonic(), dict[tuple[str, ...], bool]()
    while tried := [number for number, ways in left.items() if ways]:
        tasks = [partial(put_to_tests, number, left[number][0][0]) for number in tried]
        caught = [number for number, failed in zip(tried, run_all(tasks, place, at_once, LONGEST_SECONDS), strict=True) if failed]
        doubted = list({tuple(own) for own, names in (left[number][0] for number in caught) if own != names} - sound.keys())
        failures = run_all([partial(put_to_tests, None, own) for own in doubted], place, at_once, LONGEST_SECONDS)
        sound |= {own: failed is False for own, failed in zip(doubted, failures, strict=True)}
        for number in tried:
            (own, names), *others = left[number]
            if number not in caught:
                left[number] = others
            elif own == names or sound[tuple(own)]:
                del left[number]
            else:
                left[number] = [(names, names), *others]
        sys.stderr.write(f"tests: {len(numbers) - len(left)} of {len(numbers)} caught in {time.monotonic() - began:.0f} s\n")
    return sorted(left)


def authorize(modules: Modules, wanted: Sequence[int], at_once: int) -> int:
    """Walk, then mutate; prints the figures as one JSON line, and gives 1 where something leaked or survived."""
    import embedded.product  # noqa: F401, PLC0415 - once, before anything is forked

    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, postgres.running(Path(folder) / "postgresql"):
        place = Path(folder)
        os.environ["AWARD_SERVER"] = str(place / "postgresql")
        assert run_all([migrate], place, 1, WALK_SECONDS) == [True]
        own = files(modules.checks[number].path for number in wanted)
        told, *heard = run_all([partial(walked, place, wanted), *(partial(listened, file) for file in own)], place, at_once, WALK_SECONDS)
        failed = [file for file, tests in zip(own, heard, strict=True) if tests is None]
        if told is None:
            sys.stderr.write((place / "0.log").read_text())
            return 1
        sys.stderr.writelines(f"failed with every check in its place: {file}\n" for file in failed)
        sys.stderr.writelines(f"leak: {said}\n" for said in told["wrong"])
        sys.stderr.write(f"matrices: {len(told['caught'])} of {len(wanted)} caught after {time.monotonic() - started:.0f} s\n")
        found = {file: tests for file, tests in zip(own, heard, strict=True) if tests is not None}
        left = put_in_turn([number for number in wanted if number not in told["caught"]], found, place, at_once)
    survived = [modules.checks[number] for number in left if (modules.checks[number].path, modules.checks[number].what) not in EQUIVALENT]
    tried = {modules.checks[number] for tests in found.values() for _, numbers, _ in tests for number in numbers}
    sys.stderr.writelines(f"survived{'' if one in tried else ', spoke in no test'}: {one}\n" for one in survived)
    kinds = Counter(modules.checks[number].kind for number in wanted)
    figures = {"cells": told["cells"], "leaks": len(told["wrong"]), "mutants": len(wanted), "of": len(modules.checks), **kinds}
    figures |= {
        "equivalent": len(left) - len(survived),
        "survived": len(survived),
        "failed": len(failed),
        "seconds": round(time.monotonic() - started),
    }
    sys.stdout.write(json.dumps({"authorization": figures}) + "\n")
    return int(bool(told["wrong"] or survived or failed))


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--list", action="store_true", help="list the mutants and do nothing")
    parser.add_argument("--sample", type=int, help="only so many mutants, drawn anew each time")
    parser.add_argument("--only", help="only mutants of paths with this word")
    parser.add_argument("--at-once", type=int, default=2)
    given = parser.parse_args()
    modules = Modules()
    wanted = [number for number, check in enumerate(modules.checks) if given.only is None or given.only in check.path]
    if given.list:
        sys.stdout.writelines(f"{modules.checks[number]}\n" for number in wanted)
        return 0
    if given.sample is not None and given.sample < len(wanted):
        wanted = sorted(random.Random(time.time_ns()).sample(wanted, given.sample))  # noqa: S311 - another part each time
    sys.meta_path.insert(0, modules)
    return authorize(modules, wanted, given.at_once)


if __name__ == "__main__":
    sys.exit(main())
