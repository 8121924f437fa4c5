"""Third act: panels score alone, agree, report; eight go on to the sites; the totals are worked out."""

from collections.abc import Mapping, Sequence
from typing import Any

from embedded.demo.applying import ELIGIBLE, applicant
from embedded.demo.cast import COMMITTEE, ORGANISATIONS, SUPERVISORS
from embedded.demo.ratings import MATERIAL, SITE, agreed, consensus, independent, sheet, twentieths
from embedded.demo.scenario import Panel
from embedded.demo.stage import Person
from embedded.demo.year import Scene, Year

RECUSED = ("dipper", 3)
"""The application from which one member of its panel is recused while the review runs."""
ODD_ITEM = "4.1.4"
"""The item on which one member of the first panel lies far below the others."""


def member(year: Year, number: int) -> Person:
    """Give a reviewer by number."""
    return year.reviewers[number - 1]


def leader(year: Year, panel: Panel) -> Person:
    """Give a panel's leader."""
    return member(year, panel.members[0])


def own_rating(year: Year, panel: Panel, number: int, key: str, points: Mapping[str, str]) -> dict[str, int]:
    """Rate an application as a member does, alone."""
    rated = agreed(points[key], year.items)
    own = independent(rated, panel.members.index(number))
    if (key, number) == ("bamboo", 2) and points is MATERIAL:
        own[ODD_ITEM] = rated[ODD_ITEM] - year.scenario.rules["spread_percent"] - 5
    return own


def swear(year: Year) -> None:
    """Have reviewers, committee and supervisors promise secrecy, but for two who come to it later."""
    year.stage.at("2026-04-21T09:00:00+08:00")
    rubric = year.office.expect("GET", f"/rubrics/{year.office.expect('GET', year.here)['rubric']}")
    year.items = {item["id"]: item["points"] for item in rubric["items"]}
    people = [*year.reviewers, *year.voters, *(year.people[login] for login in SUPERVISORS)]
    late = {member(year, 5).id, year.people["member-four"].id}
    willing = [person for person in people if person.id not in late]
    year.stage.together(lambda person: person.expect("POST", "/me/undertakings", {"cycle": year.cycle}), willing)
    interest = {"credit_code": ORGANISATIONS["redpine"].code, "kind": "advice", "reason": "2024年为其提供质量管理咨询。"}
    member(year, 12).expect("PUT", "/me/interests", {"interests": [interest]})


def form_panels(year: Year) -> None:
    """Form panels of four, connected by the reviewers they share."""
    office = year.office

    def body(panel: Panel, members: Sequence[int], applications: Sequence[str]) -> dict[str, object]:
        ids = [member(year, number).id for number in members]
        reviewed = [year.applications[key] for key in applications]
        return {"cycle": year.cycle, "name": panel.name, "leader": ids[0], "members": ids, "applications": reviewed}

    first, third = year.scenario.panels[0], year.scenario.panels[2]
    office.refused("2.0", "a panel of two", "POST", "/panels", body(first, (1, 2), first.applications), code="panel_too_small")
    office.refused(
        "2.0",
        "a leader who may not lead",
        "POST",
        "/panels",
        body(first, (11, *first.members[1:]), first.applications),
        code="panel_leader_unqualified",
    )
    with_recused = body(third, (7, 8, 9, 12), third.applications)
    office.refused("2.4.5", "a recused reviewer put on a panel", "POST", "/panels", with_recused, code="recused")
    office.refused("5.3.2", "a panel for whoever was screened out", "POST", "/panels", body(first, first.members, ("tornsilk",)))
    for panel in year.scenario.panels:
        formed = office.expect("POST", "/panels", body(panel, panel.members, panel.applications))
        year.panels[panel.name] = formed["id"]
        year.stage.check(f"{panel.name}'s members", len(formed["members"]), len(panel.members))


