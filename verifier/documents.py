"""Holds every document against the record: each value is one that an event states, or that an event holds the hash of."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from verifier.bundle import Bundle
from verifier.decided import CHECKS as DECIDED
from verifier.events import compare, key_of
from verifier.finding import MALFORMED
from verifier.record import canonical, sha256
from verifier.scored import CHECKS as SCORED


def check(bundle: Bundle) -> None:
    """Hold every document against the record."""
    checks: Iterable[Callable[[Bundle], None]] = (about, cycle, applications, committee, *SCORED, *DECIDED)
    for one in checks:
        try:
            one(bundle)
        except MALFORMED as error:
            bundle.report.find("malformed", one.__name__, f"not of a bundle's shape: {type(error).__name__} {str(error)[:60]}")


def about(bundle: Bundle) -> None:
    """Check what the bundle says of itself."""
    given = bundle.documents["bundle"]
    fits = set(given) == {"format", "audience", "cycle", "partial"} and given["format"] == "quality-award-bundle/1"
    fits = fits and given["audience"] in {"public", "supervision"} and type(given["partial"]) is bool
    bundle.report.check("documents", fits, "document", "bundle", "no bundle of this format")
    for name in ("recusals", "findings"):
        if (bundle.documents[name] is None) != bundle.public:
            bundle.report.find("document", name, "there where it may not be, or missing")


def cycle(bundle: Bundle) -> None:
    """Check year, edition, rules and rubric: their hashes stand in the launch, the rules in their approval."""
    given, launched = bundle.documents["cycle"], bundle.last("workflow", "cycle.launched")
    if launched is None:
        bundle.unsupported("cycle", "cycle.launched")
        return
    facts = launched["facts"]
    expected = {name: facts[name] for name in ("year", "edition", "rubric", "rules", "rules_hash", "launched_on")}
    compare("cycle", given, expected | {"id": bundle.cycle}, bundle.report)
    opened, approved = bundle.last("workflow", "cycle.opened"), bundle.last("workflow", "rules.approved")
    for event, names in ((opened, ("year", "edition")), (approved, ("rules", "rules_hash"))):
        if event is None:
            bundle.unsupported("cycle", "cycle.opened or rules.approved")
        else:
            compare("cycle", {name: given[name] for name in names}, {name: event["facts"][name] for name in names}, bundle.report)
    hashes = {"edition": facts.get("edition_hash"), "rubric": facts.get("rubric_hash")}
    for name, content in (("edition", bundle.documents["edition"]), ("rubric", bundle.documents["rubric"])):
        digest = sha256(canonical(content)).hex()
        bundle.report.check("hashed documents", digest == hashes[name], "document", name, "not the one whose hash stands in the launch")
    digest = sha256(canonical(given["rules"])).hex()
    bundle.report.check("hashed documents", digest == given["rules_hash"], "document", "cycle/rules", "not those whose hash was approved")
    if bundle.documents["edition"]["name"] != given["edition"] or bundle.documents["rubric"]["id"] != given["rubric"]:
        bundle.report.find("document", "edition", "another edition or rubric than the cycle's")


def applications(bundle: Bundle) -> None:
    """Check the eligible list."""
    listed = next(
        (one for one in bundle.events.about("workflow", bundle.cycle, "cycle.phase_changed") if "applications" in one["facts"]), None
    )
    if listed is None:
        if bundle.documents["applications"]:
            bundle.unsupported("applications", "the eligible list")
        return
    names: dict[str, Mapping[str, Any]] = {}
    if bundle.public:
        won = list(bundle.events.all("workflow", "award.proposed"))
        kept = {one["id"] for one in bundle.documents["awards"]}
        names = {one["facts"]["application"]: one["facts"] for one in won if key_of(one) in kept}
    elif (closed := bundle.last("intake", "screening.closed")) is not None:
        names = {one["application"]: one for one in closed["facts"]["applications"]}
        flags = [
            {name: one[name] for name in ("application", "awards", "fallback", "preferred")} for one in closed["facts"]["applications"]
        ]
        compare("applications as screened", listed["facts"]["applications"], flags, bundle.report)
    nobody = {"organisation": None, "credit_code": None}
    bundle.listed("applications", "application", {
        one["application"]: one | {name: names.get(one["application"], nobody)[name] for name in nobody}
        for one in listed["facts"]["applications"]
    })  # fmt: skip


def committee(bundle: Bundle) -> None:
    """Check the roster and the supervision group as they were last set."""
    given = bundle.documents["committee"]
    for name, kind in (("committee", "committee.set"), ("supervision_group", "supervision.appointed")):
        event = bundle.last("workflow", kind)
        if event is not None:
            compare(name, given[name], sorted(event["facts"]["members"], key=lambda one: one["person"]), bundle.report)
        elif given[name]:
            bundle.unsupported(name, kind)
