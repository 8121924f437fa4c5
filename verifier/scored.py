"""What the panels did, held against scoring's record: panels, recusals, sheets, consensus, reports."""

from collections.abc import Mapping
from typing import Any

from verifier.bundle import Bundle
from verifier.events import compare, key_of
from verifier.record import canonical, sha256

SHEET_KEYS = {
    "sheet", "application", "stage", "panel", "person", "state", "why", "ratings", "nonce", "texts_hash", "commitment", "salt", "texts",
}  # fmt: skip


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


CHECKS = (panels, recusals, sheets, consensus, reports)
