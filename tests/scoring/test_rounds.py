"""What becomes of sheets when members go: replaced, recused late, recused after their stage."""

from typing import Any

import pytest
from sqlalchemy import text

from tests.rig import Award
from tests.scoring.year import Year, is_absent, refusal

TEAM = ("leader", "second", "third", "fourth")
REPORT = {"text": "本组报告", "findings": []}


@pytest.fixture(scope="module")
def year(award: Award) -> Year:
    award.at("2026-05-01T09:00:00+08:00")
    made = Year(award, 2026)
    made.appoint(*TEAM, "spare", "other", leaders=["leader"])
    made.undertake(*TEAM, "spare", "other")
    made.office.post("/me/undertakings", json={"cycle": made.id})
    made.close_screening(8)
    return made


def next_application(year: Year) -> str:
    application = next(one for one in year.codes if one not in year.used)
    year.used.add(application)
    return application


def replace(year: Year, panel: str, outgoing: str, incoming: str, *, keep: bool) -> dict[str, Any]:
    body = {"outgoing": year.person(outgoing), "incoming": year.person(incoming), "keep_finished": keep, "reason": "因病退出"}
    answer = year.office.post(f"/panels/{panel}/replacements", json=body)
    assert answer.status_code == 200, answer.text
    done: dict[str, Any] = answer.json()
    return done


def recuse(year: Year, panel: str, name: str, application: str) -> None:
    body = {"person": year.person(name), "application": application, "reason": "新近发现的利益关系"}
    assert year.office.post(f"/panels/{panel}/recusals", json=body).status_code == 201


def told(year: Year, panel: str, kind: str) -> list[dict[str, Any]]:
    """Read what workflow was told of a panel."""
    engine = year.award.database("scoring")
    with engine.connect() as database:
        query = text("select facts from event where kind = :kind and subject = :subject and 'workflow' = any(told) order by id")
        found = [row.facts for row in database.execute(query, {"kind": kind, "subject": f"panel:{panel}"})]
    engine.dispose()
    return found


def reviewed_by_the_recused(year: Year) -> list[list[str]]:
    """Read in which applications the sheets of those recused counted, as workflow was told."""
    engine = year.award.database("scoring")
    with engine.connect() as database:
        query = text("select facts from event where kind = 'recusal.declared' and facts->>'person' like :mark order by id")
        found = [row.facts["reviewed"] for row in database.execute(query, {"mark": f"%-{year.mark}"})]
    engine.dispose()
    return found


def test_a_replacement_may_keep_what_was_finished_and_says_which_sheets_count(year: Year) -> None:
    finished, unfinished = next_application(year), next_application(year)
    panel = year.form(TEAM[:3], [finished, unfinished])
    for name in ("leader", "third"):
        year.hand_in(name, finished)
    draft = year.sheet("third", unfinished)
    done = replace(year, panel, "third", "spare", keep=True)
    sheets = {(one["application"], one["person"]): (one["counts"], one["why"]) for one in done["sheets"]}
    assert sheets == {
        (finished, year.person("third")): (True, None),
        (unfinished, year.person("third")): (False, "replaced"),
        (unfinished, year.person("spare")): (True, None),
    }
    assert is_absent(year.client("third").get(f"/sheets/{draft}"))
    assert [one["application"] for one in year.client("spare").get("/sheets").json()["items"]] == [unfinished]
    assert year.hand_in("second", finished).json()["state"] == "opened"
    seen = year.client("spare").get(f"/panels/{panel}/applications/{finished}/sheets").json()
    assert sorted(one["person"] for one in seen["sheets"]) == sorted(year.person(name) for name in TEAM[:3])
    assert year.agree("leader", panel, finished).status_code == 200
    for name in ("leader", "second", "spare"):
        assert year.sign(name, panel, finished).status_code == 201
    again = replace(year, panel, "spare", "other", keep=True)
    assert {one["application"] for one in again["sheets"] if one["person"] == year.person("other")} == {unfinished}
    recuse(year, panel, "other", unfinished)


def test_a_kept_sheet_goes_with_its_authors_recusal_and_the_successor_scores(year: Year) -> None:
    application = next_application(year)
    panel = year.form(TEAM[:3], [application])
    year.hand_in("third", application)
    replace(year, panel, "third", "spare", keep=True)
    assert application not in {one["application"] for one in year.client("spare").get("/sheets").json()["items"]}
    interest = {"credit_code": year.codes[application], "kind": "advice", "reason": "咨询"}
    year.client("third").put("/me/interests", json={"interests": [interest]})
    for name in ("leader", "second"):
        assert year.hand_in(name, application).json()["state"] == "sealed"
    assert year.hand_in("spare", application).json()["state"] == "opened"