def keep_out(year: Year) -> None:
    """Find nothing as one who has not promised secrecy, is recused, or sits on another panel."""
    first, second, third = (year.panels[panel.name] for panel in year.scenario.panels[:3])
    late = member(year, 5)
    late.refused("7.6", "access before the confidentiality undertaking", "GET", f"/panels/{second}", code="undertaking_missing")
    late.absent(year.path("egret"))
    late.expect("POST", "/me/undertakings", {"cycle": year.cycle})
    late.expect("GET", f"/panels/{second}")
    recused, unassigned = member(year, 3), member(year, 6)
    seen = recused.expect("GET", f"{year.path('dipper')}/sections/overview")
    year.stage.check("an assigned reviewer reads the dossier", seen["content"]["employees"], 120)
    recusal = {"person": recused.id, "application": year.applications["dipper"], "reason": "配偶新近入职该企业。"}
    recused.expect("POST", f"/panels/{first}/recusals", recusal)
    for person, key, panel in ((recused, "dipper", first), (unassigned, "redpine", third)):
        person.absent(year.path(key))
        person.absent(f"{year.path(key)}/sections/overview")
        person.absent(f"{year.path(key)}/attachments")
        person.absent(f"/panels/{panel}/applications/{year.applications[key]}/sheets")
        person.absent(f"/panels/{panel}/applications/{year.applications[key]}/consensus")
    unassigned.absent(f"/panels/{third}")
    for person in (recused, unassigned):
        mine = {one["application"] for one in person.every("/sheets")}
        hidden = {year.applications["dipper"], year.applications["redpine"]}
        year.stage.check(f"{person.login}'s list of sheets", mine & hidden, set())
    applicant(year, "bamboo").forbidden(f"/panels/{first}")


def seal(year: Year, person: Person, rate: Mapping[str, Mapping[str, int]]) -> None:
    """Fill in and seal a reviewer's drafts of these applications (id → item → percent)."""
    for one in person.every("/sheets"):
        if one["state"] == "draft" and one["application"] in rate:
            kept = person.expect("PUT", f"/sheets/{one['id']}/items", sheet(rate[one["application"]]), version=one["version"])
            sealed = person.expect("POST", f"/sheets/{one['id']}/submission")
            year.stage.check("a sealed sheet's total", sealed["total"], kept["total"])


def drafts(year: Year, points: Mapping[str, str]) -> dict[int, dict[str, dict[str, int]]]:
    """Give what every reviewer rates every application that is scored, by reviewer's number."""
    given: dict[int, dict[str, dict[str, int]]] = {}
    for panel in year.scenario.panels:
        for key in (key for key in panel.applications if key in points):
            for number in panel.members:
                given.setdefault(number, {})[year.applications[key]] = own_rating(year, panel, number, key, points)
    return given


def rate_one_by_one(year: Year, rated: Mapping[str, int]) -> None:
    """Fill in one sheet item by item; what the standard doesn't know is refused."""
    person, wanted = member(year, 2), year.applications["bamboo"]
    one = next(one for one in person.every("/sheets") if one["application"] == wanted)
    path, version = f"/sheets/{one['id']}", one["version"]
    items = sheet(rated)["items"]
    first = next(iter(items))
    uneven = items[first] | {"percent": 63}
    person.refused("4.1", "a rating of 63 per cent", "PUT", f"{path}/items/{first}", uneven, code="rating", version=version)
    for item, rating in items.items():
        if item == ODD_ITEM:
            person.refused("4.1", "a sheet with an unrated item", "POST", f"{path}/submission", code="ratings_missing")
        version = person.expect("PUT", f"{path}/items/{item}", rating, version=version)["version"]
    sealed = person.expect("POST", f"{path}/submission")
    year.stage.check("one commitment", (sealed["state"], len(sealed["commitment"])), ("sealed", 64))
    panel = year.panels[year.scenario.panels[0].name]
    for onlooker in (leader(year, year.scenario.panels[0]), year.people[SUPERVISORS[0]]):  # nobody peeks at a sealed sheet
        onlooker.absent(f"/panels/{panel}/applications/{wanted}/sheets")
        onlooker.absent(f"/panels/{panel}/applications/{wanted}/consensus")
    leader(year, year.scenario.panels[0]).absent(path)
    year.office.forbidden(path)
    year.office.forbidden(f"/panels/{panel}/applications/{wanted}/sheets")
    person.refused(
        "2.3.1", "a sealed sheet rated anew", "PUT", f"{path}/items/{first}", items[first], code="wrong_state", version=sealed["version"]
    )


