import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from sqlalchemy import text

from tests.rig import Award
from tests.scoring.year import RUBRIC, Year, file_of, is_absent, rating, refusal

TEAM = ("leader", "second", "third")
EXACTLY_610 = {"4.7.2": 65, "4.7.3": 65, "4.2.2": 65}
JUST_UNDER_610 = {"4.7.2": 65, "4.7.3": 65, "4.4.3": 65, "4.4.4": 65}


@pytest.fixture(scope="module")
def year(award: Award) -> Year:
    award.at("2026-05-01T09:00:00+08:00")
    made = Year(award, 2026)
    made.appoint(*TEAM, "fourth", "spare", leaders=["leader"])
    made.undertake(*TEAM, "fourth", "spare")
    made.close_screening(14)
    return made


@pytest.fixture
def fresh(year: Year) -> tuple[str, str]:
    """A panel of three with one application."""
    application = next(one for one in year.codes if one not in year.used)
    year.used.add(application)
    return year.form(TEAM, [application]), application


def test_a_rating_is_a_multiple_of_five_of_an_item_of_the_rubric(year: Year, fresh: tuple[str, str]) -> None:
    leader = year.client("leader")
    where = f"/sheets/{year.sheet('leader', fresh[1])}"

    def rate(item: str, percent: int, tag: str) -> tuple[int, str, str | None]:
        return refusal(leader.put(f"{where}/items/{item}", json=rating(percent), headers={"If-Match": tag}))

    assert rate("4.1.2", 63, '"1"') == (409, "rating", "4.1")
    assert rate("4.1.2", 105, '"1"') == (409, "rating", "4.1")
    assert rate("9.9.9", 60, '"1"') == (409, "rubric_item_unknown", "4.1")
    unheard = {"evidence": [{"section": "gossip"}]}
    said = leader.put(f"{where}/items/4.1.2", json=rating(60) | unheard, headers={"If-Match": '"1"'})
    assert refusal(said) == (409, "evidence_section_unknown", None)
    for file in (file_of(next(one for one in year.codes if one != fresh[1])), str(uuid4())):  # another dossier's is as absent as none
        unseen = leader.put(f"{where}/items/4.1.2", json=rating(60) | {"evidence": [{"attachment": file}]}, headers={"If-Match": '"1"'})
        assert is_absent(unseen)
    assert rate("4.1.2", 60, '"7"') == (412, "version_stale", None)
    assert leader.put(f"{where}/items/4.1.2", json=rating(60)).status_code == 428
    proof = {"evidence": [{"attachment": file_of(fresh[1]), "place": "第3页"}]}
    done = leader.put(f"{where}/items/4.1.2", json=rating(100) | proof, headers={"If-Match": '"1"'})
    assert next(one["evidence"] for one in done.json()["items"] if one["item"] == "4.1.2") == proof["evidence"]
    assert [one["percent"] for one in done.json()["items"] if one["percent"] is not None] == [100]
    assert done.json()["total"] is None
    assert not done.json()["actions"]["submit"]["allowed"]
    assert refusal(leader.post(f"{where}/submission")) == (409, "ratings_missing", "4.1")


def test_a_sealed_sheet_is_read_by_nobody_until_the_last_one_is_in(year: Year, fresh: tuple[str, str]) -> None:
    panel, application = fresh
    opened = f"/panels/{panel}/applications/{application}/sheets"
    sealed = year.hand_in("second", application, 85).json()
    assert sealed["state"] == "sealed"
    assert refusal(year.rate("second", sealed["id"], 90)) == (409, "wrong_state", "2.3.1")
    year.hand_in("third", application, 65)
    for name in ("leader", "second", "third"):
        assert is_absent(year.client(name).get(opened))
        assert is_absent(year.client(name).get(opened.replace("/sheets", "/consensus")))
    assert is_absent(year.client("leader").get(f"/sheets/{sealed['id']}"))
    assert is_absent(year.supervisor.get(opened))
    assert year.office.get(opened).status_code == year.office.get(f"/sheets/{sealed['id']}").status_code == 403
    assert {"sheets", "total", "items", "sealed"}.isdisjoint(year.office.get(f"/panels/{panel}").json()["applications"][0])
    assert year.hand_in("leader", application, 60).json()["state"] == "opened"
    sheets = year.client("leader").get(opened).json()["sheets"]
    assert sorted(sheet["total"]["points"] for sheet in sheets) == ["600.00", "650.00", "850.00"]
    assert is_absent(year.client("fourth").get(opened))
    assert is_absent(year.award.client("supervisor", "supervisor-of-another-year").get(opened))
    assert year.supervisor.get(opened).json()["sheets"] == sheets


