"""Works the whole result out a second time, in whole numbers: sheets, stage scores, shortlist, totals, candidates, votes, winners, prizes.

Scores are fractions of twentieths of a point; `Fraction` is exact, and nothing is ever rounded but the points as shown.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any

from verifier.bundle import Bundle
from verifier.events import instant, key_of
from verifier.finding import MALFORMED
from verifier.record import canonical, sha256

NAMING = ("winners", "substitute")
FELL = ("fallen", "withdrawn", "disqualified")
ABSENCE = {"recused": "recused", "round_closed": "missing"}
TRIMMED_FROM = "trimmed_mean_sheets"
Score = Fraction


def check(bundle: Bundle) -> None:
    """Recompute every number, step by step, each from the documents that the step before has checked."""
    steps: Iterable[Callable[[Bundle], None]] = (ratings, results, consensus, shortlist, evaluation, votes, winners, approval, prizes)
    for step in steps:
        if bundle.partial and step in {shortlist, evaluation, winners}:
            bundle.report.not_shown.append(f"{step.__name__}: not recomputed, for the reader is recused from some of it")
            continue
        try:
            step(bundle)
        except MALFORMED as error:
            bundle.report.find("malformed", step.__name__, f"can't be recomputed: {type(error).__name__} {str(error)[:60]}")


def points_of(ratings_of: Mapping[str, int], rubric: Mapping[str, Any]) -> int:
    """Sum a sheet in twentieths of a point: points times percent over five."""
    return sum(item["points"] * (ratings_of[item["id"]] // 5) for item in rubric["items"])


def shown(score: Score) -> str:
    """Show a score in points, rounded down to two decimals."""
    hundredths = score.numerator * 100 // (20 * score.denominator)
    return f"{hundredths // 100}.{hundredths % 100:02}"


def parameters(bundle: Bundle) -> Mapping[str, Any]:
    """Give the edition's parameters."""
    found: Mapping[str, Any] = bundle.documents["edition"]["parameters"]
    return found


def rules(bundle: Bundle) -> Mapping[str, Any]:
    """Give the approved implementation rules."""
    found: Mapping[str, Any] = bundle.documents["cycle"]["rules"]
    return found


def ratings(bundle: Bundle) -> None:
    """Check the rubric's sum, and that every sheet rates every item in steps of five percent."""
    rubric = bundle.documents["rubric"]
    items = {item["id"]: item["points"] for item in rubric["items"]}
    bundle.report.check(
        "rubric", sum(items.values()) == rubric["total"] and len(items) == len(rubric["items"]), "number", "rubric", "wrong total"
    )
    sheets = [(f"sheets/{one['sheet']}", one["ratings"]) for one in bundle.documents["sheets"] if one["state"] == "opened"]
    agreed = [(f"consensus/{one['application']} {one['stage']}", one["agreed"]) for one in bundle.documents["consensus"]]
    for where, rated in (*sheets, *agreed):
        whole = rated.keys() == items.keys() and all(type(one) is int and one in range(0, 101, 5) for one in rated.values())
        bundle.report.check("sheets in full", whole, "number", where, "an item unrated, unknown, or no multiple of 5 percent")


def newest(bundle: Bundle, stage: str, step: Mapping[str, Any] | None = None) -> dict[str, tuple[Mapping[str, Any], int]]:
    """Give each application's result in a stage by the newest report, with the report's place in the record.

    Of a `step` that was taken, by the reports that it names. A newer one that it passes over is found, unless a recusal alone made it: that
    may have been on its way.
    """
    by_panel: dict[str, tuple[list[Mapping[str, Any]], int]] = {}
    for one in bundle.events.about("scoring", bundle.cycle, "panel.reported", "panel.report_revised"):
        facts = one["facts"]
        if facts["stage"] == stage and (step is None or facts["report"] in step["facts"]["reports"]):
            by_panel[facts["panel"]] = (facts["results"], one["index"])
        elif step is not None and facts["stage"] == stage and facts["panel"] in by_panel and "reopened" not in facts:
            passed_over = instant(one["recorded_at"]) < instant(step["recorded_at"])
            bundle.report.check("reports", not passed_over, "omitted", step["kind"], f"passes over the newer report {facts['report']}")
    return {result["application"]: (result, index) for found, index in by_panel.values() for result in found}