def score_alone(year: Year) -> None:
    """Score alone, reviewer by reviewer; the last sheet in opens them all."""
    year.stage.at("2026-05-06T09:00:00+08:00")
    given = drafts(year, MATERIAL)
    rate_one_by_one(year, given[2][year.applications["bamboo"]])
    year.stage.together(lambda number: seal(year, member(year, number), given[number]), given)
    panel = year.panels[year.scenario.panels[0].name]
    opened = leader(year, year.scenario.panels[0]).expect("GET", f"/panels/{panel}/applications/{year.applications['bamboo']}/sheets")
    year.stage.check("opened sheets", len(opened["sheets"]), len(year.scenario.panels[0].members))
    without = leader(year, year.scenario.panels[0]).expect("GET", f"/panels/{panel}/applications/{year.applications['dipper']}/sheets")
    left_out = [(one["person"], one["why"]) for one in without["not_counted"]]
    year.stage.check("the recused member's sheet is named", left_out, [(member(year, 3).id, "recused")])


def agree_on(year: Year, panel: Panel, key: str, points: str, dissenter: int | None = None) -> None:
    """Put an application's consensus sheet, and sign it."""
    path = f"/panels/{year.panels[panel.name]}/applications/{year.applications[key]}/consensus"
    rated = agreed(points, year.items)
    version = leader(year, panel).expect("GET", path)["version"]
    far = [ODD_ITEM] if key == "bamboo" and points == MATERIAL[key] else []
    if far:
        leader(year, panel).refused(
            "2.1.1", "a consensus far from a member's rating, unexplained", "PUT", path, consensus(rated), version=version
        )
    put = leader(year, panel).expect("PUT", path, consensus(rated, far), version=version)
    year.stage.check(f"{key}'s consensus", put["total"], {"twentieths": twentieths(points), "points": points})
    signers = [number for number in panel.members if (key, number) != RECUSED]
    for number in signers:
        stance: dict[str, str] = {"stance": "agree"}
        if number == dissenter:
            stance = {"stance": "dissent"}
            member(year, number).refused(
                "2.3.1",
                "a dissent without reasons",
                "POST",
                f"{path}/signatures",
                stance,
                code="dissent_without_reasons",
                version=put["version"],
            )
            stance["reason"] = "4.7.3的趋势数据只有两年，本人认为应再低一档。"
        member(year, number).expect("POST", f"{path}/signatures", stance, version=put["version"])


def report(year: Year, panel: Panel, points: Mapping[str, str], recommended: Sequence[str]) -> None:
    """Submit a panel's report of the running stage; its results are exact."""
    words = {"text": f"{panel.name}评审报告（虚构）。", "recommended": [year.applications[key] for key in recommended]}
    made = leader(year, panel).expect("POST", f"/panels/{year.panels[panel.name]}/report", words)
    found = {year.key_of(one["application"]): (one["numerator"], one["denominator"], one["points"]) for one in made["results"]}
    wanted = {key: (twentieths(points[key]), 1, points[key]) for key in panel.applications if key in points}
    year.stage.check(f"{panel.name}'s results", found, wanted)
    path, stance = f"/panels/{year.panels[panel.name]}/report/signatures", {"report": made["id"], "stance": "agree"}
    signed = [member(year, number).expect("POST", path, stance) for number in panel.members[1:]]
    year.stage.check(
        f"{panel.name}'s report goes out with the last signature", [one["sent_at"] is None for one in signed][-2:], [True, False]
    )


