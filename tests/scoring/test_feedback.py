"""From the site plan to the applicant's feedback: what the panel plans, reports, and says once the results are published."""

from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regulation import edition, rubric
from regulation.score import aggregate, sheet_twentieths
from tests.rig import Award
from tests.scoring.year import RUBRIC, Year, is_absent, rating, refusal

TEAM = ("leader", "second", "third")
P = edition.load("jindong-2022").parameters(date(2026, 3, 1))
SHEETS = st.lists(st.lists(st.integers(0, 20), min_size=23, max_size=23), min_size=3, max_size=7)


@pytest.fixture(scope="module")
def year(award: Award) -> Year:
    award.at("2026-05-01T09:00:00+08:00")
    made = Year(award, 2026, aggregation="consensus")
    made.appoint(*TEAM, leaders=["leader"])
    made.undertake(*TEAM)
    made.office.post("/me/undertakings", json={"cycle": made.id})
    return made


@settings(max_examples=60, deadline=None)
@given(steps=SHEETS)
def test_a_panels_score_is_the_exact_fraction_of_its_sheets(steps: list[list[int]]) -> None:
    ratings = [{item.id: 5 * step for item, step in zip(RUBRIC.items, sheet, strict=True)} for sheet in steps]
    sheets = {f"s{place}": sheet_twentieths(one, RUBRIC) for place, one in enumerate(ratings)}
    exact = [sum(Fraction(item.points * one[item.id], 5) for item in RUBRIC.items) for one in ratings]
    assert [Fraction(total) for total in sheets.values()] == exact
    mean = aggregate("mean", sheets, {"gone": "recused"}, None, P)
    assert Fraction(mean.score.numerator, mean.score.denominator) == sum(exact) / len(exact)
    assert (set(mean.counted), mean.left_out) == (set(sheets), {"gone": "recused"})
    trimmed = aggregate("trimmed_mean", sheets, {}, None, P)
    kept = sorted(exact)[1:-1] if len(exact) >= P.trimmed_mean_sheets else exact
    assert Fraction(trimmed.score.numerator, trimmed.score.denominator) == sum(kept) / len(kept)
    assert set(trimmed.counted) | set(trimmed.dropped) == set(sheets)


def plan(year: Year, panel: str, **visit: object) -> Any:  # noqa: ANN401 - an answer
    leader = year.client("leader")
    tag = leader.get(f"/panels/{panel}").headers["etag"]
    return leader.put(f"/panels/{panel}/site-plan", json={"visits": [visit]}, headers={"If-Match": tag})


def test_from_the_site_plan_to_the_feedback_that_only_publication_releases(year: Year) -> None:
    application, other = year.close_screening(2)
    panel = year.form(TEAM, [application, other])
    for one in (application, other):
        year.settle(TEAM, panel, one, 70)
    leader = year.client("leader")
    assert year.report(TEAM, panel, {"text": "材料", "recommended": [application]}).status_code == 201
    year.tell("workflow", "shortlist.confirmed", cycle=year.id, applications=[application])

    visit = {
        "application": application,
        "on": "2026-07-06",
        "until": "2026-07-07",
        "programme": "首次会议、现场查看、末次会议",
        "team": [year.person(name) for name in TEAM],
        "items_to_verify": [{"item": "4.7.2", "question": "合格率数据的来源"}],
        "documents": ["质量月报"],
    }
    assert plan(year, panel, **visit | {"until": "2026-07-05"}).status_code == 422
    assert refusal(plan(year, panel, **visit | {"team": ["stranger"]})) == (409, "not_a_member", None)
    unknown = [{"item": "9.9", "question": "？"}]
    assert refusal(plan(year, panel, **visit | {"items_to_verify": unknown})) == (409, "rubric_item_unknown", "4.1")
    assert plan(year, panel, **visit).json()["site_plan"] == [visit]

    for name in TEAM:
        year.hand_in(name, application, 65, "site")
    where = f"/panels/{panel}/applications/{application}/consensus"
    items = {item.id: {"percent": 65, "strengths": f"{item.id}的优势"} for item in RUBRIC.items}
    assert leader.put(where, json={"items": items}, headers={"If-Match": leader.get(where).headers["etag"]}).status_code == 200
    for name in TEAM:
        assert year.sign(name, panel, application).status_code == 201
    finding = {"application": application, "text": "与材料一致", "verified": [{"item": "4.7.2", "finding": "属实"}]}
    stranger = {"text": "现场", "recommended": [], "findings": [finding | {"application": other}]}
    assert refusal(leader.post(f"/panels/{panel}/report", json=stranger)) == (409, "recommended_not_reviewed", "2.3.1")
    made = year.report(TEAM, panel, {"text": "现场", "recommended": [], "findings": [finding]}).json()
    assert (made["stage"], made["findings"]) == ("site", [finding])
    [result] = leader.get(f"/panels/{panel}/results").json()["items"]
    assert (result["numerator"], result["denominator"], result["points"], result["equal"]) == (13000, 1, "650.00", True)
    assert (result["rubric"], result["rules_hash"], result["aggregation"]) == (RUBRIC.id, "0" * 64, "consensus")
    assert {one["points"] for one in leader.get(f"/panels/{panel}/results", params={"stage": "material"}).json()["items"]} == {"700.00"}

    applicant = year.award.client("applicant", org=year.codes[application])
    path = f"/applications/{application}/feedback"
    for phase in ("evaluation", "deliberation", "public_notice", "approval"):
        year.tell("workflow", "cycle.phase_changed", cycle=year.id, phase=phase, action="x")
        assert refusal(applicant.get(path)) == (409, "feedback_not_released", None)
    year.tell("workflow", "cycle.phase_changed", cycle=year.id, phase="published", action="publish")
    feedback = applicant.get(path).json()
    assert [one["category"] for one in feedback["categories"]] == [category.id for category in RUBRIC.categories]
    assert {(one["band"]["low"], one["band"]["high"]) for one in feedback["categories"]} == {(50, 65)}
    assert feedback["categories"][0]["items"][0]["strengths"] == ["4.1.2的优势"]
    assert feedback["categories"][0]["items"][0]["opportunities"] == [rating(65)["opportunities"]]
    assert "percent" not in str(feedback)
    assert not any(year.person(name) in str(feedback) for name in TEAM)
    assert year.award.client("applicant", org=year.codes[other]).get(f"/applications/{other}/feedback").json()["stage"] == "material"
    assert is_absent(year.award.client("applicant", org=year.codes[other]).get(path))
    assert year.office.get(path).json() == feedback
    assert year.client("leader").get(path).status_code == 403
    year.tell("workflow", "cycle.closed", cycle=year.id)
    assert applicant.get(path).status_code == 200


