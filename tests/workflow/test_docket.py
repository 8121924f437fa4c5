"""What the docket takes from strangers: files, so much an hour, with a deadline; and what a ruling does before there is a notice."""

from datetime import datetime

import pytest
from sqlalchemy import text

from tests.rig import Award
from tests.workflow.committee import ok, refused
from tests.workflow.year import LAST_INSTANT, OVER, Year, points

THREE = [{"material": points(700 - place)} for place in range(3)]
PDF = b"%PDF-1.7 proof"
instant = datetime.fromisoformat


def test_an_objector_adds_files_by_the_tracking_code_and_follows_the_deadline(award: Award) -> None:
    year = Year(award, 2060, THREE)
    notice = year.noticed()
    received = ok(year.anyone.post(f"/notices/{notice}/objections", json={"text": "有证据", "application": year.names[0]}))
    path = f"/objections/{received['id']}"
    files = f"{path}/attachments"
    assert year.anyone.post(files, params={"name": "a.pdf"}, content=PDF, headers={"Tracking-Code": "guess"}).status_code == 404
    code = {"Tracking-Code": received["tracking_code"]}
    kept = ok(year.anyone.post(files, params={"name": "证据.pdf"}, content=PDF, headers=code))
    assert year.anyone.post(files, params={"name": "a.txt"}, content=b"text", headers=code).status_code == 415
    assert year.office.get(f"{files}/{kept['id']}/content").content == PDF
    assert [one["name"] for one in ok(year.committee.supervisor.get(files))["items"]] == ["证据.pdf"]
    assert award.client("supervisor", "stranger").get(files).status_code == 404
    award.at(LAST_INSTANT)
    assert not ok(year.office.get(path))["overdue"]
    award.at(OVER)
    read = year.office.get(path)
    assert (instant(read.json()["due"]), read.json()["overdue"]) == (instant(OVER), True)
    body = {"findings": "正在调查", "due_on": "2026-09-20"}
    later = ok(year.office.put(f"{path}/investigation", json=body, headers={"If-Match": read.headers["etag"]}))
    assert (instant(later["due"]), later["overdue"]) == (instant("2026-09-21T00:00:00+08:00"), False)
    dues = {task["href"]: task["due"] for task in ok(year.office.get("/me"))["tasks"]}
    assert instant(dues[f"/api/v1{path}"]) == instant(later["due"])
    ok(year.office.post("/objections/dismissals", json={"items": [{"objection": received["id"], "reasons": "证据不足"}]}))
    assert year.anyone.post(files, params={"name": "b.pdf"}, content=PDF, headers=code).json()["code"] == "objection_settled"


def test_one_address_sends_so_much_an_hour(award: Award) -> None:
    year = Year(award, 2061, THREE)
    engine = award.database("workflow")

    def had(count: int, hours_ago: int) -> None:
        with engine.begin() as database:
            since = {"count": count, "hours": hours_ago}
            database.execute(text("update arrival set count = :count, since = now() - make_interval(hours => :hours)"), since)

    report = f"/cycles/{year.cycle}/reports"
    ok(year.anyone.post(report, json={"text": "一"}))
    with engine.connect() as database:
        assert b"127.0.0.1" not in database.execute(text("select address from arrival")).scalar_one()
    had(60, 0)
    for forged in ("Quality-Award-Address", "X-Forwarded-For", "X-Real-IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP"):
        assert year.anyone.post(report, json={"text": "二"}, headers={forged: "203.0.113.9"}).status_code == 429, forged
    assert year.anyone.post(report, json={"text": "二"}, headers={"Forwarded": "for=203.0.113.9"}).status_code == 429
    answer = year.anyone.post(report, json={"text": "三"})
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_requests")
    assert 3_500 < int(answer.headers["retry-after"]) <= 3_600
    had(60, 1)
    ok(year.anyone.post(report, json={"text": "四"}))
    engine.dispose()


def test_what_comes_to_light_before_any_vote_disqualifies(award: Award) -> None:
    year = Year(award, 2062, THREE).reviewed()
    report = ok(year.anyone.post(f"/cycles/{year.cycle}/reports", json={"text": "材料造假", "application": year.names[0]}))
    assert ok(year.rule(report["id"], removes_name=True))["removed"]
    year.report("site", {name: year.site[name] for name in year.names[1:]})
    ok(year.post("evaluation"))
    found = ok(year.office.get(f"/cycles/{year.cycle}/evaluation"))["applications"]
    assert {one["application"] for one in found} == set(year.names[1:])


def test_the_government_refuses_after_it_approved_and_the_rest_is_approved_anew(award: Award) -> None:
    year = Year(award, 2063, THREE)
    year.noticed(2)
    award.at(OVER)
    scan = ok(year.office.post(f"/cycles/{year.cycle}/attachments", params={"name": "批复.pdf"}, content=PDF))["id"]
    assert year.post("approval", decision="approve", document_number="x", dated="2026-09-09", scan=year.cycle).status_code == 404
    approved = ok(year.post("approval", decision="approve", document_number="金东政发〔2026〕12号", dated="2026-09-09", scan=scan))
    assert (len(approved["awards"]), approved["scan"]) == (2, scan)
    files = f"/cycles/{year.cycle}/attachments"
    assert year.office.get(f"{files}/{scan}/content").content == PDF
    assert [one["id"] for one in ok(year.committee.chair.get(files))["items"]] == [scan]
    back = ok(year.post("approval", decision="refuse", document_number="金东政函〔2026〕3号", dated="2026-09-09", names=[year.names[0]]))
    assert (back["phase"], back["awards"]) == ("deliberation", [])
    ok(year.post("deliberation-end", reasons="不再递补"))
    ok(year.approve())
    ok(year.post("publication", document="金东政发〔2026〕13号", medium="网站", published_on="2026-09-09"))
    assert [one["application"] for one in ok(year.office.get("/awards", params={"year": 2063}))["items"]] == [year.names[1]]
    refused(year.approve(), "wrong_state", "5.4.3")
    refused(year.post("publication", document="再次", medium="网站", published_on="2026-09-09"), "wrong_state", "5.4.3")


@pytest.mark.full
def test_a_name_is_removed_by_motion_once(award: Award) -> None:
    year = Year(award, 2036, THREE)
    year.noticed(2)
    stranger = {"kind": "removal", "title": "移出", "text": "失信", "application": year.cycle}
    assert year.office.post(f"/cycles/{year.cycle}/motions", json=stranger).status_code == 404
    lost = year.committee.decide(year.cycle, "removal", yes=1, text="被列入严重失信名单", application=year.names[0])
    refused(year.post("removals", motion=lost["id"]), "motion_not_passed", "5.4.2")
    motion = year.committee.decide(year.cycle, "removal", text="被列入严重失信名单", application=year.names[0])
    removed = ok(year.post("removals", motion=motion["id"]))
    assert {one["application"]: one["state"] for one in removed["names"]} == {year.names[0]: "fallen", year.names[1]: "running"}
    assert year.phase() == "deliberation"
    assert year.post("removals", motion=motion["id"]).status_code == 404