def agree(year: Year) -> None:
    """Agree and sign, panel by panel; one member dissents in writing."""
    year.stage.at("2026-05-20T09:00:00+08:00")
    first = year.scenario.panels[0]
    path = f"/panels/{year.panels[first.name]}/report"
    words = {"text": "第一评审组评审报告（虚构）。", "recommended": [year.applications["bamboo"]]}
    leader(year, first).refused("4.2", "a report without a consensus", "POST", path, words, code="consensus_missing")

    def settle(panel: Panel) -> None:
        for key in panel.applications:
            agree_on(year, panel, key, MATERIAL[key], dissenter=6 if key == "tundra" else None)

    year.stage.together(settle, year.scenario.panels)
    elsewhere = words | {"recommended": [year.applications["egret"]]}
    leader(year, first).refused(
        "2.3.1", "recommending what another panel reviewed", "POST", path, elsewhere, code="recommended_not_reviewed"
    )


def list_eight(year: Year) -> None:
    """Report, panel by panel; eight go on, and a tie across the eighth place is broken by 3.2.5."""
    year.stage.at("2026-06-01T09:00:00+08:00")
    office, path = year.office, f"{year.here}/shortlist"

    def reports(panel: Panel) -> None:
        strong = [key for key in panel.applications if twentieths(MATERIAL[key]) >= twentieths("600.00")]
        report(year, panel, MATERIAL, strong)

    year.stage.together(reports, year.scenario.panels[:3])
    office.refused("2.3.3", "a shortlist before every panel's report", "POST", path, {}, code="panel_report_missing")
    reports(year.scenario.panels[3])
    finding = {"cycle": year.cycle, "text": "请说明第一评审组的合议记录。", "holds": "confirm_shortlist"}
    held = year.people[SUPERVISORS[0]].expect("POST", "/findings", finding)["id"]
    office.refused("7.1", "a step that a finding holds", "POST", path, {}, code="finding_unanswered")
    office.expect("POST", f"/findings/{held}/answer", {"answer": "合议记录已补充说明。"})
    nine = {"applications": [year.applications[key] for key in (*SITE, "tundra")]}
    office.refused("5.3.2", "a ninth for site review", "POST", path, nine, code="shortlist_cap")
    swapped = {"applications": [year.applications[key] for key in (*SITE, "tundra") if key != "windbell"]}
    office.refused("5.3.2", "a departure from the computed list without a reason", "POST", path, swapped, code="departure_unexplained")
    confirmed = office.expect("POST", path, {})
    year.stage.check("the shortlist", {year.key_of(one) for one in confirmed["applications"]}, set(SITE))
    year.stage.check("the tie is broken", confirmed["tie_broken_by"], "3.2.5")
    material = {year.key_of(one["application"]): (one["score"]["numerator"], one["score"]["denominator"]) for one in confirmed["standings"]}
    year.stage.check("material scores", material, {key: (twentieths(points), 1) for key, points in MATERIAL.items()})
    for key in ELIGIBLE:
        if key not in SITE:
            year.stop(key, "material review", "5.3.2")


def visit(year: Year) -> None:
    """Plan the sites first, then score, agree and report."""
    year.stage.at("2026-06-15T09:00:00+08:00")
    visited = {panel: [key for key in panel.applications if key in SITE] for panel in year.scenario.panels}

    def plan(panel: Panel) -> None:
        path = f"/panels/{year.panels[panel.name]}"
        visits = [
            {"application": year.applications[key], "on": "2026-06-16", "programme": "首次会议、现场查看、末次会议"}
            for key in visited[panel]
        ]
        version = leader(year, panel).expect("GET", path)["version"]
        leader(year, panel).expect("PUT", f"{path}/site-plan", {"visits": visits}, version=version)

    given = drafts(year, SITE)
    for panel in year.scenario.panels[1:]:
        plan(panel)
    person, bamboo = member(year, 2), year.applications["bamboo"]
    one = next(one for one in person.every("/sheets") if one["application"] == bamboo and one["stage"] == "site")
    person.refused(
        "2.3.2",
        "site scores before the site plan",
        "PUT",
        f"/sheets/{one['id']}/items",
        sheet(given[2][bamboo]),
        code="site_plan_missing",
        version=one["version"],
    )
    plan(year.scenario.panels[0])
    year.stage.together(lambda number: seal(year, member(year, number), given[number]), given)

    def settle(panel: Panel) -> None:
        for key in visited[panel]:
            agree_on(year, panel, key, SITE[key])

    year.stage.together(settle, year.scenario.panels)
    year.stage.together(lambda panel: report(year, panel, SITE, ()), year.scenario.panels[:3])
    ending, body = ("defences", defences(year)) if year.scenario.defences else ("evaluation", {})
    what = "the site review ended before every report"
    year.office.refused("5.3.3", what, "POST", f"{year.here}/{ending}", body, code="panel_report_missing")
    report(year, year.scenario.panels[3], SITE, ())