def results(bundle: Bundle) -> None:
    """Recompute every stage result from the sheets that counted when its panel reported."""
    rubric, p, how = bundle.documents["rubric"], parameters(bundle), rules(bundle)["aggregation"]
    sheets = bundle.documents["sheets"]
    gone = {key_of(one): one for one in bundle.events.all("scoring", "sheet.withdrawn")}
    put = {(one["application"], one["stage"]): one for one in bundle.documents["consensus"]}
    for stage in ("material", "site"):
        for application, (result, index) in newest(bundle, stage).items():
            where = f"result {application} {stage}"
            own = [one for one in sheets if (one["application"], one["stage"]) == (application, stage)]
            totals = {one["sheet"]: points_of(one["ratings"], rubric) for one in own if one["state"] == "opened"}
            left_out = {
                one["sheet"]: ABSENCE.get(one["why"], "withdrawn")
                for one in own
                if one["state"] == "withdrawn" and one["sheet"] in gone and gone[one["sheet"]]["index"] < index
            }
            counted, score = sorted(totals, key=lambda sheet: (totals[sheet], sheet)), Score(0)
            if not bundle.report.check("sheets enough", len(counted) >= p["sheets_minimum"], "number", where, "too few sheets"):
                continue
            if how == "consensus":
                score = Score(points_of(put[application, stage]["agreed"], rubric))
            else:
                if how == "trimmed_mean" and len(counted) >= p[TRIMMED_FROM]:
                    left_out |= dict.fromkeys((counted[0], counted[-1]), "trimmed")
                    counted = counted[1:-1]
                score = Score(sum(totals[sheet] for sheet in counted), len(counted))
            expected = {
                "numerator": score.numerator,
                "denominator": score.denominator,
                "counted": sorted(counted),
                "not_counted": [{"sheet": sheet, "why": why} for sheet, why in sorted(left_out.items())],
                "aggregation": how,
                "rubric": bundle.documents["cycle"]["rubric"],
                "rules_hash": bundle.documents["cycle"]["rules_hash"],
            }
            for name, value in expected.items():
                same = result[name] == value
                bundle.report.check(
                    "stage results", same, "number", f"{where}/{name}", f"{str(result[name])[:60]}; it is {str(value)[:60]}"
                )
            content = {name: value for name, value in result.items() if name != "hash"}
            bundle.report.check("hashes of results", sha256(canonical(content)).hex() == result["hash"], "number", f"{where}/hash", "wrong")


def consensus(bundle: Bundle) -> None:
    """Check that every member of a panel scored each of its applications, or that something says why not."""
    recused = Counter((one["person"], one["credit_code"]) for one in bundle.documents["recusals"] or [])
    codes = {one["application"]: one["credit_code"] for one in bundle.documents["applications"]}
    have: dict[tuple[str, str], set[str]] = {}
    for one in bundle.documents["sheets"]:
        have.setdefault((one["application"], one["stage"]), set()).add(one["person"])
    moved = {key_of(one) for one in bundle.events.all("scoring", "panel.changed")}
    for one in bundle.documents["consensus"]:
        panel = next(panel for panel in bundle.documents["panels"] if panel["panel"] == one["panel"])
        for person in panel["members"]:
            key = (one["application"], one["stage"])
            scored = person in have.get(key, ()) or panel["panel"] in moved
            excused = recused[person, codes.get(one["application"])] > 0 or bundle.public
            where = f"consensus/{key[0]} {key[1]}"
            bundle.report.check("members of panels", scored or excused, "omitted", where, f"no sheet of {person}, and no recusal")


