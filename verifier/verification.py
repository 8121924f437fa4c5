"""One bundle verified: the archive, each record, what was kept outside, every document against the record, every number anew."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from verifier import archive, documents, outcome, record
from verifier.bundle import Bundle
from verifier.finding import MALFORMED, Report


@lru_cache(maxsize=64)
def _record(service: str, text: bytes, *, whole: bool) -> Report:
    """Check one record by itself; what was checked before is not worked out again."""
    report = Report()
    found = archive.parsed(text)
    try:
        record.check(service, found, report)
        if whole:
            record.check_complete(service, found, report)
    except MALFORMED as error:
        report.find("malformed", f"record-{service}", f"not of a record's shape: {type(error).__name__} {str(error)[:60]}")
    return report


def verify(raw: bytes, checkpoints: Sequence[str] = (), leaves: Sequence[str] = (), year: int | None = None) -> Report:
    """Verify a bundle, against checkpoints and leaf hashes that were kept outside where there are any."""
    report = Report()
    texts = archive.read(raw, report)
    found = {name: archive.parsed(text) for name, text in texts.items()}
    if len(found) < len(archive.NAMES) or any(found[name] is None for name in archive.NEVER_NULL):
        report.find("archive", "documents", "not all that a bundle has can be read: " + ", ".join(sorted(archive.missing(found)))[:200])
        return report
    _records(texts, found, report)
    _kept(checkpoints, leaves, found, report)
    try:
        bundle = Bundle(found, report)
    except MALFORMED as error:
        report.find("malformed", "bundle", f"not of a bundle's shape: {type(error).__name__} {str(error)[:60]}")
        return report
    report.partial = bundle.partial
    documents.check(bundle)
    outcome.check(bundle)
    if year is not None and found["cycle"].get("year") != year:
        report.find("year", "cycle/year", f"a bundle of another year than {year}")
    return report


def _records(texts: Mapping[str, bytes], found: Mapping[str, Any], report: Report) -> None:
    about = found["bundle"]
    complete = isinstance(about, dict) and about.get("audience") == "supervision" and about.get("partial") is False
    for service in record.SERVICES:
        report.add(_record(service, texts[f"record-{service}"], whole=complete and service != "intake"))


def _kept(checkpoints: Sequence[str], leaves: Sequence[str], found: Mapping[str, Any], report: Report) -> None:
    records = {service: found[f"record-{service}"] for service in record.SERVICES}
    try:
        record.check_kept(checkpoints, records, report)
        record.check_leaves(leaves, records, report)
    except MALFORMED as error:
        report.find("malformed", "record", f"can't be held against what was kept: {type(error).__name__} {str(error)[:60]}")