def test_of_three_who_submit_at_once_the_last_opens_the_sheets(year: Year, fresh: tuple[str, str]) -> None:
    sheets = {name: year.sheet(name, fresh[1]) for name in TEAM}
    for name, sheet in sheets.items():
        assert year.rate(name, sheet).status_code == 200
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda name: year.client(name).post(f"/sheets/{sheets[name]}/submission").json()["state"], TEAM))
    assert sorted(answers) == ["opened", "sealed", "sealed"]
    assert {year.client(name).get(f"/sheets/{sheet}").json()["state"] for name, sheet in sheets.items()} == {"opened"}


def test_the_record_holds_a_sheets_commitment_alone_and_the_opened_sheet_proves_it(year: Year, fresh: tuple[str, str]) -> None:
    panel, application = fresh
    for name in TEAM:
        year.hand_in(name, application, better=EXACTLY_610)
    engine = year.award.database("scoring")
    with engine.connect() as database:
        rows = database.execute(text("select subject, facts from event where kind = 'sheet.sealed'")).all()
    engine.dispose()
    committed = {row.subject.removeprefix("sheet:"): row.facts for row in rows}
    for sheet in year.client("third").get(f"/panels/{panel}/applications/{application}/sheets").json()["sheets"]:
        assert sheet["total"] == {"twentieths": 12200, "points": "610.00"}
        assert committed[sheet["id"]] == {"commitment": sheet["commitment"]}
        assert len(sheet["nonce"]) == len(sheet["salt"]) == 64


def test_whoever_reads_an_opened_sheet_checks_its_commitment_by_hashing_alone(year: Year, fresh: tuple[str, str]) -> None:
    panel, application = fresh
    seen = {name: year.hand_in(name, application, better=EXACTLY_610).json()["commitment"] for name in TEAM}
    for sheet in year.client("second").get(f"/panels/{panel}/applications/{application}/sheets").json()["sheets"]:
        texts = hashlib.sha256(bytes.fromhex(sheet["salt"]) + sheet["committed_texts"].encode()).digest()
        commitment = hashlib.sha256(bytes.fromhex(sheet["nonce"]) + sheet["committed_ratings"].encode() + texts).hexdigest()
        assert (texts.hex(), commitment) == (sheet["texts_hash"], sheet["commitment"])
        assert commitment in seen.values()
        assert json.loads(sheet["committed_ratings"]) == {one["item"]: one["percent"] for one in sheet["items"]}
        written = {one["item"]: {key: one[key] for key in ("strengths", "opportunities", "evidence")} for one in sheet["items"]}
        assert json.loads(sheet["committed_texts"]) == written
        assert written["4.1.2"]["evidence"] == [{"section": "self_assessment", "place": "第12页"}]


def test_the_office_opens_a_round_early_with_a_reason_but_never_under_three_sheets(year: Year) -> None:
    application = next(one for one in year.codes if one not in year.used)
    year.used.add(application)
    panel = year.form((*TEAM, "fourth"), [application])
    where = f"/panels/{panel}/applications/{application}/opening"
    year.hand_in("leader", application)
    year.hand_in("second", application)
    late = year.sheet("fourth", application)
    assert refusal(year.office.post(where, json={"reason": "因病"})) == (409, "too_few_sheets", "2.0")
    year.hand_in("third", application)
    assert year.office.post(where, json={}).status_code == 422
    assert year.office.post(where, json={"reason": "因病"}, params={"dry_run": True}).json()["counted"] == 3
    assert year.office.post(where, json={"reason": "因病"}).json()["counted"] == 3
    assert refusal(year.office.post(where, json={"reason": "再次"})) == (409, "wrong_state", "2.3.1")
    assert is_absent(year.client("fourth").get(f"/sheets/{late}"))
    seen = year.client("fourth").get(f"/panels/{panel}/applications/{application}/sheets").json()
    assert (len(seen["sheets"]), seen["not_counted"], seen["closing_reason"]) == (
        3,
        [{"id": late, "person": year.person("fourth"), "why": "round_closed"}],
        "因病",
    )