def fallen_before(bundle: Bundle, index: int) -> set[str]:
    """Name the applications that dropped out before a place in the workflow's record."""
    changed = [
        one for one in bundle.events.all("workflow", "application.stage_changed", "application.disqualified") if one["index"] < index
    ]
    return {key_of(one) for one in changed if one["kind"] == "application.disqualified" or one["facts"]["stage"] in FELL}


def decision_on_tie(bundle: Bundle, among: str, motion: str | None = None) -> set[str]:
    """Give those whom a passed motion on a major matter chose among the exactly tied."""
    chosen: set[str] = set()
    passed = {one["motion"] for one in bundle.documents["motions"] if one["outcome"] == "passed"}
    for one in bundle.events.about("workflow", bundle.cycle, "motion.proposed"):
        tie = one["facts"].get("tie") or {}
        if key_of(one) in passed and tie.get("among") == among and (motion is None or tie.get("motion") == motion):
            chosen |= set(tie["applications"])
    return chosen


def shortlist(bundle: Bundle) -> None:
    """Recompute who goes on to site review: the best of the recommended up to the cap, a tie by 3.2.5, then by motion; never one more."""
    given = bundle.documents["shortlist"]
    event = bundle.last("workflow", "shortlist.confirmed")
    if given is None or event is None:
        return
    cap, preferred = (
        parameters(bundle)["site_review_cap"],
        {one["application"]: one["preferred"] for one in bundle.documents["applications"]},
    )
    scores = {name: Score(one["numerator"], one["denominator"]) for name, (one, _) in newest(bundle, "material", event).items()}
    gone = fallen_before(bundle, event["index"]) | {key_of(one) for one in bundle.events.all("intake", "application.withdrawn")}
    for name in sorted(preferred.keys() - scores.keys() - gone):
        bundle.report.check("eligible", bundle.public, "omitted", f"application {name}", "eligible, and no result of the material review")
    recommended = {
        name
        for one in bundle.documents["reports"]
        if one["stage"] == "material"
        for name in one["recommended"]
        if name in scores and (name not in gone or name in given["applications"])
    }
    ranked = sorted(recommended, key=lambda name: scores[name], reverse=True)
    computed, broken_by = set(ranked), None
    if len(ranked) > cap:
        last = scores[ranked[cap - 1]]
        ahead = [name for name in ranked if scores[name] > last]
        tied = [name for name in ranked if scores[name] == last]
        places = cap - len(ahead)
        first = [name for name in tied if preferred[name]]
        computed = {*ahead, *tied}
        if len(tied) > places:
            computed, broken_by = {*ahead, *first}, "3.2.5"
            if len(first) != places:
                open_ = set(first) if len(first) > places else set(tied) - set(first)
                chosen = decision_on_tie(bundle, "shortlist") & open_
                computed, broken_by = {*ahead, *(set(first) - open_), *chosen}, "motion"
    listed = given["applications"]
    where = "shortlist"
    bundle.report.check("shortlist", len(set(listed)) == len(listed) <= cap, "number", where, "more than the cap, or a name twice")
    bundle.report.check("shortlist", given["tie_broken_by"] == broken_by, "number", f"{where}/tie_broken_by", f"it is {broken_by}")
    if given["reasons"] is None:
        bundle.report.not_shown.append("shortlist: the office's reasons for its departures")
    for name in sorted(computed ^ set(listed)):
        explained = given["reasons"] is None or bool(given["reasons"].get(name, "").strip())
        bundle.report.check("shortlist", explained, "number", f"{where}/{name}", "differs from the computed list without a reason")


