from typing import Any

import pytest

from regulation.edition import load
from regulation.score import Score, total
from tests.rig import Award
from tests.workflow.committee import ok, refused
from tests.workflow.year import Year, points

BOTH = {"awards": ["quality", "innovation"]}


def evaluated(award: Award, number: int) -> Year:
    contenders: list[dict[str, Any]] = [
        {"material": points(600), "site": points(625)},  # 60/40: exactly 610
        {"material": points(609.75)},
        {"material": points(609.75), **BOTH, "fallback": True},
        {"material": points(609.75), **BOTH},
        {"material": points(600), "awards": ["innovation"]},
        {"material": points(599.75), "awards": ["innovation"]},
        {"material": points(650), **BOTH},
    ]
    year = Year(award, number, contenders).reviewed()
    refused(year.post("evaluation"), "panel_report_missing", "5.3.3")
    year.report("site", year.site)
    return year


def test_totals_are_exact_and_the_minimum_decides_who_is_a_candidate(award: Award) -> None:
    year = evaluated(award, 2070)
    report = ok(year.post("evaluation"))
    by_name = {one["application"]: one for one in report["applications"]}
    assert by_name[year.names[0]]["total"] == {"numerator": 12200, "denominator": 1, "points": "610.00"}
    assert by_name[year.names[1]]["total"]["points"] == "609.75"
    assert [by_name[name]["candidate_for"] for name in year.names] == ["quality", None, "innovation", None, "innovation", None, "quality"]
    assert (report["material_weight"], report["site_weight"], report["minimum_points"]) == (60, 40, {"quality": 610, "innovation": 600})
    assert by_name[year.names[0]]["material"]["counted"] == ["s1", "s2", "s3"]
    assert report["confirmed_at"] is None
    refused(year.post("evaluation"), "wrong_state", "5.4.1")
    assert report["actions"]["confirm"]["allowed"]
    confirmed = ok(year.post("evaluation/confirmation"))
    assert set(confirmed["candidates"]["quality"]) == {year.names[0], year.names[6]}
    assert set(confirmed["candidates"]["innovation"]) == {year.names[2], year.names[4]}
    assert year.phase() == "deliberation"
    assert ok(year.committee.chair.get(f"/cycles/{year.cycle}/evaluation"))["candidates"] == confirmed["candidates"]


def test_the_office_departs_only_with_reasons_and_never_below_the_minimum(award: Award) -> None:
    year = evaluated(award, 2071)
    ok(year.post("evaluation"))
    below = [{"award": "quality", "applications": [year.names[0], year.names[1], year.names[6]]}]
    reasons = [{"application": name, "reason": "见会议纪要"} for name in year.names]
    refused(year.post("evaluation/confirmation", candidates=below, reasons=reasons), "below_minimum", "4.2")
    fewer = [
        {"award": "quality", "applications": [year.names[0]]},
        {"award": "innovation", "applications": [year.names[2], year.names[4]]},
    ]
    refused(year.post("evaluation/confirmation", candidates=fewer), "departure_unexplained", "5.4.1")
    why = [{"application": year.names[6], "reason": "正在接受调查"}]
    confirmed = ok(year.post("evaluation/confirmation", candidates=fewer, reasons=why))
    assert confirmed["candidates"]["quality"] == [year.names[0]]
    assert confirmed["reasons"] == {year.names[6]: "正在接受调查"}


def test_nobody_reads_an_evaluation_that_is_not_there(award: Award) -> None:
    year = Year(award, 2072, [{"material": points(650)}])
    assert year.office.get(f"/cycles/{year.cycle}/evaluation").status_code == 404
    refused(year.post("evaluation"), "wrong_state", "5.4.1")
    refused(year.post("evaluation/confirmation"), "wrong_state", "2.2.3")


@pytest.mark.full
def test_the_report_says_all_that_reproduces_it(award: Award) -> None:
    year = Year(
        award, 2031, [{"material": points(600), "site": points(625)}, *({"material": points(one)} for one in (640, 650))]
    ).reviewed()
    year.report("site", year.site)
    year.tell("application.withdrawn", "intake", application=year.names[2])
    report = ok(year.post("evaluation"))
    assert report["left_out"] == [{"application": year.names[2], "stage": "withdrawn"}]
    assert set(report["shortlist"]) == set(year.names)
    edition = load(report["edition"])
    p = edition.parameters(edition.in_force_on)
    assert report["minimum_points"] == {one.key: one.minimum_points for one in p.awards}
    for one in report["applications"]:
        material, site = (Score(one[stage]["score"]["numerator"], one[stage]["score"]["denominator"]) for stage in ("material", "site"))
        found = total(material, site, report["material_weight"], report["site_weight"])
        assert {"numerator": found.numerator, "denominator": found.denominator, "points": found.points} == one["total"]
    assert (len(report["hash"]), len(report["rules_hash"]), report["rubric"]) == (64, 64, p.rubric)
    assert ok(year.office.get(f"/cycles/{year.cycle}/evaluation"))["hash"] == report["hash"]
