from typing import Any

import pytest

from tests.rig import Award
from tests.workflow.committee import ok, refused
from tests.workflow.year import Year, points


def nine() -> list[dict[str, Any]]:
    return [{"material": points(700 - place)} for place in range(8)] + [{"material": points(600)}]


def test_no_shortlist_before_every_panel_has_reported(award: Award) -> None:
    year = Year(award, 2060, nine())
    refused(year.post("shortlist"), "panel_report_missing", "2.3.3")
    year.report("material", {name: year.material[name] for name in year.names[:8]}, year.names)
    refused(year.post("shortlist"), "stage_result_missing", "2.3.3")


def test_the_best_eight_of_the_recommended_go_on_and_never_a_ninth(award: Award) -> None:
    year = Year(award, 2061, nine())
    year.report("material", year.material, year.names)
    refused(year.post("shortlist", applications=year.names), "shortlist_cap", "5.3.2")
    previewed = ok(year.office.post(f"/cycles/{year.cycle}/shortlist", json={}, params={"dry_run": "true"}))
    assert previewed["applications"] == year.names[:8]
    assert year.phase() == "material_review"
    confirmed = ok(year.post("shortlist"))
    assert confirmed["applications"] == year.names[:8]
    assert confirmed["standings"][0]["score"] == {"numerator": 14000, "denominator": 1, "points": "700.00"}
    assert (confirmed["tie_broken_by"], year.phase()) == (None, "site_review")
    assert confirmed["actions"]["evaluate"]["why"]["clause"] == "5.3.3"
    assert ok(year.committee.supervisor.get(f"/cycles/{year.cycle}/shortlist"))["applications"] == year.names[:8]
    assert award.client("supervisor", "stranger").get(f"/cycles/{year.cycle}/shortlist").status_code == 404
    assert award.client("applicant", "a").get(f"/cycles/{year.cycle}/shortlist").status_code == 403


def test_whom_no_panel_recommends_does_not_go_on(award: Award) -> None:
    year = Year(award, 2062, nine()[:3])
    year.report("material", year.material, year.names[1:])
    refused(year.post("shortlist", applications=year.names), "shortlist_unqualified", "5.3.2")
    assert ok(year.post("shortlist"))["applications"] == year.names[1:]


def test_a_departure_from_the_computed_list_needs_a_reason(award: Award) -> None:
    year = Year(award, 2063, nine()[:3])
    year.report("material", year.material, year.names)
    refused(year.post("shortlist", applications=year.names[:2]), "departure_unexplained", "5.3.2")
    reasons = [{"application": year.names[2], "reason": "停产整顿"}]
    confirmed = ok(year.post("shortlist", applications=year.names[:2], reasons=reasons))
    assert confirmed["standings"][2]["reason"] == "停产整顿"


@pytest.mark.parametrize(("year_number", "preferred"), [(2064, 7), (2065, 8)])
def test_a_tie_across_place_eight_goes_to_whom_the_regulation_prefers(award: Award, year_number: int, preferred: int) -> None:
    contenders = nine()
    contenders[7] = {"material": points(600)}
    contenders[preferred]["preferred"] = True
    year = Year(award, year_number, contenders)
    year.report("material", year.material, year.names)
    confirmed = ok(year.post("shortlist"))
    assert confirmed["tie_broken_by"] == "3.2.5"
    assert sorted(confirmed["applications"]) == sorted([*year.names[:7], year.names[preferred]])


def test_a_tie_that_stays_is_the_committees_to_decide(award: Award) -> None:
    contenders = nine()
    contenders[7] = {"material": points(600)}
    year = Year(award, 2066, contenders)
    year.report("material", year.material, year.names)
    refused(year.post("shortlist"), "shortlist_tie", "5.3.2")
    lost = year.committee.decide(year.cycle, "major_matter", yes=2, tie={"among": "shortlist", "applications": [year.names[7]]})
    refused(year.post("shortlist", decided_by=lost["id"]), "motion_not_passed", "2.1.2")
    motion = year.committee.decide(year.cycle, "major_matter", tie={"among": "shortlist", "applications": [year.names[8]]})
    confirmed = ok(year.post("shortlist", decided_by=motion["id"]))
    assert confirmed["applications"] == [*year.names[:7], year.names[8]]
    assert (confirmed["tie_broken_by"], confirmed["decided_by"]) == ("motion", motion["id"])


