"""The oral defence, in an edition that has one."""

from regulation.edition import example_rules
from tests.rig import Award
from tests.workflow.committee import ok, refused
from tests.workflow.year import SCREENED, Year, points

EDITION = "biennial-example"
TWO = [{"material": points(700)}, {"material": points(650)}]


def test_the_evaluation_waits_for_the_defences_of_everybody_in_the_site_review(award: Award) -> None:
    year = Year(award, 2036, TWO, example_rules(EDITION), EDITION).reviewed()
    refused(year.hear(), "panel_report_missing", "5.3.3")
    year.report("site", year.site)
    refused(year.post("evaluation"), "wrong_state", "5.4.1")
    refused(year.hear(year.names[1]), "defence_missing", "5.4.1")
    ahead = {"held_on": "2026-04-11", "place": "会议室", "heard": [{"application": name, "record": "略"} for name in year.names]}
    refused(year.post("defences", **ahead), "defence_ahead", "5.4.1")
    stranger = ahead | {"held_on": SCREENED[:10], "heard": [{"application": year.cycle, "record": "略"}]}
    assert year.post("defences", **stranger).status_code == 404
    board = ok(year.office.get(f"/cycles/{year.cycle}"))
    assert (board["dashboard"]["next"]["href"], board["actions"]["evaluate"]["allowed"]) == (f"/api/v1/cycles/{year.cycle}/defences", False)
    assert any("oral defences" in task["title"] for task in ok(year.office.get("/me"))["tasks"])
    with award.client("committee", "clerk-9", duties=["office"]) as unsworn:
        heard = [{"application": name, "record": "略"} for name in year.names]
        refused(
            unsworn.post(f"/cycles/{year.cycle}/defences", json=ahead | {"held_on": SCREENED[:10], "heard": heard}),
            "undertaking_missing",
            "7.6",
        )
    made = ok(year.hear())
    assert ({one["application"] for one in made["heard"]}, year.phase()) == (set(year.names), "oral_defence")
    assert made["actions"]["evaluate"]["allowed"]
    read = f"/cycles/{year.cycle}/defences"
    watched = ok(year.committee.supervisor.get(read))
    assert (watched["place"], watched["actions"]) == (made["place"], {})
    year.tell("recusal.declared", person="office-r", credit_code=year.codes[year.names[0]], kind="family", source="declared")
    year.tell("undertaking.given", person="office-r")
    with award.client("committee", "office-r", duties=["office"]) as recused:
        assert [one["application"] for one in ok(recused.get(read))["heard"]] == [year.names[1]]
    ok(year.post("evaluation"))
    assert year.phase() == "evaluation"


def test_the_defences_are_taken_back_by_motion_and_heard_anew(award: Award) -> None:
    year = Year(award, 2038, TWO, example_rules(EDITION), EDITION).reviewed()
    year.report("site", year.site)
    ok(year.hear())
    year.report("site", {year.names[1]: year.site[year.names[1]]}, news="panel.report_revised")
    refused(year.post("evaluation"), "stage_result_missing", "5.3.3")
    motion = year.committee.decide(year.cycle, "reopening", text="评审员回避")
    assert ok(year.post("reopening", motion=motion["id"]))["entered"] == "site_review"
    assert year.office.get(f"/cycles/{year.cycle}/defences").status_code == 404
    year.report("site", year.site, news="panel.report_revised")
    ok(year.hear())
    ok(year.post("evaluation"))


def test_an_edition_without_a_defence_knows_none(award: Award) -> None:
    year = Year(award, 2040, TWO).reviewed()
    year.report("site", year.site)
    assert year.hear().status_code == year.office.get(f"/cycles/{year.cycle}/defences").status_code == 404
    assert "hear_defences" not in ok(year.office.get(f"/cycles/{year.cycle}"))["actions"]
    ok(year.post("evaluation"))