def test_without_keeping_the_successor_scores_all_anew(year: Year) -> None:
    application = next_application(year)
    panel = year.form(TEAM[:3], [application])
    for name in TEAM[:2]:
        year.hand_in(name, application)
    done = replace(year, panel, "second", "spare", keep=False)
    assert {(one["person"], one["counts"], one["why"]) for one in done["sheets"]} == {
        (year.person("second"), False, "replaced"),
        (year.person("spare"), True, None),
    }
    assert year.hand_in("third", application, 70).json()["state"] == "sealed"
    assert year.hand_in("spare", application, 70).json()["state"] == "opened"


def test_nobody_is_replaced_for_what_their_opened_sheet_says(year: Year) -> None:
    application = next_application(year)
    panel = year.form(TEAM[:3], [application])
    for name in TEAM[:3]:
        year.hand_in(name, application)
    done = replace(year, panel, "second", "spare", keep=False)
    assert [(one["person"], one["state"], one["counts"]) for one in done["sheets"]] == [(year.person("second"), "opened", True)]
    seen = year.client("spare").get(f"/panels/{panel}/applications/{application}/sheets").json()
    assert (len(seen["sheets"]), seen["not_counted"]) == (3, [])
    assert year.agree("leader", panel, application).status_code == 200
    assert year.sign("spare", panel, application).status_code == 201


def test_a_recusal_after_the_report_takes_the_sheet_out_of_the_numbers_visibly(year: Year) -> None:
    application, other = next_application(year), next_application(year)
    panel = year.form(TEAM, [application, other])
    for one in (application, other):
        for name, percent in zip(TEAM, (60, 60, 60, 80), strict=True):
            year.hand_in(name, one, percent)
        assert year.agree("leader", panel, one, 65).status_code == 200
        for name in TEAM:
            assert year.sign(name, panel, one).status_code == 201
    leader = year.client("leader")
    report = REPORT | {"recommended": [application, other]}
    assert year.report(TEAM, panel, report).json()["revision"] == 1
    results = year.office.get(f"/panels/{panel}/results").json()
    before = next(one for one in results["items"] if one["application"] == application)
    assert (before["points"], before["equal"], before["hash"] == before["recomputed_hash"]) == ("650.00", True, True)
    assert results["reopened"] == []
    late = year.client("fourth").get("/sheets", params={"limit": 200}).json()["items"]
    [sheet] = [one["id"] for one in late if one["application"] == application]

    recuse(year, panel, "fourth", application)
    [revised] = told(year, panel, "panel.report_revised")
    assert (revised["reopened"], revised["without"], revised["why"]) == (application, sheet, "recused")
    assert [one["application"] for one in revised["results"]] == [other]
    results = leader.get(f"/panels/{panel}/results").json()
    assert ([one["application"] for one in results["items"]], results["reopened"]) == ([other], [application])
    assert leader.get(f"/panels/{panel}/reports").json()["items"][-1]["signed_by"] is None
    consensus = leader.get(f"/panels/{panel}/applications/{application}/consensus").json()
    assert consensus["signatures"] == []
    assert all(sheet not in one["changes"] and len(one["changes"]) == 3 for one in consensus["items"])
    assert refusal(leader.post(f"/panels/{panel}/report", json=report)) == (409, "report_unsigned", "2.3.1")

    assert year.agree("leader", panel, application, 60).status_code == 200
    for name in TEAM[:3]:
        assert year.sign(name, panel, application).status_code == 201
    made = year.report(TEAM, panel, report).json()
    [after] = [one for one in made["results"] if one["application"] == application]
    assert (made["revision"], made["signed_by"], after["points"]) == (3, year.person("leader"), "600.00")
    assert after["not_counted"] == [{"sheet": sheet, "why": "recused"}]
    [_, revised] = told(year, panel, "panel.report_revised")
    assert {one["application"] for one in revised["results"]} == {application, other}
    assert leader.get(f"/panels/{panel}/results").json()["reopened"] == []


