"""A rule's no: what was refused, by which clause, and from when it would pass."""

import tomllib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Literal

Language = Literal["zh", "en"]


@cache
def messages() -> Mapping[str, Mapping[Language, str]]:
    """Every refusal code with its sentence in both languages; `{name}` stands for a fact of that name."""
    return tomllib.loads((Path(__file__).parent / "refusals.toml").read_text(encoding="utf-8"))


class Refusal(Exception):  # noqa: N818 - a refusal is the rule's answer, not a fault
    """A rule refused. `code` is stable, `clause` the regulation's number, `facts` fill the sentence.

    `earliest` is the first instant at which it would pass, where time alone would cure it.
    """

    def __init__(self, code: str, clause: str, *, earliest: datetime | None = None, **facts: object) -> None:
        """Keep the parts; the sentence is made when a language is known."""
        super().__init__(code)
        self.code = code
        self.clause = clause
        self.earliest = earliest
        self.facts = facts

    def sentence(self, language: Language) -> str:
        """Say it to a person."""
        return messages()[self.code][language].format_map(self.facts)
