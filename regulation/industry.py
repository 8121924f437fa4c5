"""Industries by GB/T 4754-2017: sections (门类, a letter), divisions (大类), groups (中类) and classes (小类), two to four digits more."""

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
        return MappingProxyType({row["code"]: row["zh"] for row in csv.DictReader(table)})


def divisions(section: str) -> list[str]:
    """List the divisions of a section in order."""
    return [code for code in industries() if len(code) == DIVISION and code[0] == section]