def test_a_recusal_found_in_site_review_reopens_the_material_report(award: Award) -> None:
    year = Year(award, 2027, aggregation="mean")
    year.appoint(*TEAM, "spare", leaders=["leader"])
    year.undertake(*TEAM, "spare")
    application, other = year.close_screening(2)
    panel = year.form(TEAM[:3], [application, other])
    for one in (application, other):
        year.settle(TEAM[:3], panel, one)
    leader = year.client("leader")
    report = REPORT | {"recommended": [application, other]}
    assert year.report(TEAM[:3], panel, report).status_code == 201
    year.tell("workflow", "shortlist.confirmed", cycle=year.id, applications=[application, other])
    assert refusal(leader.post(f"/panels/{panel}/report", json=report | {"stage": "material"})) == (409, "stage_not_open", None)
    recuse(year, panel, "third", application)
    assert [one["application"] for one in told(year, panel, "panel.report_revised")[0]["results"]] == [other]
    again = leader.post(f"/panels/{panel}/report", json=report | {"stage": "material"})
    assert refusal(again) == (409, "panel_too_few_eligible", "2.0")
    replace(year, panel, "third", "spare", keep=False)
    spare, watching = year.client("spare"), award.client("supervisor", year.person("spare"))
    year.tell("workflow", "supervision.appointed", cycle=year.id, members=[{"person": year.person("spare")}])
    for blind in (spare, watching):
        for earlier in blind.get(f"/panels/{panel}/reports").json()["items"]:
            assert ([one["application"] for one in earlier["results"]], earlier["text"]) == ([other], None)
            assert earlier["recommended"] == [other]
        assert [one["application"] for one in blind.get(f"/panels/{panel}/results").json()["items"]] == [other]
        for what in ("sheets", "consensus"):
            assert is_absent(blind.get(f"/panels/{panel}/applications/{application}/{what}", params={"stage": "material"}))
        assert application not in blind.get(f"/cycles/{year.id}/diagnostics", params={"stage": "material"}).text
    assert year.hand_in("spare", application, 70).json()["state"] == "opened"
    assert {one["text"] for one in spare.get(f"/panels/{panel}/reports").json()["items"]} == {REPORT["text"]}
    where = f"/panels/{panel}/applications/{application}/consensus"
    for name in ("leader", "second", "spare"):
        client = year.client(name)
        tag = client.get(where, params={"stage": "material"}).headers["etag"]
        signed = client.post(f"{where}/signatures", json={"stance": "agree"}, params={"stage": "material"}, headers={"If-Match": tag})
        assert signed.status_code == 201, signed.text
    settled = where.replace(application, other)
    tag = leader.get(settled, params={"stage": "material"}).headers["etag"]
    signed = leader.post(f"{settled}/signatures", json={"stance": "agree"}, params={"stage": "material"}, headers={"If-Match": tag})
    assert refusal(signed) == (409, "stage_not_open", None)
    made = year.report(("leader", "second", "spare"), panel, report | {"stage": "material"}).json()
    assert {one["application"]: one["points"] for one in made["results"]} == {application: "633.33", other: "600.00"}
    assert refusal(leader.post(f"/panels/{panel}/report", json=report | {"stage": "material"})) == (409, "stage_not_open", None)


def test_a_recusal_takes_the_sheet_out_until_the_names_are_before_the_public(award: Award) -> None:
    year = Year(award, 2028)
    year.appoint(*TEAM, leaders=["leader"])
    year.undertake(*TEAM)
    application, other = year.close_screening(2)
    panel = year.form(TEAM, [application, other])
    for one in (application, other):
        year.settle(TEAM, panel, one)
    assert year.report(TEAM, panel, REPORT | {"recommended": [application, other]}).status_code == 201
    year.tell("workflow", "shortlist.confirmed", cycle=year.id, applications=[])
    year.tell("workflow", "cycle.phase_changed", cycle=year.id, phase="deliberation")
    recuse(year, panel, "third", application)
    [revised] = told(year, panel, "panel.report_revised")
    assert [one["application"] for one in revised["results"]] == [other]
    year.tell("workflow", "cycle.phase_changed", cycle=year.id, phase="public_notice")
    recuse(year, panel, "fourth", other)
    assert len(told(year, panel, "panel.report_revised")) == 1
    assert reviewed_by_the_recused(year) == [[application], [other]]  # by which workflow puts the second before the committee
    [result] = year.office.get(f"/panels/{panel}/results", params={"stage": "material"}).json()["items"]
    assert (result["application"], result["equal"], len(result["counted"])) == (other, True, 4)
