"""Checks whose removal changes no answer, each with the reason: what else says the same."""

from collections.abc import Mapping

EQUIVALENT: Mapping[tuple[str, str], str] = {
    ("services/intake/access.py", "person.has_duty('office')"): (
        "Of the committee every operation and task that asks `may_see` is for the office alone; the rest would see nothing here, either."
    ),
}
"""Path and check, and why no test can tell."""
