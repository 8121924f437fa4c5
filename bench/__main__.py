"""`python -m bench`: measure every area, print the table, write bench/results.json; ends with 1 where something falls short."""

import json
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import bench
from bench.rows import Row

RESULTS = Path(__file__).with_name("results.json")
PLUMBING = {"__main__", "bare", "load", "product", "rows", "unrecorded"}


def measured() -> list[Row]:
    """Gather the rows of every area: each module here but the plumbing has `rows()`."""
    areas = sorted(module.name for module in iter_modules(bench.__path__) if module.name not in PLUMBING)
    chosen = [area for area in areas if area in sys.argv[1:]] or areas
    return [row for area in chosen for row in import_module(f"bench.{area}").rows()]


def main() -> int:
    """Measure and tell."""
    found = measured()
    print(f"{'work':<64}{'ours':>12}{'reference':>12}{'ratio':>11}{'at least':>10}")  # noqa: T201 - the table is the product
    for row in found:
        scale, unit = (1000, "ms") if row.unit == "s" else (1, row.unit)
        times = f"{row.ours * scale:>9.3f} {unit}{row.reference * scale:>9.3f} {unit}"
        print(f"{row.name:<64}{times}{row.ratio:>11.2f}{row.at_least:>10.2f}  {'ok' if row.holds else 'TOO SLOW'}")  # noqa: T201 - same
    lines = [
        {
            "name": row.name,
            "ours": row.ours,
            "reference": row.reference,
            "unit": row.unit,
            "ratio": round(row.ratio, 3),
            "at_least": row.at_least,
            "holds": row.holds,
        }
        for row in found
    ]
    RESULTS.write_text(json.dumps(lines, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return 0 if all(row.holds for row in found) else 1


if __name__ == "__main__":
    sys.exit(main())
