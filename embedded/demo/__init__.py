"""One whole award year, driven by HTTP alone and checked at every step; `run` plays it and says what came of it."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from embedded.cannot import CannotError
from embedded.demo import applying, deciding, reviewing, setting_out
from embedded.demo.cast import ORGANISATIONS, YEAR
from embedded.demo.scenario import SCENARIOS
from embedded.demo.stage import Stage, StoppedError
from embedded.demo.year import Scene, Year

SCENES = (*setting_out.SCENES, *applying.SCENES, *reviewing.SCENES, *deciding.SCENES)
STOP_SECONDS = 30
INTERRUPTED = 130


def run(url: str | None, activation: str | None, result: Path, edition: str, *, until: str | None = None, keep: bool = False) -> int:
    """Play the year under an edition against `url`, or against a server of its own; gives the exit status: 0 only without any surprise.

    `until` names the last scene to play; with `keep` its own server goes on, with an account of every role, until Ctrl-C.
    """
    if edition not in SCENARIOS:
        raise CannotError(f"The demo year is written for the editions {', '.join(SCENARIOS)}.")
    titles = [title for title, _ in SCENES]
    if until is not None and until not in titles:
        raise CannotError("No scene has that title; there are:\n  " + "\n  ".join(titles))
    scenario = SCENARIOS[edition]
    scenes = SCENES if until is None else SCENES[: titles.index(until) + 1]
    if url is not None:
        if activation is None:
            raise CannotError("With --url the first office account's activation secret is needed: give --activation.")
        return play(Year(Stage(url.rstrip("/")), activation, scenario), scenes, result)
    try:
        with (
            TemporaryDirectory(prefix="quality-award-demo-", ignore_cleanup_errors=True) as folder,
            served(Path(folder), edition) as started,
        ):
            address, secret = started
            year = Year(Stage(address), secret, scenario)
            status = play(year, scenes, result)
            if keep:
                accounts = result.with_name("demo-accounts.json")
                write_accounts(year, accounts)
                sys.stdout.write(f"The year stays on {address}, its accounts are in {accounts}; Ctrl-C ends it.\n")
                sys.stdout.flush()
                with suppress(KeyboardInterrupt):
                    signal.pause()
                accounts.unlink()
            return status
    except KeyboardInterrupt:
        return INTERRUPTED


@contextmanager
def served(folder: Path, edition: str) -> Iterator[tuple[str, str]]:
    """Serve in a process of its own, on a free port and with this folder; gives the address and the first activation secret."""
    command = [sys.executable, "-m", "embedded", "run", "--environment", "demo", "--port", "0", "--data", str(folder / "data")]
    command += ["--edition", edition]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, process_group=0) as server:  # noqa: S603 - our own program
        try:
            yield told_by(server)
        finally:
            server.send_signal(signal.SIGINT)
            try:
                server.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()


def told_by(server: subprocess.Popen[str]) -> tuple[str, str]:
    """Read from what the server says where it is, and where its first activation secret lies."""
    address = ""
    for line in server.stdout or ():
        if found := re.search(r"served on (http://\S+)", line):
            address = found[1]
        if found := re.search(r"activation secret is in (.+)$", line):
            return address, Path(found[1]).read_text().strip()
    raise CannotError("The demo's server did not start.")


def play(year: Year, scenes: Sequence[Scene], result: Path) -> int:
    """Play the scenes, tell how it went, and write the result."""
    console = Console(highlight=False)
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[steps]} steps"),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("", total=len(scenes), steps=0)
        year.stage.told = lambda steps: bar.update(task, steps=steps)
        for title, scene in scenes:
            year.stage.scene = title
            bar.update(task, description=title)
            if not console.is_terminal:
                console.print(title)
            try:
                scene(year)
            except StoppedError:
                break
            bar.advance(task)
    show(year, console)
    write(year, result)
    stage = year.stage
    sys.stdout.flush()
    print(f"demo: {stage.steps} steps, {len(stage.refusals)} refusals as expected, {len(stage.surprises)} surprises")  # noqa: T201 - the last line
    return 1 if stage.surprises else 0


def write_accounts(year: Year, path: Path) -> None:
    """Write who can sign in to the demo, by login: role and password, for its owner's eyes alone; they end with its folder."""
    accounts = {login: {"role": person.role, "password": person.password} for login, person in sorted(year.people.items())}
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(accounts, file, ensure_ascii=False, indent=1)


def show(year: Year, console: Console) -> None:
    """Show the winners with their prizes, who stopped where, and every surprise."""
    winners = Table("organisation", "award", "prize, yuan", title=f"Winners of {YEAR}")
    for winner in year.result.get("winners", []):
        winners.add_row(winner["organisation"], winner["award"], f"{winner['prize']:,}")
    stops = Table("organisation", "stopped at", "clause", title="Who stopped where")
    for key, stop in year.stops.items():
        stops.add_row(ORGANISATIONS[key].name, stop.where, stop.clause)
    console.print(winners, stops)
    console.print(f"{len(year.stage.refusals)} refusals by clause, {year.stage.unseen} reads that found nothing")
    for surprise in year.stage.surprises:
        console.print(surprise, style="red", markup=False, soft_wrap=True)


def write(year: Year, result: Path) -> None:
    """Write what came of the year, without ids and in a settled order, so that two runs can be compared."""
    order = {title: number for number, (title, _) in enumerate(SCENES)}
    content = {
        "year": YEAR,
        "edition": year.scenario.edition,
        "winners": year.result.get("winners", []),
        "scores": {
            ORGANISATIONS[key].name: {"twentieths": score["numerator"], "of": score["denominator"]}
            for key, score in sorted(year.result.get("scores", {}).items())
        },
        "stops": {ORGANISATIONS[key].name: {"where": stop.where, "clause": stop.clause} for key, stop in sorted(year.stops.items())},
        "refusals": [
            {"scene": one.scene, "what": one.what, "clause": one.clause, "code": one.code}
            for one in sorted(year.stage.refusals, key=lambda one: (order[one.scene], one.what))
        ],
        "reads_that_found_nothing": year.stage.unseen,
        "surprises": year.stage.surprises,
    }
    unfinished = result.with_suffix(".new")
    unfinished.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    unfinished.replace(result)
