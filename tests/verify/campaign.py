"""Bit flips and forgeries against the verifier: every one must be found, and named."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.verify import forgery
from tests.verify.forgery import Documents
from verifier.finding import Finding
from verifier.verification import verify

FLIPS = 1000


@dataclass(frozen=True)
class Kept:
    """What somebody outside has: both bundles, and of each record a checkpoint and the leaf hashes."""

    supervision: bytes
    public: bytes
    checkpoints: Sequence[str]
    leaves: Sequence[str]
    seeds: dict[str, str]


@dataclass
class Figures:
    """What came of a campaign; `missed` names each attempt that was not found, or not named."""

    flips: int = 0
    forgeries: int = 0
    kinds: set[str] = field(default_factory=set)
    tricks: int = 0
    missed: list[str] = field(default_factory=list)

    def line(self) -> dict[str, int]:
        """Give the figures of the last line."""
        return {
            "bits_flipped": self.flips, "values_forged": self.forgeries, "kinds_forged": len(self.kinds), "tricks": self.tricks,
            "missed": len(self.missed),
        }  # fmt: skip


def flip(kept: Kept, figures: Figures, flips: int, seed: int) -> None:
    """Flip random bits, one at a time, in both bundles."""
    chance = random.Random(seed)  # noqa: S311 - where to flip, repeatable
    for number in range(flips):
        raw = bytearray((kept.supervision, kept.public)[number % 2])
        place, bit = chance.randrange(len(raw)), chance.randrange(8)
        raw[place] ^= 1 << bit
        figures.flips += 1
        if not named(verify(bytes(raw)).findings):
            figures.missed.append(f"bit {bit} of byte {place} of bundle {number % 2}")


def named(findings: Sequence[Finding]) -> bool:
    """Tell whether something was found, and each thing found says where and what."""
    return bool(findings) and all(one.code and one.where and one.text for one in findings)


def forge(kept: Kept, figures: Figures) -> None:
    """Alter one value of each kind of event and of each document; the platform signs whatever it takes."""
    for audience, raw in (("supervision", kept.supervision), ("public", kept.public)):
        documents = forgery.opened(raw)
        for service, kind, leaf in forgery.event_forgeries(documents):
            forged = forgery.forged_event(documents, service, leaf)
            forgery.resigned(forged, service, kept.seeds[service])
            found = verify(forgery.packed(forged), kept.checkpoints, kept.leaves).findings
            this = f"record-{service} leaf {leaf} ({kind} "
            told = any(one.code == "altered" and one.where.startswith(this) for one in found)
            if not told or not any(one.code == "kept" and "rewritten" in one.text for one in found):
                figures.missed.append(f"{audience}: {service} {kind}")
            figures.forgeries += 1
            figures.kinds.add(f"{service} {kind}")
        for name in sorted(documents):
            if name.startswith("record-") or not any(True for _ in forgery.places(documents[name])):
                continue
            found = verify(forgery.packed(forgery.forged_document(documents, name))).findings
            if not named(found):
                figures.missed.append(f"{audience}: document {name}")
            figures.forgeries += 1
            figures.kinds.add(f"document {name}")


def drop(name: str, place: int = 0) -> Callable[[Documents], object]:
    """Leave an entry of a document out."""
    return lambda documents: documents[name].pop(place)


def omit_event(service: str, kind: str) -> Callable[[Documents], object]:
    """Leave the first event of a kind out of a record."""

    def change(documents: Documents) -> None:
        events = documents[f"record-{service}"]["events"]
        events.remove(next(one for one in events if one["event"]["kind"] == kind))

    return change


def swap_applicants(documents: Documents) -> None:
    """Let two applicants' sheets change places."""
    names = [one["application"] for one in documents["applications"]][:2]
    other = dict(zip(names, names[::-1], strict=True))
    for sheet in documents["sheets"]:
        sheet["application"] = other.get(sheet["application"], sheet["application"])


def change_weight(documents: Documents) -> None:
    """Weigh the site review otherwise than approved."""
    documents["cycle"]["rules"]["site_weight"] += 1


TRICKS: dict[str, Callable[[Documents], object]] = {
    "a sheet left out": drop("sheets"),
    "a recusal dropped": drop("recusals"),
    "a motion left out": drop("motions"),
    "an objection left out": drop("objections"),
    "an award left out": drop("awards"),
    "an event left out": omit_event("scoring", "sheet.sealed"),
    "a finding's event left out": omit_event("workflow", "finding.put"),
    "two applicants swapped": swap_applicants,
    "another weight": change_weight,
}


def trick(kept: Kept, figures: Figures) -> None:
    """Leave things out, swap them, or change a rule."""
    documents = forgery.opened(kept.supervision)
    for name, change in TRICKS.items():
        figures.tricks += 1
        if not named(verify(forgery.changed(documents, change)).findings):
            figures.missed.append(name)