def test_a_recusal_withdraws_the_sheet_and_a_replacement_scores_blind(year: Year, fresh: tuple[str, str]) -> None:
    panel, application = fresh
    opened = f"/panels/{panel}/applications/{application}/sheets"
    for name in TEAM:
        year.hand_in(name, application)
    assert year.agree("leader", panel, application).status_code == 200
    for name in TEAM:
        assert year.sign(name, panel, application).status_code == 201
    recusal = {"person": year.person("third"), "application": application, "reason": "利益关系"}
    assert year.office.post(f"/panels/{panel}/recusals", json=recusal).status_code == 201
    assert is_absent(year.client("third").get(opened))
    assert year.client("leader").get(opened.replace("/sheets", "/consensus")).json()["signatures"] == []
    report = {"text": "报告", "recommended": [application]}
    assert refusal(year.client("leader").post(f"/panels/{panel}/report", json=report)) == (409, "panel_too_few_eligible", "2.0")
    change = {"outgoing": year.person("third"), "incoming": year.person("spare"), "reason": "回避后补充"}
    assert year.office.post(f"/panels/{panel}/replacements", json=change).status_code == 200
    spare = year.client("spare")
    assert is_absent(spare.get(opened))
    assert len(year.client("second").get(opened).json()["sheets"]) == 2
    assert year.client("leader").get(f"/panels/{panel}/diagnostics").json()["sheets"] == 2
    assert refusal(year.client("leader").post(f"/panels/{panel}/report", json=report))[1] == "report_unsigned"
    assert year.hand_in("spare", application, 65).json()["state"] == "opened"
    assert len(spare.get(opened).json()["sheets"]) == 3
    for name in ("leader", "second", "spare"):
        assert year.sign(name, panel, application).status_code == 201
    made = year.client("leader").post(f"/panels/{panel}/report", json=report)
    [result] = made.json()["results"]
    assert (result["numerator"], result["denominator"], result["points"]) == (37000, 3, "616.66")
    assert [one["why"] for one in result["not_counted"]] == ["recused"]


def test_a_stored_answer_is_given_again_only_to_who_could_read_it_now(award: Award, year: Year, fresh: tuple[str, str]) -> None:
    panel, application = fresh
    third, sheet = year.client("third"), year.sheet("third", application)
    assert year.rate("third", sheet).status_code == 200
    handed_in = ("POST", f"/sheets/{sheet}/submission", {"headers": {"Idempotency-Key": f"handed-in-{sheet}"}})
    recusal = {"person": year.person("third"), "application": application, "reason": "利益关系"}
    recused = ("POST", f"/panels/{panel}/recusals", {"json": recusal, "headers": {"Idempotency-Key": f"recused-{sheet}"}})
    clerk = award.client("committee", f"repeater-{year.mark}", duties=["office"])
    undertaken = ("POST", "/me/undertakings", {"json": {"cycle": year.id}, "headers": {"Idempotency-Key": f"sworn-{year.mark}"}})
    other = next(one for one in year.codes if one not in year.used)
    year.used.add(other)
    form = {"json": year.panel_body(TEAM, [other]), "headers": {"Idempotency-Key": f"formed-{other}"}}
    formed = ("POST", "/panels", form)
    for caller, (method, path, given) in ((third, handed_in), (third, recused), (clerk, undertaken), (clerk, formed)):
        first, again = (caller.request(method, path, **given) for _ in range(2))
        assert (first.is_success, again.json(), "idempotent-replayed" in again.headers) == (True, first.json(), True), first.text
    interest = {"credit_code": year.codes[other], "kind": "kinship", "reason": "配偶任职"}
    assert clerk.put("/me/interests", json={"interests": [interest]}).status_code == 200
    assert is_absent(third.request(handed_in[0], handed_in[1], **handed_in[2]))
    assert is_absent(clerk.request(formed[0], formed[1], **formed[2]))
    assert clerk.request(undertaken[0], undertaken[1], **undertaken[2]).status_code == 201
    year.tell("gateway", "account.sanctioned", person=f"repeater-{year.mark}", kind="disqualification")
    assert refusal(clerk.request(undertaken[0], undertaken[1], **undertaken[2])) == (409, "disqualified_from_review", "7.6")