def test_the_roster_keeps_proofs_and_a_history_that_outlives_the_cycle(award: Award) -> None:
    year = Year(award, 2028)
    year.appoint(*TEAM, leaders=["leader"])
    year.undertake("second")
    assert year.decisions("second") == ["您已列入评审员名册"]
    [application] = year.close_screening(1)
    panel = year.form(TEAM, [application])
    year.hand_in("second", application)
    year.tell("workflow", "cycle.closed", cycle=year.id)
    roster = year.office.get("/reviewers", params={"limit": 200}).json()["items"]
    [reviewer] = [one for one in roster if one["person"] == year.person("second")]
    assert reviewer["unproven"] == ["2.4.1", "2.4.2", "2.4.3", "2.4.4"]
    proof = {"clause": "2.4.2", "document": "学士学位证书", "on": "2008-06-20"}
    tag, where = {"If-Match": f'"{reviewer["version"]}"'}, f"/reviewers/{reviewer['id']}"
    assert refusal(year.office.patch(where, json={"categories": ["9.9"]}, headers=tag)) == (409, "category_unknown", None)
    changed = year.office.patch(where, json={"proofs": [proof], "categories": ["4.7"]}, headers=tag).json()
    assert (changed["proofs"], changed["unproven"], changed["categories"]) == ([proof], ["2.4.1", "2.4.3", "2.4.4"], ["4.7"])
    history = year.office.get(f"{where}/history").json()
    assert [(one["year"], one["panel"], one["led"], one["sheets"]) for one in history["service"]] == [(2028, panel, False, {"sealed": 1})]
    assert [one["year"] for one in history["undertakings"]] == [2028]
    interest = {"credit_code": year.codes[application], "kind": "kinship", "reason": "亲属任职"}
    assert year.office.put("/me/interests", json={"interests": [interest]}).status_code == 200
    assert [one["sheets"] for one in year.office.get(f"{where}/history").json()["service"]] == [{}]


def test_the_office_notes_how_a_reviewer_works_and_nobody_strikes_a_note(award: Award) -> None:
    year = Year(award, 2028)
    year.appoint(*TEAM, leaders=["leader"])
    [application] = year.close_screening(1)
    roster = {one["person"]: one["id"] for one in year.office.get("/reviewers", params={"limit": 200}).json()["items"]}
    where = f"/reviewers/{roster[year.person('second')]}/notes"
    note = {"cycle": year.id, "finding": "concern", "text": "现场评审迟到", "seen_on": "2026-03-01"}
    assert refusal(year.office.post(where, json=note)) == (409, "reviewer_not_seated", None)
    year.form(TEAM, [application])
    assert refusal(year.office.post(where, json=note | {"seen_on": "2199-01-01"})) == (409, "note_dated_ahead", None)
    made = year.office.post(where, json=note)
    assert (made.status_code, made.json()["finding"], made.json()["by"]) == (201, "concern", year.office_person)
    assert year.office.get(where).json()["items"] == year.supervisor.get(where).json()["items"] == [made.json()]
    assert year.supervisor.post(where, json=note).status_code == 403
    assert year.client("second").get(where).status_code == 403
    for method in ("PATCH", "PUT", "DELETE"):
        assert year.office.request(method, where).status_code == 405
    both = award.client("committee", year.person("second"), duties=["office"])
    assert both.post(where, json=note).status_code == 403


def test_a_rubric_is_served_with_what_every_band_means_in_both_languages(award: Award) -> None:
    for name in rubric.names():
        served = award.client().get(f"/rubrics/{name}").json()
        for kind in {item["kind"] for item in served["items"]}:
            bands = [band for band in served["bands"] if band["kind"] == kind]
            assert [(band["low"], band["high"]) for band in bands] == [(0, 5), (10, 25), (30, 45), (50, 65), (70, 85), (90, 100)]
            assert all(band["zh"] and band["en"] for band in bands)
