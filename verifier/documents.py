"""Holds every document against the record: each value is one that an event states, or that an event holds the hash of."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from verifier.events import Events, compare, instant, key_of
from verifier.finding import MALFORMED, Report
from verifier.record import canonical, sha256

SHEET_KEYS = {
    "sheet", "application", "stage", "panel", "person", "state", "why", "ratings", "nonce", "texts_hash", "commitment", "salt", "texts",
}  # fmt: skip


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


def check(bundle: Bundle) -> None:
    """Hold every document against the record."""
    checks: Iterable[Callable[[Bundle], None]] = (
        about, cycle, applications, committee, panels, recusals, sheets, consensus, reports, shortlist, evaluation, motions, notices,
        objections, approval, awards, findings,
    )  # fmt: skip
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


def panels(bundle: Bundle) -> None:
    """Check each panel as it was last told of."""
    names = ("panel", "name", "leader", "members", "applications")
    told = {key_of(one): one["facts"] for one in bundle.events.about("scoring", bundle.cycle, "panel.formed", "panel.changed")}
    expected = {
        key: {name: sorted(facts[name]) if isinstance(facts[name], list) else facts[name] for name in names} for key, facts in told.items()
    }
    if not bundle.partial:
        bundle.listed("panels", "panel", expected)


def recusals(bundle: Bundle) -> None:
    """Check the recusals that stand: those declared, without those lifted."""
    if bundle.documents["recusals"] is None:
        return
    standing: dict[tuple[str, ...], Mapping[str, Any]] = {}
    names = ("person", "credit_code", "source")
    for one in bundle.events.all("scoring", "recusal.declared", "recusal.lifted"):
        facts = one["facts"]
        if one["kind"] == "recusal.declared":
            standing[tuple(facts[name] for name in names)] = {name: facts[name] for name in (*names, "kind")}
        else:
            standing = {key: kept for key, kept in standing.items() if key[:2] != (facts["person"], facts["credit_code"])}
    found = {tuple(one[name] for name in names): one for one in bundle.documents["recusals"]}
    for key in sorted(found.keys() | standing.keys()):
        where = f"recusals/{key[0]} {key[1]}"
        if key not in found:
            bundle.report.find("omitted", where, "the record has it, the document doesn't")
        elif key not in standing:
            bundle.unsupported(where, "recusal.declared")
        else:
            compare(where, found[key], standing[key], bundle.report)


def sheets(bundle: Bundle) -> None:
    """Check each sheet's commitment, made when it was sealed, and that no sheet is missing."""
    sealed = {key_of(one): one for one in bundle.events.all("scoring", "sheet.sealed")}
    gone = {key_of(one): one["facts"]["why"] for one in bundle.events.all("scoring", "sheet.withdrawn")}
    opened = {
        sheet: (key_of(one), one["facts"]["stage"], one["facts"]["panel"])
        for one in bundle.events.all("scoring", "sheets.opened")
        for sheet in one["facts"]["sheets"]
    }
    given = {one["sheet"]: one for one in bundle.documents["sheets"]}
    if len(given) < len(bundle.documents["sheets"]) or list(given) != sorted(given):
        bundle.report.find("document", "sheets", "a sheet twice, or not in the order of their ids")
    ours = {panel["panel"] for panel in bundle.documents["panels"]}
    for sheet, (application, _, panel) in opened.items():
        if sheet not in given and panel in ours and not bundle.partial:
            bundle.report.find("omitted", f"sheets/{sheet}", f"opened for application {application}, and not in the bundle")
    for sheet, one in given.items():
        where = f"sheets/{sheet}"
        bundle.report.check("sheets", set(one) == SHEET_KEYS, "document", where, "other members than a sheet's")
        compare(
            f"{where}/state", [one["state"], one["why"]], ["withdrawn", gone[sheet]] if sheet in gone else ["opened", None], bundle.report
        )
        if sheet in opened:
            compare(where, [one["application"], one["stage"], one["panel"]], list(opened[sheet]), bundle.report)
        elif one["state"] == "opened":
            bundle.unsupported(where, "sheets.opened")
        if sheet in sealed:
            compare(f"{where}/person", one["person"], sealed[sheet]["actor"], bundle.report)
        if one["state"] == "opened":
            commitment(bundle, where, one, sealed.get(sheet))


def commitment(bundle: Bundle, where: str, sheet: Mapping[str, Any], sealed: Mapping[str, Any] | None) -> None:
    """Check that an opened sheet is what was sealed."""
    nonce, texts_hash = bytes.fromhex(sheet["nonce"]), bytes.fromhex(sheet["texts_hash"])
    made = sha256(nonce + canonical(sheet["ratings"]) + texts_hash).hex()
    bundle.report.check("commitments", made == sheet["commitment"], "commitment", where, "ratings, nonce and texts don't give it")
    for name in ("nonce", "texts_hash", "salt"):
        if sheet[name] is not None and bytes.fromhex(sheet[name]).hex() != sheet[name]:
            bundle.report.find("document", f"{where}/{name}", "not written as bundles are")
    if sealed is None:
        bundle.unsupported(where, "sheet.sealed")
    else:
        recorded = sealed["facts"]["commitment"]
        bundle.report.check("commitments", made == recorded, "commitment", where, "not what was sealed in the record")
    if bundle.public:
        bundle.report.check("secrecy", sheet["texts"] is None and sheet["salt"] is None, "document", where, "texts in a public bundle")
    else:
        digest = sha256(bytes.fromhex(sheet["salt"]) + canonical(sheet["texts"])).hex()
        bundle.report.check(
            "texts of sheets", digest == sheet["texts_hash"], "commitment", f"{where}/texts", "not the texts that were sealed"
        )


