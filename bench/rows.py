"""One line of the table, and how time is taken."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter


@dataclass(frozen=True)
class Row:
    """What was measured: seconds (or `unit`) of ours and of the reference (or what is allowed), and by how much ours must be less."""

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