def evaluation(bundle: Bundle) -> None:
    """Recompute each total of the shortlisted by the rules' weights, and who is a candidate for which award."""
    given, event = bundle.documents["evaluation"], bundle.last("workflow", "evaluation.computed")
    if given is None or event is None:
        return
    material, site = (newest(bundle, stage, event) for stage in ("material", "site"))
    weights = rules(bundle)["material_weight"], rules(bundle)["site_weight"]
    totals: dict[str, Score] = {}
    gone = fallen_before(bundle, event["index"]) | {key_of(one) for one in bundle.events.all("intake", "application.withdrawn")}
    for name in bundle.documents["shortlist"]["applications"]:
        if name in given["totals"]:
            both = (Score(one[name][0]["numerator"], one[name][0]["denominator"]) for one in (material, site))
            totals[name] = sum((score * weight for score, weight in zip(both, weights, strict=True)), Score(0)) / sum(weights)
        else:
            bundle.report.check(
                "totals", name in gone or bundle.public, "omitted", f"evaluation/{name}", "shortlisted, and without a total"
            )
    for name in given["totals"].keys() - totals.keys():
        bundle.report.find("number", f"evaluation/{name}", "a total of a name that was not shortlisted")
    for name, score in totals.items():
        expected = {"numerator": score.numerator, "denominator": score.denominator, "points": shown(score)}
        stated = given["totals"][name]
        bundle.report.check("totals", stated == expected, "number", f"evaluation/totals/{name}", f"{stated}; it is {expected}")
    candidates(bundle, totals)


def candidates(bundle: Bundle, totals: Mapping[str, Score]) -> None:
    """Recompute who is a candidate for which award, and check each departure of the office from it."""
    given = bundle.documents["evaluation"]
    about = {one["application"]: one for one in bundle.documents["applications"]}
    terms = {award["key"]: award["minimum_points"] for award in parameters(bundle)["awards"]}
    found = {name: candidate_for(bundle, about[name], score) for name, score in totals.items()}
    computed = {award: {name for name in found if found[name] == award} for award in terms}
    stated = {award: set(names) for award, names in given["candidates"].items()}
    bundle.report.check("candidates", stated == computed, "number", "evaluation/candidates", f"they are {computed}"[:200])
    for award, names in (given["confirmed"] or {}).items():
        for name in sorted(set(names) ^ computed[award]):
            explained = bool((given["reasons"] or {}).get(name, "").strip())
            bundle.report.check("candidates", explained, "number", f"evaluation/confirmed/{name}", "departs from the computed, no reason")
        for name in names:
            enough = name in totals and totals[name] >= terms[award] * 20
            where = f"evaluation/confirmed/{name}"
            bundle.report.check("minimum scores", enough, "number", where, f"below the {terms[award]} points of {award}")


def candidate_for(bundle: Bundle, application: Mapping[str, Any], score: Score) -> str | None:
    """Give the highest award that an application seeks and reaches; a lower one only where it opted to fall back and the rules let it."""
    sought = [award for award in parameters(bundle)["awards"] if award["key"] in application["awards"]]
    falls_back = application["fallback"] and rules(bundle)["fallback_between_awards"]
    for award in sought if falls_back else sought[:1]:
        if score >= award["minimum_points"] * 20:
            return str(award["key"])
    return None


def needed(share: Mapping[str, Any], whole: int) -> int:
    """Count the fewest that make a share of a whole, never none."""
    part = Fraction(share["numerator"] * whole, share["denominator"])
    least = part.numerator // part.denominator
    if share["more_than"] or least < part:
        least += 1
    return max(1, least)