def test_a_consensus_beyond_the_spread_needs_its_reason(year: Year, fresh: tuple[str, str]) -> None:
    panel, application = fresh
    year.hand_in("leader", application)
    year.hand_in("second", application)
    year.hand_in("third", application, better={"4.1.2": 85})
    assert refusal(year.agree("leader", panel, application, better={"4.1.3": 85})) == (409, "change_unexplained", "2.1.1")
    explained = {"4.1.3": "补充证据"}
    assert refusal(year.agree("leader", panel, application, reasons=explained, better={"4.1.2": 70, "4.1.3": 85})) == (
        409,
        "spread_unexplained",
        "2.1.1",
    )
    assert year.agree("second", panel, application).status_code == 403
    done = year.agree("leader", panel, application, reasons=explained | {"4.1.2": "讨论"}, better={"4.1.2": 70, "4.1.3": 85}).json()
    [moved] = [one for one in done["items"] if one["item"] == "4.1.2"]
    assert sorted(moved["changes"].values()) == [-15, 10, 10]
    assert done["version"] == 1


def test_a_report_waits_for_the_leaders_signature_and_every_members_stance(year: Year, fresh: tuple[str, str]) -> None:
    panel, application = fresh
    leader, where = year.client("leader"), f"/panels/{panel}/report"
    report = {"text": "本组报告", "recommended": [application]}
    for name in TEAM:
        year.hand_in(name, application, better=JUST_UNDER_610)
    assert refusal(leader.post(where, json=report)) == (409, "consensus_missing", "4.2")
    year.agree("leader", panel, application, better=JUST_UNDER_610)
    assert refusal(leader.post(where, json=report)) == (409, "report_unsigned", "2.3.1")
    year.sign("leader", panel, application)
    year.sign("second", panel, application)
    agreeing = f"/panels/{panel}/applications/{application}/consensus"
    assert {name for name in TEAM if any(task["href"].endswith(agreeing) for task in year.tasks(name))} == {"third"}
    assert refusal(leader.post(where, json=report)) == (409, "report_stance_missing", "2.3.1")
    assert refusal(year.sign("third", panel, application, "dissent")) == (409, "dissent_without_reasons", "2.3.1")
    assert year.sign("third", panel, application, "dissent", "趋势数据不足").status_code == 201
    assert year.client("second").post(where, json=report).status_code == 403
    assert refusal(leader.post(where, json=report | {"recommended": [panel]})) == (409, "recommended_not_reviewed", "2.3.1")
    dropped = leader.post(where, json=report | {"text": "初稿"}).json()
    made = leader.post(where, json=report)
    [result] = made.json()["results"]
    assert (result["points"], len(result["counted"]), made.json()["revision"], made.json()["sent_at"]) == ("609.75", 3, 1, None)
    second, third = year.client("second"), year.client("third")
    agreed, dissent = ({"report": made.json()["id"], "stance": stance} for stance in ("agree", "dissent"))
    assert is_absent(second.post(f"{where}/signatures", json=agreed | {"report": dropped["id"]}))
    assert is_absent(year.client("spare").post(f"{where}/signatures", json=agreed))
    assert second.post(f"{where}/signatures", json=agreed).json()["sent_at"] is None
    waiting = {name for name in TEAM if any(task["href"].endswith(f"{where}s") for task in year.tasks(name))}
    assert waiting == {"third"}
    assert refusal(third.post(f"{where}/signatures", json=dissent)) == (409, "dissent_without_reasons", "2.3.1")
    assert year.office.get(f"{where}s").json()["items"] == []
    sent = third.post(f"{where}/signatures", json=dissent | {"reason": "不同意推荐。"}).json()
    assert (sent["sent_at"] is None, [one["stance"] for one in sent["signatures"]]) == (False, ["agree", "dissent"])
    [read] = year.office.get(f"{where}s").json()["items"]
    assert [one["stance"] for one in read["signatures"]] == ["agree", "dissent"]
    assert year.report(TEAM, panel, report).json()["revision"] == 2
    assert len(third.get(f"{where}s").json()["items"]) == 2
    clerk = year.award.client("committee", year.person("clerk"), duties=["office"])
    assert refusal(clerk.get(f"{where}s")) == (409, "undertaking_missing", "7.6")
    assert len(year.office.get(f"{where}s").json()["items"]) == 2


