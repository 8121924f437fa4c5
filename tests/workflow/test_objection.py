import re
from uuid import uuid4

from sqlalchemy import text

from tests.rig import Award
from tests.workflow.committee import ok, refused
from tests.workflow.year import OVER, Year, points

FIVE = [{"material": points(700 - place)} for place in range(5)]


def objected(year: Year, notice: str, name: str | None = None, **given: object) -> str:
    body = {"text": "该企业曾受处罚", **({"application": name} if name else {}), **given}
    return str(ok(year.anyone.post(f"/notices/{notice}/objections", json=body))["id"])


def test_who_objects_needs_no_account_and_is_known_to_the_office_alone(award: Award) -> None:
    year = Year(award, 2090, FIVE)
    notice = year.noticed()
    received = ok(
        year.anyone.post(
            f"/notices/{notice}/objections",
            json={"text": "该企业曾受处罚", "application": year.names[0], "name": "钱某", "contact": "13800000000"},
            headers={"Idempotency-Key": "objection-2090"},
        )
    )
    path = f"/objections/{received['id']}"
    assert ok(year.office.get(path))["objector"] == {"name": "钱某", "contact": "13800000000"}
    for insider in (year.committee.chair, year.committee.supervisor):
        read = ok(insider.get(path))
        assert (read["text"], read["objector"]) == ("该企业曾受处罚", None)
    assert award.client("supervisor", "stranger").get(path).status_code == 404
    assert award.client("reviewer", "r").get(path).status_code == 403
    again = year.anyone.post(
        f"/notices/{notice}/objections",
        json={"text": "该企业曾受处罚", "application": year.names[0], "name": "钱某", "contact": "13800000000"},
        headers={"Idempotency-Key": "objection-2090"},
    )
    assert (again.json()["id"], again.json()["tracking_code"]) == (received["id"], None)
    engine = award.database("workflow")
    with engine.connect() as database:
        kept = database.execute(text("select string_agg(facts::text, '') from event")).scalar_one()
    engine.dispose()
    assert "13800000000" not in kept
    assert received["tracking_code"] not in kept


def test_an_objector_follows_the_case_by_a_code_that_stands_in_no_address(award: Award) -> None:
    year = Year(award, 2089, FIVE)
    code, report = (
        ok(year.anyone.post(path, json={"text": "请核实"}))["tracking_code"]
        for path in (f"/notices/{year.noticed()}/objections", f"/cycles/{year.cycle}/reports")
    )
    for one in (code, report):
        assert ok(year.anyone.get("/public/objection", headers={"Tracking-Code": one}))["state"] == "received"
        assert year.anyone.get(f"/public/objections/{one}").status_code == 404
    without, wrong = (year.anyone.get("/public/objection", headers=headers) for headers in ({}, {"Tracking-Code": f"{code}x"}))
    assert [(one.status_code, one.json()["code"]) for one in (without, wrong)] == [(404, "absent")] * 2
    named = {
        parameter["name"]
        for methods in year.anyone.get("/openapi.json").json()["paths"].values()
        for operation in methods.values()
        for parameter in operation.get("parameters", [])
        if parameter["in"] in {"path", "query"} and re.search("code|token|secret|key|password", parameter["name"])
    }
    assert named == {"credit_code"}


def test_an_objection_names_a_name_of_its_notice(award: Award) -> None:
    year = Year(award, 2091, FIVE)
    notice = year.noticed()
    body = {"text": "?", "application": year.names[1]}
    assert year.anyone.post(f"/notices/{notice}/objections", json=body).status_code == 404
    assert year.anyone.post(f"/notices/{uuid4()}/objections", json={"text": "?"}).status_code == 404


def test_approval_waits_for_the_ruling_and_a_kept_name_stays(award: Award) -> None:
    year = Year(award, 2092, FIVE)
    objection = objected(year, year.noticed(), year.names[0])
    award.at(OVER)
    refused(year.approve(), "objection_open", "5.4.2")
    read = ok(year.office.get(f"/objections/{objection}"))
    assert read["actions"]["rule"]["why"]["code"] == "wrong_state"
    ruled = ok(year.rule(objection, removes_name=False))
    assert (ruled["state"], ruled["removed"], year.phase()) == ("ruled", False, "public_notice")
    assert [award["status"] for award in ok(year.approve())["awards"]] == ["proposed"]