def votes(bundle: Bundle) -> None:
    """Count every ballot anew: who could vote, who did, the quorum and the majority by the rules it was opened under."""
    approved = bundle.last("workflow", "rules.approved")
    opened = {key_of(one): one for one in bundle.events.all("workflow", "motion.opened")}
    closed = {key_of(one): one["facts"] for one in bundle.events.all("workflow", "motion.closed")}
    voters: dict[str, set[str]] = {}
    for one in bundle.events.all("workflow", "motion.voted"):
        voters.setdefault(one["facts"]["ballot"], set()).add(one["actor"])
    for motion in bundle.documents["motions"]:
        if motion["motion"] not in opened or motion["motion"] not in closed:
            bundle.unsupported(f"motions/{motion['motion']}", "motion.opened or motion.closed")
            continue
        by_rules = approved is not None and approved["index"] < opened[motion["motion"]]["index"]
        cast = {one["ballot"]: one["votes"] for one in closed[motion["motion"]]["ballots"]}
        outcomes = []
        for ballot in motion["ballots"]:
            where = f"motions/{motion['motion']}/{ballot['ballot']}"
            choices = cast[ballot["ballot"]] if motion["secret"] else list(ballot["votes"].values())
            voted = voters.get(ballot["ballot"], set())
            bundle.report.check("votes", len(choices) == len(voted), "votes", where, f"{len(choices)} choices of {len(voted)} who voted")
            named = set() if motion["secret"] else set(ballot["votes"])
            bundle.report.check("votes", motion["secret"] or named == voted, "votes", where, "others voted than the record says")
            barred = voted - set(motion["roll"]) | (voted & set(ballot["recused"] or ()))
            bundle.report.check("voters", not barred, "votes", where, f"without a vote: {sorted(barred)}"[:120])
            recused = ballot["tally"]["recused"] if ballot["recused"] is None else len(ballot["recused"])
            tally = count(bundle, len(motion["roll"]), recused, choices, by_rules=by_rules)
            bundle.report.check("tallies", ballot["tally"] == tally, "votes", f"{where}/tally", f"{ballot['tally']}; it is {tally}"[:240])
            outcomes.append(tally["outcome"])
        outcome = next((one for one in ("passed", "rejected") if one in outcomes), "no_quorum")
        bundle.report.check("motions", motion["outcome"] == outcome, "votes", f"motions/{motion['motion']}", f"its outcome is {outcome}")


def count(bundle: Bundle, roster: int, recused: int, choices: list[str], *, by_rules: bool) -> dict[str, Any]:
    """Count one ballot."""
    yes, no, abstain = (choices.count(choice) for choice in ("yes", "no", "abstain"))
    voting = rules(bundle)["voting"]
    if by_rules:
        left_out = recused if voting["members_recused"] else 0
        quorum, majority, of = needed(voting["quorum"], roster - left_out), voting["majority"], voting["majority_of"]
    else:
        numerator, denominator = parameters(bundle)["adoption_majority"]
        majority, of, left_out = {"numerator": numerator, "denominator": denominator, "more_than": True}, "roster", 0
        quorum = needed(majority, roster)
    present = yes + no + abstain
    base = present if of == "present" else roster - left_out
    least = needed(majority, base)
    outcome = "no_quorum" if present < quorum else "passed" if yes >= least else "rejected"
    return {
        "roster": roster, "recused": left_out, "yes": yes, "no": no, "abstain": abstain, "quorum": quorum, "base": base, "majority": least,
        "outcome": outcome,
    }  # fmt: skip