def defences(year: Year) -> dict[str, Any]:
    """Give the record of the oral defences."""
    record = [{"application": year.applications[key], "record": "就战略与结果的关系作了说明。"} for key in SITE]
    return {"held_on": "2026-06-25", "place": "区政府二号会议室", "heard": record}


def hear(year: Year) -> None:
    """Hear the oral defences, where the edition has them: the evaluation waits for them, and nobody is left out of the record."""
    path = f"{year.here}/defences"
    if not year.scenario.defences:
        year.office.absent(path)
        return
    year.stage.at("2026-06-25T09:00:00+08:00")
    year.office.refused("5.4.1", "an evaluation before the oral defences", "POST", f"{year.here}/evaluation", {}, code="wrong_state")
    held = defences(year)
    year.office.refused("5.4.1", "a defence left out", "POST", path, held | {"heard": held["heard"][1:]}, code="defence_missing")
    heard = year.office.expect("POST", path, held)
    year.stage.check("all are heard", len(heard["heard"]), len(SITE))


def evaluate(year: Year) -> None:
    """Work the totals out exactly: who reaches the minimum is a candidate, who misses it by a fraction falls back or is out."""
    year.stage.at("2026-07-01T09:00:00+08:00")
    office, stage = year.office, year.stage
    found = office.expect("POST", f"{year.here}/evaluation", {})
    totals = {year.key_of(one["application"]): one["total"] for one in found["applications"]}
    wanted = {key: dict(zip(("numerator", "denominator", "points"), total, strict=True)) for key, total in year.scenario.totals.items()}
    stage.check("exact totals", totals, wanted)
    year.result["scores"] = {key: {name: total[name] for name in ("numerator", "denominator")} for key, total in totals.items()}
    expected = year.scenario.candidates()
    candidates = {award: {year.key_of(one) for one in applications} for award, applications in found["candidates"].items()}
    stage.check("candidates", candidates, expected)
    winners = {
        "kind": "winners",
        "title": "审议拟获奖组织名单",
        "names": [{"application": year.applications["bamboo"], "award": "quality"}],
    }
    office.refused("2.2.3", "a winners' motion before the evaluation is reported", "POST", f"{year.here}/motions", winners)
    confirmation = f"{year.here}/evaluation/confirmation"
    too_low: list[dict[str, Any]] = [
        {"award": award, "applications": [year.applications[key] for key in keys]} for award, keys in expected.items()
    ]
    key, sought = year.scenario.too_low
    next(one for one in too_low if one["award"] == sought)["applications"].append(year.applications[key])
    reasons = [{"application": year.applications[key], "reason": "差距甚微。"}]
    office.refused(
        "4.2",
        "a candidate below the award's minimum",
        "POST",
        confirmation,
        {"candidates": too_low, "reasons": reasons},
        code="below_minimum",
    )
    office.expect("POST", confirmation, {})
    for key in year.scenario.evaluated_out:
        year.stop(key, "evaluation", "4.2")
    stage.check("the phase", office.expect("GET", year.here)["phase"], "deliberation")
    stage.check(
        "the committee reads it", len(year.people[COMMITTEE[0].key].expect("GET", f"{year.here}/evaluation")["applications"]), len(SITE)
    )


SCENES: tuple[Scene, ...] = (
    ("Secrecy is promised, interests are declared", swear),
    ("Panels are formed", form_panels),
    ("Whoever must see nothing sees nothing", keep_out),
    ("Sheets are scored and sealed", score_alone),
    ("The panels agree", agree),
    ("Eight go on to the sites", list_eight),
    ("The sites are visited", visit),
    ("Defences are heard, where there are any", hear),
    ("The totals are worked out", evaluate),
)