def test_site_sheets_come_with_the_shortlist_and_wait_for_the_plan(award: Award) -> None:
    year = Year(award, 2027, aggregation="consensus")
    year.appoint(*TEAM, leaders=["leader"])
    year.undertake(*TEAM)
    first, other = year.close_screening(2)
    panel = year.form(TEAM, [first, other])
    leader = year.client("leader")
    plan = {"visits": [{"application": first, "on": "2026-07-06", "programme": "首次会议、现场查看、末次会议"}]}
    for application in (first, other):
        year.settle(TEAM, panel, application, 70)
    assert year.report(TEAM, panel, {"text": "材料评审报告", "recommended": [first]}).status_code == 201
    version = leader.get(f"/panels/{panel}").headers["etag"]
    assert refusal(leader.put(f"/panels/{panel}/site-plan", json=plan, headers={"If-Match": version})) == (409, "wrong_phase", "2.3.2")
    year.tell("workflow", "cycle.phase_changed", cycle=year.id, phase="site_review", action="confirm_shortlist")
    year.tell("workflow", "shortlist.confirmed", cycle=year.id, applications=[first])
    assert [one["application"] for one in leader.get("/sheets").json()["items"] if one["stage"] == "site"] == [first]
    sheet = year.sheet("leader", first, "site")
    assert refusal(year.rate("leader", sheet)) == (409, "site_plan_missing", "2.3.2")
    assert year.client("second").put(f"/panels/{panel}/site-plan", json=plan, headers={"If-Match": version}).status_code == 403
    assert leader.put(f"/panels/{panel}/site-plan", json=plan, headers={"If-Match": version}).status_code == 200
    year.settle(TEAM, panel, first, 65, "site")
    made = year.report(TEAM, panel, {"text": "现场评审报告", "recommended": []}).json()
    assert [(made["stage"], one["points"], one["aggregation"]) for one in made["results"]] == [("site", "650.00", "consensus")]
    material = leader.get(f"/panels/{panel}/applications/{first}/sheets", params={"stage": "material"}).json()
    assert {sheet["total"]["points"] for sheet in material["sheets"]} == {"700.00"}
    year.tell("workflow", "cycle.phase_changed", cycle=year.id, phase="evaluation", action="evaluate")
    late = leader.post(f"/panels/{panel}/report", json={"text": "迟到", "recommended": []})
    assert refusal(late) == (409, "wrong_phase", "2.3.3")


def test_a_withdrawn_application_leaves_the_round_and_the_report(year: Year) -> None:
    [kept, gone] = [one for one in year.codes if one not in year.used][:2]
    year.used |= {kept, gone}
    panel = year.form(TEAM, [kept, gone])
    sheet = year.sheet("leader", gone)
    year.tell("intake", "application.withdrawn", cycle=year.id, application=gone)
    assert is_absent(year.client("leader").get(f"/sheets/{sheet}"))
    year.settle(TEAM, panel, kept)
    made = year.client("leader").post(f"/panels/{panel}/report", json={"text": "报告", "recommended": []})
    assert [one["application"] for one in made.json()["results"]] == [kept]
    assert sum(item.points for item in RUBRIC.items) * 12 == made.json()["results"][0]["numerator"]
