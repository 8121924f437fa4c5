"""Industries by GB/T 4754-2017 as amended in 2019: sections (门类, a letter), divisions (大类), groups (中类) and classes (小类).

Below the letter, a code has two to four digits.
"""

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

DIVISION = 3
"""How many characters of a code name its division: the section's letter and two digits."""


@cache
def industries() -> Mapping[str, str]:
    """Read the whole table: code, led by its section's letter, to the Chinese name of the standard."""
    with (Path(__file__).parent / "gbt-4754-2017.csv").open(encoding="utf-8", newline="") as table:
        rows = csv.DictReader(line for line in table if not line.startswith("#"))
        return MappingProxyType({row["code"]: row["zh"] for row in rows})


def divisions(section: str) -> list[str]:
    """List the divisions of a section in order."""
    return [code for code in industries() if len(code) == DIVISION and code[0] == section]