def test_an_upheld_objection_lets_the_name_fall_and_a_substitute_gets_seven_days_of_its_own(award: Award) -> None:
    year = Year(award, 2093, FIVE)
    notice = year.noticed(3)
    objection = objected(year, notice, year.names[0])
    ruled = ok(year.rule(objection, removes_name=True))
    assert (ruled["removed"], year.phase()) == (True, "deliberation")
    award.at(OVER)
    refused(year.approve(), "wrong_state", "5.4.3")
    motion = year.ballot({year.names[3]: 5})
    second = ok(year.notice({year.names[3]: motion}, at="2026-09-10T09:00:00+08:00"))
    assert second["ends_at"].startswith("2026-09-1")
    award.at("2026-09-17T23:59:59+08:00")
    refused(year.approve(dated="2026-09-17"), "notice_running", "5.4.3")
    award.at("2026-09-18T00:00:00+08:00")
    awards = ok(year.approve(dated="2026-09-18"))["awards"]
    assert {one["application"] for one in awards} == set(year.names[1:4])


def test_a_name_that_falls_after_the_approval_takes_the_whole_approval_back(award: Award) -> None:
    year = Year(award, 2056, FIVE)
    year.noticed(2)
    award.at(OVER)
    assert len(ok(year.approve())["awards"]) == 2
    year.tell("application.withdrawn", "intake", application=year.names[0])
    assert (year.phase(), ok(year.office.get("/awards", params={"year": 2056}))["items"]) == ("deliberation", [])
    ok(year.post("deliberation-end", reasons="不再递补"))
    assert [one["application"] for one in ok(year.approve())["awards"]] == [year.names[1]]


def test_an_approval_names_nobody_and_a_refusal_of_nobody_is_of_all(award: Award) -> None:
    year = Year(award, 2057, FIVE)
    year.noticed(2)
    award.at(OVER)
    decision = {"document_number": "金东政发〔2026〕12号", "dated": "2026-09-09"}
    assert year.post("approval", decision="approve", names=year.names[:1], **decision).status_code == 422
    ok(year.approve())
    assert ok(year.post("approval", decision="refuse", names=[], **decision))["phase"] == "deliberation"
    fallen = ok(year.anyone.get("/public/notices", params={"limit": 200}))["items"]
    states = {name["application"]: name["state"] for notice in fallen for name in notice["names"]}
    assert {states[name] for name in year.names[:2]} == {"fallen"}


def test_a_cycle_cancelled_after_its_approval_leaves_no_award_and_frees_the_year(award: Award) -> None:
    year = Year(award, 2058, FIVE)
    year.noticed(1)
    award.at(OVER)
    ok(year.approve())
    motion = year.committee.decide(year.cycle, "cancellation", text="评审程序有误")
    ok(year.post("cancellation", motion=motion["id"]))
    assert ok(year.office.get("/awards", params={"year": 2058}))["items"] == []
    assert ok(year.office.post("/cycles", json={"year": 2058}, params={"dry_run": "true"}))["phase"] == "planned"


def test_nobody_reads_the_docket_or_the_results_before_promising_secrecy(award: Award) -> None:
    year = Year(award, 2059, FIVE)
    objection = objected(year, year.noticed(), year.names[0])
    silent = award.client("committee", "office-silent", duties=["office"])
    for path in (f"/objections/{objection}", f"/objections?cycle={year.cycle}", f"/cycles/{year.cycle}/shortlist",
                 f"/cycles/{year.cycle}/evaluation"):  # fmt: skip
        refused(silent.get(path), "undertaking_missing", "7.6")
    shown = ok(silent.get(f"/cycles/{year.cycle}/motions", params={"limit": 200}))["items"]
    assert {one["kind"] for one in shown} == {"rules"}
    winners = next(one["id"] for one in ok(year.office.get(f"/cycles/{year.cycle}/motions"))["items"] if one["kind"] == "winners")
    refused(silent.get(f"/motions/{winners}"), "undertaking_missing", "7.6")
    results = ok(silent.post("/objections/dismissals", json={"items": [{"objection": objection, "reasons": "无"}]}))["items"]
    assert [(one["dismissed"], one["why"]["clause"]) for one in results] == [(False, "7.6")]