def winners(bundle: Bundle) -> None:
    """Recompute who won a seat: passed, then most votes, then the rules' chain; each notice names exactly the winners not yet named."""
    caps = {award["key"]: award["cap"] for award in parameters(bundle)["awards"]}
    chain = rules(bundle)["tie_chain"]
    totals = {
        name: Score(one["numerator"], one["denominator"])
        for name, one in ((bundle.documents["evaluation"] or {}).get("totals") or {}).items()
    }
    preferred = {one["application"]: one["preferred"] for one in bundle.documents["applications"]}
    motions = {one["motion"]: one for one in bundle.documents["motions"]}
    won: dict[str, str] = {}
    waiting: set[str] = set()
    withdrawn = {key_of(one) for one in bundle.events.all("intake", "application.withdrawn")}

    def merit(ballot: Mapping[str, Any]) -> tuple[Any, ...]:
        name = ballot["application"]
        return (ballot["tally"]["yes"], *(totals[name] if link == "score" else preferred[name] for link in chain))

    kinds = ("motion.closed", "application.stage_changed", "application.disqualified", "notice.published")
    for event in bundle.events.all("workflow", *kinds):
        key = key_of(event)
        if event["kind"] == "motion.closed" and key in motions and motions[key]["kind"] in NAMING:
            for award, cap in caps.items():
                passed = [one for one in motions[key]["ballots"] if one["award"] == award and one["tally"]["outcome"] == "passed"]
                seats = cap - sum(held == award for held in won.values())
                order = sorted(passed, key=merit, reverse=True)
                taken = order[:seats]
                if 0 < seats < len(order) and merit(order[seats - 1]) == merit(order[seats]):
                    at = merit(order[seats])
                    chosen = decision_on_tie(bundle, "winners", key)
                    taken = [one for one in order if merit(one) > at or (merit(one) == at and one["application"] in chosen)]
                won |= {one["application"]: award for one in taken}
                waiting |= {one["application"] for one in taken}
        elif event["kind"] == "notice.published" and event["facts"].get("cycle") == bundle.cycle:
            named = set(event["facts"]["names"])
            bundle.report.check(
                "winners",
                named == waiting - withdrawn or named == waiting,
                "number",
                f"notices/{key}",
                f"the winners are {sorted(waiting)}"[:240],
            )
            waiting = set()
        elif event["kind"] == "application.disqualified" or event["facts"].get("stage") in FELL:
            won.pop(key, None)
            waiting.discard(key)
    for award, cap in caps.items():
        bundle.report.check("caps", sum(held == award for held in won.values()) <= cap, "number", f"winners of {award}", f"more than {cap}")
    given = {one["application"]: one["award"] for one in bundle.documents["awards"]}
    if given:
        standing = {name: award for name, award in won.items() if name not in withdrawn or name in given}
        bundle.report.check("winners", given == standing, "number", "awards", f"not the winners of the votes: {sorted(standing)}"[:240])


def approval(bundle: Bundle) -> None:
    """Check that the approval came after the last standing notice's end and after every objection to a notice was settled."""
    approved = [
        one for one in bundle.events.about("workflow", bundle.cycle, "cycle.phase_changed") if one["facts"].get("action") == "approve"
    ]
    if not approved:
        return
    at, index = instant(approved[-1]["at"]), approved[-1]["index"]
    named = {one["application"] for one in bundle.documents["awards"]}
    for notice in bundle.documents["notices"]:
        over = instant(notice["ends_at"]) <= at or not named & set(notice["names"])
        bundle.report.check("notices over", over, "order", f"notices/{notice['notice']}", "approved before its end")
    settled = {key_of(one): one["index"] for one in bundle.events.all("workflow", "objection.ruled", "objection.dismissed")}
    received = {key_of(one): one["index"] for one in bundle.events.all("workflow", "objection.received")}
    for objection in bundle.documents["objections"]:
        key = objection["objection"]
        if objection["notice"] is None or received.get(key, index) >= index:
            continue
        done = settled.get(key, index) < index or (bundle.public and objection["removed"] is None)
        bundle.report.check("objections settled", done, "order", f"objections/{key}", "approved before it was settled")
        if objection["removed"] is not None:
            passed = any(one["motion"] == objection["motion"] and one["outcome"] == "passed" for one in bundle.documents["motions"])
            bundle.report.check("rulings", passed or bundle.partial, "votes", f"objections/{key}", "no passed motion ruled so")


def prizes(bundle: Bundle) -> None:
    """Recompute every prize from the organisation's earlier awards, and check that no more was paid."""
    terms = {award["key"]: award for award in parameters(bundle)["awards"]}
    for award in bundle.documents["awards"]:
        held = {one["award"] for one in award["earlier"] if not one["revoked"]}
        own = terms[award["award"]]
        prize = min([own["prize"], *(amount for before, amount in own["prize_after"].items() if before in held)])
        where = f"awards/{award['id']}"
        bundle.report.check("prizes", award["prize"] == prize, "number", f"{where}/prize", f"{award['prize']}; it is {prize}")
        bundle.report.check("payments", 0 <= award["paid"] <= prize, "number", f"{where}/paid", "more than the prize")
