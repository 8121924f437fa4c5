"""A bundle's documents with its events, and what every check of them shares."""

from collections.abc import Mapping
from typing import Any

from verifier.events import Events, compare
from verifier.finding import Report


class Bundle:
    """A bundle's documents, its events, and whose it is."""

    def __init__(self, documents: Mapping[str, Any], report: Report) -> None:
        """Take documents that were read."""
        self.documents = documents
        self.report = report
        self.events = Events(documents)
        about = documents["bundle"]
        self.cycle: str = about["cycle"]
        self.public: bool = about["audience"] == "public"
        self.partial: bool = about["partial"] is True

    def last(self, service: str, *kinds: str) -> Mapping[str, Any] | None:
        """Give the last event of these kinds about the cycle."""
        found = self.events.about(service, self.cycle, *kinds)
        return found[-1] if found else None

    def unsupported(self, where: str, what: str) -> None:
        """Note a value without its event: a finding, unless this bundle may leave events out."""
        if self.public or self.partial:
            self.report.not_shown.append(f"{where}: {what}")
        else:
            self.report.find("unsupported", where, f"no event of the record: {what}")

    def listed(self, name: str, key: str, expected: Mapping[str, Mapping[str, Any]]) -> None:
        """Compare a document's entries, by their key, with what the record says; entries missing or added are named."""
        found = {one[key]: one for one in self.documents[name]}
        if len(found) < len(self.documents[name]):
            self.report.find("document", name, "an entry twice")
        if list(found) != sorted(found):
            self.report.find("document", name, "not in the order of its keys")
        for one in sorted(found.keys() | expected.keys()):
            if one not in expected:
                self.unsupported(f"{name}/{one}", "no event supports this entry")
            elif one not in found:
                if not self.partial:
                    self.report.find("omitted", f"{name}/{one}", "the record has it, the document doesn't")
            else:
                compare(f"{name}/{one}", found[one], expected[one], self.report)
