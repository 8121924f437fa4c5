"""What was decided on the panels' results, held against the workflow's record: from the shortlist to the awards, and objections."""

from typing import Any

from verifier.bundle import Bundle
from verifier.events import compare, instant, key_of
from verifier.record import canonical, sha256


def undone(bundle: Bundle, index: int) -> bool:
    """Tell whether a motion reopened the cycle after an event."""
    changed = bundle.events.about("workflow", bundle.cycle, "cycle.phase_changed")
    return any(one["index"] > index and one["facts"].get("action") == "reopen" for one in changed)


def shortlist(bundle: Bundle) -> None:
    """Check the list for site review as it was confirmed."""
    given, event = bundle.documents["shortlist"], bundle.last("workflow", "shortlist.confirmed")
    if event is None:
        if given is not None:
            bundle.unsupported("shortlist", "shortlist.confirmed")
    elif given is not None:
        compare("shortlist", given, {name: event["facts"][name] for name in ("applications", "tie_broken_by", "reasons")}, bundle.report)
    elif not undone(bundle, event["index"]) and not bundle.partial:
        bundle.report.find("omitted", "shortlist", "the record has it, the document doesn't")


def evaluation(bundle: Bundle) -> None:
    """Check the totals and candidates as computed, the report by its hash, and the candidates as confirmed."""
    given, event = bundle.documents["evaluation"], bundle.last("workflow", "evaluation.computed")
    confirmed = bundle.last("workflow", "evaluation.confirmed")
    if event is None:
        if given is not None:
            bundle.unsupported("evaluation", "evaluation.computed")
        return
    if given is None:
        if not undone(bundle, event["index"]) and not bundle.partial:
            bundle.report.find("omitted", "evaluation", "the record has it, the document doesn't")
        return
    expected = {name: event["facts"][name] for name in ("totals", "candidates")}
    expected |= {"confirmed": given["confirmed"], "reasons": given["reasons"], "report": given["report"]}
    if confirmed is not None and confirmed["index"] > event["index"]:
        expected |= {"confirmed": confirmed["facts"]["candidates"], "reasons": confirmed["facts"]["reasons"]}
    elif given["confirmed"] is not None:
        bundle.unsupported("evaluation/confirmed", "evaluation.confirmed")
    compare("evaluation", given, expected, bundle.report)
    if given["report"] is not None:
        digest = sha256(canonical(given["report"])).hex()
        bundle.report.check(
            "hashed documents", digest == event["facts"]["hash"], "document", "evaluation/report", "not the one that was recorded"
        )
    elif not bundle.public and not bundle.partial:
        bundle.report.find("omitted", "evaluation/report", "missing")


def motions(bundle: Bundle) -> None:
    """Check every decided motion: its names, roll and recusals as they were frozen, and the votes as they were counted."""
    proposed = {key_of(one): one["facts"] for one in bundle.events.about("workflow", bundle.cycle, "motion.proposed")}
    opened = {key_of(one): one["facts"] for one in bundle.events.all("workflow", "motion.opened")}
    closed = {key_of(one): one["facts"] for one in bundle.events.all("workflow", "motion.closed")}
    stepped_back: dict[str, set[str]] = {}
    for one in bundle.events.all("workflow", "motion.recused"):
        for ballot in one["facts"]["ballots"]:
            stepped_back.setdefault(ballot, set()).add(one["facts"]["person"])
    expected = {}
    for key in proposed.keys() & opened.keys() & closed.keys():
        facts, awards_of = proposed[key], {one["application"]: one["award"] for one in proposed[key].get("names", [])}
        frozen = {one["ballot"]: one["recused"] for one in opened[key]["ballots"]}
        expected[key] = {
            "motion": key, "kind": facts["kind"], "title": facts["title"], "secret": closed[key]["secret"],
            "roll": opened[key]["roll"], "outcome": closed[key]["outcome"],
            "ballots": [
                {
                    "ballot": one["ballot"],
                    "application": None if one["application"] == "None" else one["application"],
                    "award": awards_of.get(one["application"]),
                    "recused": None if bundle.public else sorted(
                        {*frozen[one["ballot"]], *(stepped_back.get(one["ballot"], set()) & set(opened[key]["roll"]))}
                    ),
                    "tally": one["tally"],
                    "votes": None if closed[key]["secret"] else one["votes"],
                }
                for one in closed[key]["ballots"]
            ],
        }  # fmt: skip
    bundle.listed("motions", "motion", expected)


def notices(bundle: Bundle) -> None:
    """Check every public notice with its names and its end."""
    bundle.listed("notices", "notice", {
        key_of(one): {
            "notice": key_of(one), "published_at": instant(one["at"]), "ends_at": instant(one["facts"]["ends_at"]),
            "names": sorted(one["facts"]["names"]),
        }
        for one in bundle.events.about("workflow", bundle.cycle, "notice.published")
    })  # fmt: skip