def test_whoever_is_recused_from_one_of_the_tied_has_no_vote_on_the_tie(award: Award) -> None:
    contenders = nine()
    contenders[7] = {"material": points(600)}
    year = Year(award, 2069, contenders)
    year.report("material", year.material, year.names)
    year.tell("recusal.declared", person="member-1", credit_code=year.codes[year.names[7]], kind="family", source="declared")
    not_tied = {"kind": "major_matter", "title": "并列", "tie": {"among": "shortlist", "applications": [year.names[0]]}}
    refused(year.office.post(f"/cycles/{year.cycle}/motions", json=not_tied), "shortlist_decision", "5.3.2")
    motion = year.committee.propose(year.cycle, "major_matter", tie={"among": "shortlist", "applications": [year.names[8]]})
    assert ok(year.office.post(f"/motions/{motion}/opening"))["ballots"][0]["recused"] == ["member-1"]
    assert year.committee.voters["member-1"].post(f"/motions/{motion}/ballots", json={"vote": "yes"}).status_code == 404


def test_a_report_after_the_stage_was_closed_changes_nothing(award: Award) -> None:
    year = Year(award, 2070, nine()[:3])
    year.reviewed()
    year.report("material", {year.names[0]: points(999)}, year.names)
    year.report("site", year.site)
    totals = {one["application"]: one["total"]["points"] for one in ok(year.post("evaluation"))["applications"]}
    assert totals == {name: f"{700 - place}.00" for place, name in enumerate(year.names)}


def test_a_report_revised_for_a_late_recusal_changes_the_total_but_not_the_list(award: Award) -> None:
    year = Year(award, 2071, nine()[:2])
    year.reviewed()
    year.report("site", year.site)
    first, other = year.names
    year.report("material", {other: year.material[other]}, year.names, news="panel.report_revised")
    refused(year.post("evaluation"), "stage_result_missing", "2.3.3")
    year.report("material", {first: points(690), other: year.material[other]}, year.names, news="panel.report_revised")
    totals = {one["application"]: one["total"]["points"] for one in ok(year.post("evaluation"))["applications"]}
    assert totals == {first: "694.00", other: "699.00"}
    assert ok(year.office.get(f"/cycles/{year.cycle}/shortlist"))["standings"][0]["score"]["points"] == "700.00"
    year.report("material", {first: points(1)}, year.names, news="panel.report_revised")
    assert ok(year.office.get(f"/cycles/{year.cycle}/evaluation"))["applications"][0]["total"]["points"] in {"694.00", "699.00"}


def test_a_recused_person_of_the_office_does_not_see_the_organisation(award: Award) -> None:
    year = Year(award, 2067, nine()[:3])
    year.reviewed()
    year.tell("recusal.declared", person="office-r", credit_code=year.codes[year.names[0]], kind="family", source="declared")
    year.tell("undertaking.given", person="office-r")
    recused = award.client("committee", "office-r", duties=["office"])
    seen = ok(recused.get(f"/cycles/{year.cycle}/shortlist"))
    assert seen["applications"] == year.names[1:]
    assert year.names[0] not in str(seen)


def test_a_withdrawn_application_is_out_of_the_running(award: Award) -> None:
    year = Year(award, 2068, nine()[:3])
    year.report("material", year.material, year.names)
    year.tell("application.withdrawn", "intake", application=year.names[1])
    assert ok(year.post("shortlist"))["applications"] == [year.names[0], year.names[2]]