def test_without_a_substitute_the_other_names_go_on(award: Award) -> None:
    year = Year(award, 2094, FIVE)
    objection = objected(year, year.noticed(2), year.names[0])
    ok(year.rule(objection, removes_name=True))
    assert ok(year.post("deliberation-end", reasons="不再递补"))["phase"] == "public_notice"
    award.at(OVER)
    assert [one["application"] for one in ok(year.approve())["awards"]] == [year.names[1]]


def test_a_ruling_rests_on_a_motion_about_this_very_objection_that_passed(award: Award) -> None:
    year = Year(award, 2095, FIVE)
    notice = year.noticed()
    first, second = objected(year, notice, year.names[0]), objected(year, notice, year.names[0])
    for objection in (first, second):
        etag = year.office.get(f"/objections/{objection}").headers["etag"]
        body = {"findings": "经核实", "report": "提请复议"}
        ok(year.office.put(f"/objections/{objection}/investigation", json=body, headers={"If-Match": etag}))
    failed = year.committee.decide(year.cycle, "ruling", yes=1, objection=first, removes_name=True)
    refused(year.office.post(f"/objections/{first}/ruling", json={"motion": failed["id"]}), "motion_not_passed", "5.4.2")
    passed = year.committee.decide(year.cycle, "ruling", objection=first, removes_name=False)
    assert year.office.post(f"/objections/{second}/ruling", json={"motion": passed["id"]}).status_code == 404
    ok(year.office.post(f"/objections/{first}/ruling", json={"motion": passed["id"]}))


def test_a_flood_is_dismissed_in_bulk_each_judged_by_itself(award: Award) -> None:
    year = Year(award, 2096, FIVE)
    notice = year.noticed()
    flood = [objected(year, notice) for _ in range(4)]
    items = [
        {"objection": flood[0], "reasons": "未指明任何事实"},
        {"objection": flood[1], "reasons": "   "},
        {"objection": flood[2], "reasons": "同上"},
        {"objection": str(uuid4()), "reasons": "?"},
    ]
    answer = ok(year.office.post("/objections/dismissals", json={"items": items}))
    results = {one["objection"]: (one["dismissed"], (one["why"] or {}).get("code")) for one in answer["items"]}
    assert results == {
        flood[0]: (True, None),
        flood[1]: (False, "dismissal_without_reasons"),
        flood[2]: (True, None),
        items[3]["objection"]: (False, "absent"),
    }
    award.at(OVER)
    refused(year.approve(), "objection_open", "5.4.2")
    ok(year.office.post("/objections/dismissals", json={"items": [{"objection": one, "reasons": "同上"} for one in flood]}))
    listed = ok(year.office.get("/objections", params={"cycle": year.cycle, "state": "dismissed"}))["items"]
    assert [one["id"] for one in listed] == flood
    ok(year.approve())


def test_an_investigation_needs_its_version_and_may_find_out_whom_it_concerns(award: Award) -> None:
    year = Year(award, 2097, FIVE)
    objection = objected(year, year.noticed())
    path = f"/objections/{objection}/investigation"
    body = {"findings": "指第一家", "application": year.names[0]}
    assert year.office.put(path, json=body).status_code == 428
    etag = year.office.get(f"/objections/{objection}").headers["etag"]
    found = ok(year.office.put(path, json=body, headers={"If-Match": etag}))
    assert (found["state"], found["application"]) == ("investigating", year.names[0])
    assert year.office.put(path, json=body, headers={"If-Match": etag}).status_code == 412


def test_whoever_is_recused_does_not_see_what_is_held_against_the_organisation(award: Award) -> None:
    year = Year(award, 2098, FIVE)
    objection = objected(year, year.noticed(), year.names[0])
    year.tell("recusal.declared", person="office-r", credit_code=year.codes[year.names[0]], kind="family", source="declared")
    year.tell("undertaking.given", person="office-r")
    recused = award.client("committee", "office-r", duties=["office"])
    assert recused.get(f"/objections/{objection}").status_code == 404
    assert ok(recused.get("/objections", params={"cycle": year.cycle}))["items"] == []


def test_the_public_reports_at_any_time_to_the_same_docket(award: Award) -> None:
    year = Year(award, 2099, FIVE)
    reported = ok(year.anyone.post(f"/cycles/{year.cycle}/reports", json={"text": "有人说情"}))
    read = ok(year.office.get(f"/objections/{reported['id']}"))
    assert (read["kind"], read["notice"]) == ("report", None)
    tasks = ok(year.office.get("/me"))
    assert reported["id"] in str(tasks)
