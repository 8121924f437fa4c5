"""Checks whose removal changes no answer, each with the reason: what else says the same."""

from collections.abc import Mapping

EQUIVALENT: Mapping[tuple[str, str], str] = {}
"""Path and check, and why no test can tell."""
