"""One line of the table, how time is taken, and where the table is kept."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

RESULTS = Path(__file__).with_name("results.json")


@dataclass(frozen=True)
class Row:
    """What was measured: seconds (or `unit`) of ours and of the reference (or what is allowed), and by how much ours must be less.

    `name` says the work, and after a semicolon what it is held against.
    """

    name: str
    ours: float
    reference: float
    at_least: float
    unit: str = "s"

    @property
    def ratio(self) -> float:
        """Tell how many times as fast as the reference ours is."""
        return self.reference / self.ours

    @property
    def holds(self) -> bool:
        """Tell whether that is fast enough."""
        return self.ratio >= self.at_least

    @property
    def shown(self) -> tuple[str, str]:
        """Write both measures with their unit, short times in milliseconds."""
        scale, unit = (1000, "ms") if self.unit == "s" and max(self.ours, self.reference) < 1 else (1, self.unit)
        ours, reference = (f"{one * scale:,.3f}".rstrip("0").rstrip(".") for one in (self.ours, self.reference))
        return f"{ours} {unit}", f"{reference} {unit}"


def keep(area: str, rows: Sequence[Row]) -> None:
    """Put an area's rows in the place of those measured before."""
    kept = {name: before for name, before in read().items() if name != area} | {area: list(rows)}
    content = {name: [asdict(row) | {"ratio": round(row.ratio, 3), "holds": row.holds} for row in kept[name]] for name in sorted(kept)}
    RESULTS.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def read() -> dict[str, list[Row]]:
    """Read what was measured last, by area."""
    kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    fields = ("name", "ours", "reference", "at_least", "unit")
    return {area: [Row(**{field: row[field] for field in fields}) for row in rows] for area, rows in kept.items()}


def seconds(work: Callable[[], object], times: int) -> float:
    """Take the best of several runs, after one that warms up."""
    work()
    best = float("inf")
    for _ in range(times):
        started = perf_counter()
        work()
        best = min(best, perf_counter() - started)
    return best


def seconds_each(work: Callable[[], object], lasting: float = 2.0) -> float:
    """Do it again and again for some seconds, after a tenth of that to warm up; gives the mean of one."""
    for enough in (lasting / 10, lasting):
        done, started = 0, perf_counter()
        while perf_counter() - started < enough:
            work()
            done += 1
    return (perf_counter() - started) / done
