"""What the verifier says: what is wrong and where, what it checked and how often, and what it was not shown."""

from collections import Counter
from dataclasses import dataclass, field

MALFORMED = (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError, OverflowError, ZeroDivisionError)
"""What reading a value of another shape than a bundle's raises."""


@dataclass(frozen=True)
class Finding:
    """Something wrong: `code` names its kind, `where` the document, event or value."""

    code: str
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.code}: {self.where}: {self.text}"


@dataclass
class Report:
    """What came of a verification."""

    findings: list[Finding] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)
    not_shown: list[str] = field(default_factory=list)
    partial: bool = False

    def find(self, code: str, where: str, text: str) -> None:
        """Note something wrong, once."""
        if (finding := Finding(code, where, text)) not in self.findings:
            self.findings.append(finding)

    def check(self, what: str, holds: bool, code: str, where: str, text: str) -> bool:  # noqa: FBT001 - the condition is what it is about
        """Count a check, and note where it fails."""
        self.checked[what] += 1
        if not holds:
            self.find(code, where, text)
        return holds

    def add(self, other: "Report") -> None:
        """Take in what another check found."""
        for finding in other.findings:
            self.find(finding.code, finding.where, finding.text)
        self.checked += other.checked
        self.not_shown += other.not_shown
