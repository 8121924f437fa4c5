"""Reads a bundle's archive strictly: one form only, nothing compressed, no name twice or outside the list; so every bit of it counts."""

import json
import zipfile
from functools import lru_cache
from io import BytesIO
from typing import Any

from verifier.finding import Report

LARGEST = 1 << 30
DOCUMENTS = [
    "applications",
    "approval",
    "awards",
    "bundle",
    "committee",
    "consensus",
    "cycle",
    "edition",
    "evaluation",
    "findings",
    "motions",
    "notices",
    "objections",
    "panels",
    "recusals",
    "reports",
    "rubric",
    "sheets",
    "shortlist",
    "record-intake",
    "record-scoring",
    "record-workflow",
]
MAY_BE_NULL = frozenset({"evaluation", "findings", "recusals", "shortlist"})
NEVER_NULL = frozenset(DOCUMENTS) - MAY_BE_NULL
NAMES = frozenset(f"{name}.json" for name in DOCUMENTS)
EPOCH = (1980, 1, 1, 0, 0, 0)
LOCAL_HEADER = 30
SHOWN = 60


def read(raw: bytes, report: Report) -> dict[str, bytes]:
    """Give the documents' texts by name; what can't be read is a finding, and missing from what is given."""
    if len(raw) > LARGEST:
        report.find("archive", "size", "larger than any bundle")
        return {}
    entries = _entries(raw, report)
    if entries and (rebuilt := pack(entries)) != raw:
        _explain(raw, rebuilt, entries, report)
    report.checked["bytes of the archive"] += len(raw)
    for name in sorted(NAMES - entries.keys()):
        report.find("archive", name, "missing")
    documents = {}
    for name, content in sorted(entries.items()):
        found, wrong = _parse(content)
        report.check("documents in their one text form", not wrong, "text", name, wrong)
        if found is not None or not wrong:
            documents[name.removesuffix(".json")] = content
    return documents


def parsed(content: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Give what a document's text says."""
    return _parse(content)[0]


def missing(found: dict[str, Any]) -> set[str]:
    """Name the documents that are not there, or empty where they may not be."""
    return {name for name in DOCUMENTS if name not in found} | {name for name in NEVER_NULL if found.get(name) is None}


def pack(entries: dict[str, bytes]) -> bytes:
    """Write an archive in the one form that is taken."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:
        for name, content in sorted(entries.items()):
            file.writestr(zipfile.ZipInfo(name, EPOCH), content)
    return buffer.getvalue()


def write(content: object) -> bytes:
    """Write a document in the one text form that is taken."""
    return json.dumps(content, ensure_ascii=False, sort_keys=True).encode()


def _entries(raw: bytes, report: Report) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(BytesIO(raw)) as file:
            listed = file.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, EOFError, IndexError) as error:
        report.find("archive", "directory", f"no readable ZIP: {error}")
        return {}
    entries: dict[str, bytes] = {}
    for info in listed:
        shown = repr(info.filename[:SHOWN])
        if info.filename in entries:
            report.find("archive", shown, "there twice")
        elif info.filename not in NAMES:
            report.find("archive", shown, "a bundle has no such document")
        elif info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            report.find("archive", shown, "compressed; a bundle's documents are stored as they are")
        else:
            start = info.header_offset + LOCAL_HEADER + len(info.filename)
            entries[info.filename] = raw[start : start + info.file_size]
    return entries


def _explain(raw: bytes, rebuilt: bytes, entries: dict[str, bytes], report: Report) -> None:
    with zipfile.ZipFile(BytesIO(raw)) as file, zipfile.ZipFile(BytesIO(rebuilt)) as again:
        sums = {info.filename: info.CRC for info in again.infolist()}
        damaged = [info.filename for info in file.infolist() if info.filename in entries and sums[info.filename] != info.CRC]
    for name in damaged:
        report.find("archive", name, "its bytes don't fit its checksum")
    if not damaged:
        place = next((at for at, (one, other) in enumerate(zip(raw, rebuilt, strict=False)) if one != other), min(len(raw), len(rebuilt)))
        report.find("archive", f"byte {place}", "not the one form in which a bundle is written")


@lru_cache(maxsize=64)
def _parse(content: bytes) -> tuple[Any, str]:
    try:
        found = json.loads(content.decode(), object_pairs_hook=_object, parse_float=_no_float, parse_constant=_no_float)
    except (ValueError, RecursionError) as error:
        return None, f"no readable JSON: {str(error)[:SHOWN]}"
    return found, "" if write(found) == content else "not written as bundles are"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a member twice")
    return dict(pairs)


def _no_float(text: str) -> object:
    raise ValueError(f"a number that is not whole: {text}")
