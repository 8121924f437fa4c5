"""`python -m bench [AREA…]`: measure every area or those named, print the table and keep it; ends with 1 where something falls short."""

import sys
from importlib import import_module
from pkgutil import iter_modules
from time import perf_counter

import bench
from bench.rows import Row, keep

PLUMBING = {"__main__", "bare", "load", "product", "rows", "unrecorded"}


def line(row: Row) -> str:
    """Write a row of the table."""
    ours, reference = row.shown
    return f"{row.name:<88}{ours:>16}{reference:>16}{row.ratio:>11.2f}{row.at_least:>9.2f}  {'ok' if row.holds else 'FALLS SHORT'}"


def main() -> int:
    """Measure and tell, one area after the other."""
    areas = sorted(module.name for module in iter_modules(bench.__path__) if module.name not in PLUMBING)
    if unknown := set(sys.argv[1:]) - set(areas):
        raise SystemExit(f"No such area: {', '.join(sorted(unknown))}. There are {', '.join(areas)}.")
    sys.stdout.write(f"{'work; reference':<88}{'ours':>16}{'reference':>16}{'ratio':>11}{'at least':>9}\n")
    holds, began = True, perf_counter()
    for area in [area for area in areas if area in sys.argv[1:]] or areas:
        started = perf_counter()
        found: list[Row] = list(import_module(f"bench.{area}").rows())
        keep(area, found)
        sys.stdout.writelines(f"{line(row)}\n" for row in found)
        sys.stdout.write(f"  {area}: {perf_counter() - started:.0f} s\n")
        sys.stdout.flush()
        holds = holds and all(row.holds for row in found)
    sys.stdout.write(f"bench: {'everything holds' if holds else 'something falls short'}, {perf_counter() - began:.0f} s\n")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
