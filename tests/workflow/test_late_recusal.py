"""A recusal found after the sheets are in: whatever rests on the earlier results is not gone on with until it is settled anew (2.4.5)."""

from typing import Any

import pytest

from tests.rig import Award
from tests.workflow.committee import ok, refused
from tests.workflow.year import OVER, Year, points

NINE = [{"material": points(700 - place)} for place in range(8)] + [{"material": points(600)}]
TWO = [{"material": points(700)}, {"material": points(610)}]


def revise(year: Year, stage: str, *, without: str | None = None, **changed: int) -> None:
    """Bring a revised report: `without` a name whose round is open again, or with other twentieths by place."""
    scores = dict(year.material if stage == "material" else year.site)
    known = {year.names[int(place.removeprefix("name_"))]: score for place, score in changed.items()}
    year.report(stage, {name: score for name, score in (scores | known).items() if name != without}, year.names, "panel.report_revised")


def back(year: Year) -> str:
    """Take the last step back by the committee's motion."""
    motion = year.committee.decide(year.cycle, "reopening", text="评审员回避，重新合议")
    return str(ok(year.post("reopening", motion=motion["id"]))["entered"])


def totals(year: Year) -> dict[str, str]:
    read = ok(year.office.get(f"/cycles/{year.cycle}/evaluation"))["applications"]
    return {one["application"]: one["total"]["points"] for one in read}


def motion_on(name: str) -> dict[str, Any]:
    return {"kind": "winners", "title": "表决", "names": [{"application": name, "award": "quality"}]}


def test_a_list_that_the_revised_scores_would_not_give_is_settled_anew_before_the_evaluation(award: Award) -> None:
    year = Year(award, 2100, NINE).reviewed()
    year.report("site", year.site)
    revise(year, "material", without=year.names[8])  # whom the list left out counts too: the recused may have kept them off it
    refused(year.post("evaluation"), "stage_result_missing", "2.3.3")
    revise(year, "material", name_7=points(600) - 1)
    refused(year.post("evaluation"), "shortlist_overtaken", "5.3.2")
    blocked = ok(year.office.get(f"/cycles/{year.cycle}"))["dashboard"]["next"]
    assert (blocked["allowed"], blocked["why"]["code"]) == (False, "shortlist_overtaken")
    assert back(year) == "material_review"
    assert ok(year.post("shortlist"))["applications"] == [*year.names[:7], year.names[8]]
    year.report("site", {name: year.site[name] for name in [*year.names[:7], year.names[8]]}, news="panel.report_revised")
    assert year.names[8] in {one["application"] for one in ok(year.post("evaluation"))["applications"]}


def test_a_list_that_the_revised_scores_give_as_well_stands(award: Award) -> None:
    year = Year(award, 2101, NINE).reviewed()
    year.report("site", year.site)
    revise(year, "material", name_7=points(600) + 1)
    ok(year.post("evaluation"))
    assert totals(year)[year.names[7]] == "637.23"  # 60 % of 600.05 and 40 % of 693


def test_who_dropped_out_since_keeps_the_place_that_the_list_gave(award: Award) -> None:
    year = Year(award, 2102, NINE).reviewed()
    year.tell("application.withdrawn", "intake", application=year.names[0])
    year.report("site", {name: year.site[name] for name in year.names[1:8]})
    year.report("material", {name: year.material[name] for name in year.names[1:]}, year.names[1:], "panel.report_revised")
    ok(year.post("evaluation"))


def test_a_report_that_a_recusal_has_overtaken_is_not_confirmed_but_computed_anew(award: Award) -> None:
    year = Year(award, 2103, TWO).reviewed()
    year.report("site", year.site)
    assert ok(year.post("evaluation"))["overtaken"] == []
    revise(year, "site")
    assert ok(year.office.get(f"/cycles/{year.cycle}/evaluation"))["actions"]["confirm"]["allowed"]
    revise(year, "site", without=year.names[1])
    refused(year.post("evaluation/confirmation"), "evaluation_overtaken", "5.4.1")
    revise(year, "material", name_1=points(610) - 1)
    assert ok(year.office.get(f"/cycles/{year.cycle}/evaluation"))["overtaken"] == [year.names[1]]
    revise(year, "site")
    refused(year.post("evaluation/confirmation"), "evaluation_overtaken", "5.4.1")
    assert back(year) == "site_review"
    assert ok(year.post("evaluation"))["overtaken"] == []
    assert totals(year)[year.names[1]] == "609.97"
    assert ok(year.post("evaluation/confirmation"))["candidates"]["quality"] == [year.names[0]]


def test_the_committee_does_not_vote_on_candidates_whose_scores_a_recusal_has_overtaken(award: Award) -> None:
    year = Year(award, 2104, TWO).evaluated()
    motions = f"/cycles/{year.cycle}/motions"
    revise(year, "site", name_1=points(609))
    refused(year.office.post(motions, json=motion_on(year.names[0])), "evaluation_overtaken", "5.4.1")
    assert [back(year), back(year)] == ["evaluation", "site_review"]
    ok(year.post("evaluation"))
    ok(year.post("evaluation/confirmation"))
    ok(year.office.post(motions, json=motion_on(year.names[0])))


def test_nor_does_it_name_nobody_while_a_score_is_settled_anew(award: Award) -> None:
    year = Year(award, 2105, [{"material": points(599)}]).evaluated()
    revise(year, "site", without=year.names[0])
    refused(year.post("deliberation-end", reasons="无组织达到最低分。"), "evaluation_overtaken", "5.4.1")
    revise(year, "site")
    assert ok(year.post("deliberation-end", reasons="无组织达到最低分。"))["phase"] == "public_notice"


@pytest.mark.parametrize(("number", "removes"), [(2106, False), (2107, True)])
def test_a_recusal_after_the_vote_goes_before_the_committee_and_the_approval_waits(award: Award, number: int, removes: bool) -> None:  # noqa: FBT001 - a case
    year = Year(award, number, TWO)

    def recused(person: str) -> None:
        name = year.names[0]
        year.tell("recusal.declared", person=person, credit_code=year.codes[name], kind="kinship", source="declared", reviewed=[name])

    def docket() -> list[dict[str, Any]]:
        return list(ok(year.office.get("/objections", params={"cycle": year.cycle}))["items"])

    year.evaluated()
    recused("r2")
    assert docket() == []  # before the vote its sheet goes out of the numbers, which stops the vote
    won = year.ballot({year.names[0]: 5})
    recused("r1")
    recused("r1")
    [case] = docket()
    assert (case["kind"], case["application"], case["notice"], "r1" in case["text"]) == ("recusal", year.names[0], None, True)
    ok(year.notice({year.names[0]: won}))
    award.at(OVER)
    refused(year.approve(), "objection_open", "5.4.2")
    assert case["actions"]["dismiss"]["why"]["code"] == "recusal_not_dismissed"
    [judged] = ok(year.office.post("/objections/dismissals", json={"items": [{"objection": case["id"], "reasons": "不影响"}]}))["items"]
    assert (judged["dismissed"], judged["why"]["clause"]) == (False, "5.4.2")
    assert case["id"] in str(ok(year.office.get("/me"))["tasks"])
    ok(year.rule(case["id"], removes_name=removes))
    if removes:
        assert year.phase() == "deliberation"
    else:
        ok(year.approve())
    recused("r3")
    assert len(docket()) == 1 + (not removes)
