"""The record's events as the documents rest on them."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from verifier.finding import Report

Event = Mapping[str, Any]


class Events:
    """Every event that a bundle shows, in the order of each record; each is given with its `index`."""

    def __init__(self, documents: Mapping[str, Any]) -> None:
        """Take them out of the records."""
        self._of = {
            service: [{**entry["event"], "index": entry["index"]} for entry in documents[f"record-{service}"]["events"]]
            for service in ("intake", "scoring", "workflow")
        }

    def all(self, service: str, *kinds: str) -> Iterator[Event]:
        """Give the events of these kinds in their order."""
        return (event for event in self._of[service] if event["kind"] in kinds)

    def about(self, service: str, cycle: str, *kinds: str) -> list[Event]:
        """Give the events of these kinds whose subject or facts name the cycle."""
        return [one for one in self.all(service, *kinds) if one["subject"] == f"cycle:{cycle}" or one["facts"].get("cycle") == cycle]


def key_of(event: Event) -> str:
    """Give the id in an event's subject."""
    return str(event["subject"]).partition(":")[2]


def instant(text: str) -> str:
    """Give an instant in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC).isoformat()


def compare(where: str, found: Any, expected: Any, report: Report) -> None:  # noqa: ANN401 - any part of a document
    """Compare a part of a document with what the record says, and name each value that differs."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for name in sorted(found.keys() | expected.keys()):
            if name in found and name in expected:
                compare(f"{where}/{name}", found[name], expected[name], report)
            else:
                report.find(
                    "document", f"{where}/{name}", "not in the record" if name in found else "the record has it, the document doesn't"
                )
    elif isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        for place, (one, other) in enumerate(zip(found, expected, strict=True)):
            compare(f"{where}/{place}", one, other, report)
    else:
        same = found == expected and type(found) is type(expected)
        report.check(
            "values held against the record", same, "document", where, f"{str(found)[:80]!r}; the record says {str(expected)[:80]!r}"
        )