def objections(bundle: Bundle) -> None:
    """Check the docket: what was received, found, ruled and dismissed; texts by their hashes."""
    received = {key_of(one): one["facts"] for one in bundle.events.about("workflow", bundle.cycle, "objection.received")}
    investigated = {key_of(one): one["facts"] for one in bundle.events.all("workflow", "objection.investigated")}
    ruled = {key_of(one): one["facts"] for one in bundle.events.all("workflow", "objection.ruled")}
    dismissed = {key_of(one): one["facts"]["reasons"] for one in bundle.events.all("workflow", "objection.dismissed")}
    given = {one["objection"]: one for one in bundle.documents["objections"]}
    expected = {}
    for key, facts in received.items():
        later = investigated.get(key, {})
        texts = {name: given.get(key, {}).get(name) for name in ("text", "findings", "report")}
        expected[key] = texts | {
            "objection": key, "notice": facts["notice"], "application": later.get("application") or facts["application"],
            "motion": ruled[key]["motion"] if key in ruled else None, "removed": ruled[key]["removed"] if key in ruled else None,
            "dismissal": dismissed.get(key),
        }  # fmt: skip
        hashes = {"text": facts["text_sha256"], "findings": later.get("findings_sha256"), "report": later.get("report_sha256")}
        for name, text in texts.items():
            digest = None if text is None else sha256(str(text).encode()).hex()
            same = (text is None) if bundle.public else digest == hashes[name]
            if key in given:
                bundle.report.check("texts of objections", same, "document", f"objections/{key}/{name}", "not the text that was recorded")
    bundle.listed("objections", "objection", expected)


def approval(bundle: Bundle) -> None:
    """Check the government's decisions and the publication."""
    changed = bundle.events.about("workflow", bundle.cycle, "cycle.phase_changed")
    decisions = [
        {"decision": one["facts"]["action"], "document_number": one["facts"]["document_number"], "dated": one["facts"]["dated"]}
        for one in changed
        if one["facts"].get("action") in {"approve", "refuse"}
    ]
    made = [one["facts"] for one in changed if one["facts"].get("action") == "publish"]
    publication = {"document": made[-1]["document"], "published_on": made[-1]["published_on"]} if made else None
    compare("approval", bundle.documents["approval"], {"decisions": decisions, "publication": publication}, bundle.report)


def awards(bundle: Bundle) -> None:
    """Check the awards that the last approval made, with their publication, revocation and payments."""
    approved = [
        one for one in bundle.events.about("workflow", bundle.cycle, "cycle.phase_changed") if one["facts"].get("action") == "approve"
    ]
    since = approved[-1]["index"] if approved else -1
    listed = {one["application"] for one in bundle.documents["applications"]}
    expected: dict[str, dict[str, Any]] = {}
    for one in bundle.events.all("workflow", "award.proposed"):
        facts = one["facts"]
        if one["index"] > since and facts["application"] in listed:
            names = ("application", "organisation", "credit_code", "award", "prize", "certificate", "plaque")
            state: dict[str, Any] = {"state": "proposed", "published_on": None, "revoked_on": None, "paid": 0, "earlier": []}
            expected[key_of(one)] = {name: facts[name] for name in names} | state | {"id": key_of(one)}
    for one in bundle.events.all("workflow", "award.published", "award.revoked", "award.paid"):
        award, facts = expected.get(key_of(one)), one["facts"]
        if award is None:
            continue
        if one["kind"] == "award.published":
            award |= {"state": "published", "published_on": facts["published_on"], "prize": facts["prize"]}
            award["earlier"] = earlier(bundle, award["credit_code"], one["index"])
        elif one["kind"] == "award.revoked":
            award |= {"state": "revoked", "revoked_on": facts["dated"]}
        else:
            award["paid"] += facts["amount"]
    bundle.listed("awards", "id", expected)


def earlier(bundle: Bundle, credit_code: str, before: int) -> list[dict[str, Any]]:
    """List an organisation's awards of earlier years as the record had them at an index."""
    held: dict[str, dict[str, Any]] = {}
    for one in bundle.events.all("workflow", "honour.changed"):
        facts = one["facts"]
        if facts["credit_code"] == credit_code and facts["year"] < bundle.documents["cycle"]["year"] and one["index"] < before:
            held[key_of(one)] = {"award": facts["award"], "year": facts["year"], "revoked": facts["status"] == "revoked"}
    return sorted(held.values(), key=lambda one: (one["year"], one["award"]))


def findings(bundle: Bundle) -> None:
    """Check the supervision group's findings and their answers."""
    if bundle.documents["findings"] is None:
        return
    answers = {key_of(one): one["facts"]["answer"] for one in bundle.events.all("workflow", "finding.answered")}
    bundle.listed("findings", "finding", {
        key_of(one): {name: one["facts"][name] for name in ("finding", "text", "holds", "sanction")}
        | {"by": one["actor"], "answer": answers.get(key_of(one))}
        for one in bundle.events.about("workflow", bundle.cycle, "finding.put")
    })  # fmt: skip


CHECKS = (shortlist, evaluation, motions, notices, objections, approval, awards, findings)