def rounds_of(bundle: Bundle) -> dict[tuple[str, str], dict[str, Any]]:
    """Give each consensus sheet as it was last put, with the stances since; sheets that come or go take the stances off."""
    rounds: dict[tuple[str, str], dict[str, Any]] = {}
    round_of = {one["sheet"]: (one["application"], one["stage"]) for one in bundle.documents["sheets"]}
    ours = {panel["panel"] for panel in bundle.documents["panels"]}
    opened: set[str] = set()
    for one in bundle.events.all("scoring", "consensus.put", "consensus.signed", "sheets.opened", "sheet.withdrawn"):
        kind, facts = one["kind"], one["facts"]
        key = round_of.get(key_of(one), ("", "")) if kind == "sheet.withdrawn" else (key_of(one), facts["stage"])
        if kind == "consensus.put" and facts["panel"] in ours:
            rounds[key] = {"application": key[0], "stage": key[1], "panel": facts["panel"], "agreed": facts["agreed"], "signatures": {}}
        elif kind == "consensus.signed" and key in rounds:
            rounds[key]["signatures"][one["actor"]] = facts["stance"]
        elif key in rounds and (kind == "sheets.opened" or key_of(one) in opened):
            rounds[key]["signatures"] = {}
        opened |= set(facts["sheets"]) if kind == "sheets.opened" else set()
    return rounds


def consensus(bundle: Bundle) -> None:
    """Check each consensus sheet and the stances on it."""
    rounds = rounds_of(bundle)
    found = {(one["application"], one["stage"]): one for one in bundle.documents["consensus"]}
    if len(found) < len(bundle.documents["consensus"]) or list(found) != sorted(found):
        bundle.report.find("document", "consensus", "an entry twice, or not in their order")
    for key in sorted(found.keys() | rounds.keys()):
        where = f"consensus/{key[0]} {key[1]}"
        if key in found and key in rounds:
            compare(where, found[key], rounds[key], bundle.report)
        elif key in found:
            bundle.unsupported(where, "consensus.put")
        elif not bundle.partial:
            bundle.report.find("omitted", where, "the record has it, the document doesn't")


def reports(bundle: Bundle) -> None:
    """Check every report that went out, the stances on it, and that its words are those that were signed."""
    drafted = {one["facts"]["report"]: one for one in bundle.events.all("scoring", "report.drafted")}
    signed: dict[str, dict[str, str]] = {}
    for one in bundle.events.all("scoring", "report.signed"):
        signed.setdefault(one["facts"]["report"], {})[one["actor"]] = one["facts"]["stance"]
    revisions: dict[tuple[str, str], int] = {}
    expected = {}
    given = {one["report"]: one for one in bundle.documents["reports"]}
    for one in bundle.events.about("scoring", bundle.cycle, "panel.reported", "panel.report_revised"):
        facts, stage = one["facts"], (one["facts"]["panel"], one["facts"]["stage"])
        revisions[stage] = revisions.get(stage, 0) + 1
        draft = drafted.get(facts["report"])
        expected[facts["report"]] = {
            "report": facts["report"], "panel": facts["panel"], "stage": facts["stage"], "revision": revisions[stage],
            "signed_by": draft["actor"] if draft else None, "recommended": facts["recommended"], "results": facts["results"],
            "signatures": signed.get(facts["report"], {}), "words": given.get(facts["report"], {}).get("words"),
        }  # fmt: skip
    for key in sorted(expected.keys() | given.keys()):
        where = f"reports/{key}"
        if key not in given:
            if not bundle.partial:
                bundle.report.find("omitted", where, "the record has it, the document doesn't")
        elif key not in expected:
            bundle.unsupported(where, "panel.reported")
        else:
            compare(where, given[key], expected[key], bundle.report)
            words(bundle, where, given[key], drafted.get(key))
    order = [(one["panel"], one["stage"], one["revision"]) for one in bundle.documents["reports"]]
    if order != sorted(set(order)):
        bundle.report.find("document", "reports", "an entry twice, or not in their order")


def words(bundle: Bundle, where: str, given: Mapping[str, Any], draft: Mapping[str, Any] | None) -> None:
    """Check a report's words against the hash in its draft's event; a revision that a recusal made has the words of the one before."""
    if (given["words"] is None) != bundle.public:
        bundle.report.find("document", f"{where}/words", "there where they may not be, or missing")
    elif given["words"] is not None and draft is not None:
        digest = sha256(canonical(given["words"])).hex()
        bundle.report.check(
            "words of reports", digest == draft["facts"].get("hash"), "document", f"{where}/words", "not those that were signed"
        )
    elif given["words"] is not None:
        before = [one for one in bundle.documents["reports"] if (one["panel"], one["stage"]) == (given["panel"], given["stage"])]
        same = any(one["words"] == given["words"] and one["revision"] < given["revision"] for one in before)
        bundle.report.check("words of reports", same, "document", f"{where}/words", "not those of the report before")


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
