import pytest

from tests.rig import Award
from tests.scoring.year import REVIEWER, Year, is_absent, refusal

TEAM = ("leader", "second", "third")


@pytest.fixture(scope="module")
def year(award: Award) -> Year:
    award.at("2026-05-01T09:00:00+08:00")
    made = Year(award, 2026)
    made.appoint(*TEAM, "fourth", leaders=["leader"])
    return made


@pytest.fixture(scope="module")
def applications(year: Year) -> list[str]:
    return year.close_screening(12)


@pytest.mark.parametrize(
    ("change", "code", "clause"),
    [
        ({"years": 4}, "reviewer_experience", "2.4.2"),
        ({"degree": "associate"}, "reviewer_education", "2.4.2"),
        ({"policy_knowledge_on": None}, "reviewer_policy_knowledge", "2.4.1"),
        ({"ethics_on": "2026-05-02"}, "reviewer_ethics", "2.4.4"),
        ({"trainings": REVIEWER["trainings"][:1]}, "reviewer_untrained", "2.4.3"),  # type: ignore[index]
    ],
)
def test_who_lacks_a_qualification_is_not_appointed(year: Year, change: dict[str, object], code: str, clause: str) -> None:
    answer = year.office.post("/reviewers", json=REVIEWER | {"person": "nobody", "name": "无"} | change)
    assert refusal(answer) == (409, code, clause)


def test_a_senior_title_stands_in_for_the_degree_and_nobody_is_appointed_twice(year: Year) -> None:
    new = REVIEWER | {"person": year.person("titled"), "name": "职称", "degree": "none", "senior_title": True}
    assert year.office.post("/reviewers", json=new, params={"dry_run": True}).status_code == 201
    made = year.office.post("/reviewers", json=new)
    assert made.status_code == 201
    assert refusal(year.office.post("/reviewers", json=new)) == (409, "reviewer_appointed_already", None)
    where, tag = f"/reviewers/{made.json()['id']}", {"If-Match": made.headers["etag"]}
    changed = year.office.patch(where, json={"years": 3}, headers=tag)
    assert refusal(changed) == (409, "reviewer_experience", "2.4.2")
    assert refusal(year.office.patch(where, json={"ethics_on": None}, headers=tag)) == (409, "reviewer_ethics", "2.4.4")
    done = year.office.patch(where, json={"years": 9, "name": None}, headers=tag).json()
    assert (done["years"], done["name"], done["version"]) == (9, "职称", 2)


def test_the_roster_is_the_offices_alone(year: Year) -> None:
    assert year.client("leader").get("/reviewers").status_code == 403
    assert year.supervisor.get("/reviewers").status_code == 200
    assert year.supervisor.post("/reviewers", json=REVIEWER | {"person": "x", "name": "x"}).status_code == 403


def test_a_panel_is_three_led_by_one_of_them_who_is_qualified(year: Year, applications: list[str]) -> None:
    def form(members: tuple[str, ...], leader: str) -> tuple[int, str, str | None]:
        return refusal(year.office.post("/panels", json=year.panel_body(members, applications[:1], leader)))

    assert form(("leader", "second"), "leader") == (409, "panel_too_small", "2.0")
    assert form(TEAM, "second") == (409, "panel_leader_unqualified", "2.0")
    assert form(("second", "third", "fourth"), "leader") == (409, "panel_leader_no_member", "2.0")
    assert form((*TEAM, "stranger"), "leader") == (409, "not_on_roster", None)


def test_a_panel_gets_only_what_stands_in_the_eligible_list_and_each_of_it_once(year: Year, applications: list[str]) -> None:
    unknown = year.panel_body(TEAM, ["0197a1c2-7d30-7cc1-9e0b-5a4d6f3e2b10"])
    assert refusal(year.office.post("/panels", json=unknown)) == (409, "not_in_eligible_list", "5.3.2")
    year.tell("intake", "application.withdrawn", cycle=year.id, application=applications[1])
    assert refusal(year.office.post("/panels", json=year.panel_body(TEAM, [applications[1]]))) == (409, "not_in_eligible_list", "5.3.2")
    panel = year.form(TEAM, [applications[2]])
    assert refusal(year.office.post("/panels", json=year.panel_body(TEAM, [applications[2]]))) == (409, "application_has_a_panel", None)
    more = year.office.post(f"/panels/{panel}/applications", json={"applications": [applications[3]]})
    assert [one["application"] for one in more.json()["applications"]] == [applications[2], applications[3]]
    year.undertake("leader")
    assert year.sheet("leader", applications[3])


def test_a_declared_interest_keeps_its_holder_off_the_panel(year: Year, applications: list[str]) -> None:
    code = year.codes[applications[4]]
    interest = {"credit_code": code, "kind": "kinship", "reason": "配偶任职"}
    wrong = interest | {"credit_code": code[:-1] + ("A" if code[-1] != "A" else "B")}
    answer = year.client("fourth").put("/me/interests", json={"interests": [wrong]})
    assert refusal(answer) == (409, "credit_code_check_character", "3.1")
    declared = year.client("fourth").put("/me/interests", json={"interests": [interest]})
    again = year.client("fourth").put("/me/interests", json={"interests": []})
    assert (
        [one["credit_code"] for one in again.json()["interests"]] == [code] == [one["credit_code"] for one in declared.json()["interests"]]
    )
    body = year.panel_body(("leader", "second", "third", "fourth"), [applications[4]])
    assert refusal(year.office.post("/panels", json=body)) == (409, "recused", "2.4.5")
    lifting = {"person": year.person("fourth"), "credit_code": code, "reason": "误填"}
    assert year.office.post("/reviewers/recusals/lifting", json=lifting).status_code == 200
    assert year.office.post("/panels", json=body).status_code == 201


def test_there_is_no_access_without_the_undertaking(award: Award) -> None:
    year = Year(award, 2027)
    year.appoint(*TEAM, leaders=["leader"])
    [application] = year.close_screening(1)
    panel = year.form(TEAM, [application])
    second = year.client("second")
    assert refusal(second.get(f"/panels/{panel}")) == (409, "undertaking_missing", "7.6")
    assert second.get("/panels").json()["items"] == second.get("/sheets").json()["items"] == []
    assert not year.may_read("second", application)
    assert [task["clause"] for task in year.tasks("second")] == ["7.6"]
    year.undertake("second")
    assert second.get(f"/panels/{panel}").status_code == 200
    assert len(second.get("/panels").json()["items"]) == len(second.get("/sheets").json()["items"]) == 1
    assert year.may_read("second", application)
    assert [task["clause"] for task in year.tasks("second")] == ["2.3.1"]


def test_to_whoever_does_not_sit_on_it_a_panel_is_absent(year: Year, applications: list[str]) -> None:
    panel = year.form(TEAM, [applications[5]])
    year.appoint("outsider")
    year.undertake("outsider", "leader")
    outsider, sheet = year.client("outsider"), year.sheet("leader", applications[5])
    for path in (
        f"/panels/{panel}",
        f"/sheets/{sheet}",
        f"/panels/{panel}/applications/{applications[5]}/sheets",
        f"/panels/{panel}/reports",
    ):
        assert is_absent(outsider.get(path)), path
    assert is_absent(outsider.post(f"/sheets/{sheet}/submission"))
    assert outsider.get("/panels").json()["items"] == []
    assert not year.may_read("outsider", applications[5])


def test_a_recusal_follows_the_person_through_every_read(year: Year, applications: list[str]) -> None:
    year.undertake(*TEAM)
    panel = year.form(TEAM, applications[6:8])
    second, sheet = year.client("second"), year.sheet("second", applications[6])
    asked = {"person": year.person("second"), "application": applications[6], "reason": "本人曾任职"}
    assert is_absent(year.client("third").post(f"/panels/{panel}/recusals", json=asked))
    assert second.post(f"/panels/{panel}/recusals", json=asked).status_code == 201
    assert [one["application"] for one in second.get(f"/panels/{panel}").json()["applications"]] == [applications[7]]
    assert is_absent(second.get(f"/sheets/{sheet}"))
    assert is_absent(second.get(f"/panels/{panel}/applications/{applications[6]}/consensus"))
    assert applications[6] not in {one["application"] for one in second.get("/sheets").json()["items"]}
    assert not year.may_read("second", applications[6])
    assert year.may_read("second", applications[7])
    seen = {one["application"]: one["eligible_members"] for one in year.office.get(f"/panels/{panel}").json()["applications"]}
    assert seen[applications[6]] == sorted([year.person("leader"), year.person("third")])


def test_an_applicants_granted_request_recuses_too(year: Year, applications: list[str]) -> None:
    year.undertake(*TEAM)
    year.form(TEAM, [applications[8]])
    assert year.may_read("third", applications[8])
    code = year.codes[applications[8]]
    year.tell("intake", "recusal.granted", person=year.person("third"), credit_code=code, reason="竞争对手")
    assert not year.may_read("third", applications[8])
    assert year.client("third").get("/me/interests").json()["interests"] == []


def test_a_replacement_must_be_free_of_interest_and_a_leader_qualified(year: Year, applications: list[str]) -> None:
    year.appoint("deputy", "conflicted", leaders=["deputy"])
    panel = year.form(TEAM, [applications[9]])
    interest = {"credit_code": year.codes[applications[9]], "kind": "advice", "reason": "咨询"}
    year.client("conflicted").put("/me/interests", json={"interests": [interest]})

    def replace(outgoing: str, incoming: str) -> dict[str, str]:
        return {"outgoing": year.person(outgoing), "incoming": year.person(incoming), "reason": "更换"}

    where = f"/panels/{panel}/replacements"
    assert refusal(year.office.post(where, json=replace("second", "conflicted"))) == (409, "recused", "2.4.5")
    assert refusal(year.office.post(where, json=replace("leader", "fourth"))) == (409, "panel_leader_unqualified", "2.0")
    assert refusal(year.office.post(where, json=replace("fourth", "deputy"))) == (409, "not_a_member", None)
    done = year.office.post(where, json=replace("leader", "deputy"))
    assert done.json()["leader"] == year.person("deputy")
    assert is_absent(year.client("leader").get(f"/panels/{panel}"))


def test_a_disqualified_reviewer_loses_access_at_once(year: Year, applications: list[str]) -> None:
    year.appoint("fifth")
    year.undertake("fifth")
    panel = year.form(("leader", "second", "third", "fifth"), [applications[10]])
    fifth = year.client("fifth")
    assert fifth.get(f"/panels/{panel}").status_code == 200
    roster = year.office.get("/reviewers", params={"limit": 200}).json()["items"]
    [reviewer] = [one["id"] for one in roster if one["person"] == year.person("fifth")]
    assert year.office.post(f"/reviewers/{reviewer}/sanctions", json={"kind": "warning", "reason": "迟交"}).status_code == 200
    assert fifth.get(f"/panels/{panel}").status_code == 200
    assert year.office.post(f"/reviewers/{reviewer}/sanctions", json={"kind": "disqualification", "reason": "泄密"}).status_code == 200
    assert refusal(fifth.get(f"/panels/{panel}")) == (409, "disqualified_from_review", "7.6")
    assert fifth.get("/sheets").json()["items"] == []
    assert not year.may_read("fifth", applications[10])
    body = year.panel_body(("leader", "second", "fifth"), [applications[11]])
    assert refusal(year.office.post("/panels", json=body)) == (409, "disqualified_from_review", "7.6")


def test_closure_dissolves_the_panels_and_ends_their_access(award: Award) -> None:
    year = Year(award, 2028)
    year.appoint(*TEAM, leaders=["leader"])
    year.undertake(*TEAM)
    [application] = year.close_screening(1)
    panel = year.form(TEAM, [application])
    sheet = year.sheet("leader", application)
    year.tell("workflow", "cycle.closed", cycle=year.id)
    leader = year.client("leader")
    assert refusal(leader.get(f"/panels/{panel}")) == (409, "panel_dissolved", "2.3.end")
    assert refusal(leader.get(f"/sheets/{sheet}")) == (409, "panel_dissolved", "2.3.end")
    assert leader.get("/panels").json()["items"] == leader.get("/sheets").json()["items"] == []
    assert not year.may_read("leader", application)
    assert year.office.get(f"/panels/{panel}").json()["state"] == "dissolved"


def test_rubrics_are_anybodys_to_read(award: Award) -> None:
    anyone = award.client()
    assert {one["id"] for one in anyone.get("/rubrics").json()} == {"baldrige-2021", "gbt-19580-2012"}
    assert len(anyone.get("/rubrics/gbt-19580-2012").json()["items"]) == 23
    assert is_absent(anyone.get("/rubrics/other"))


def test_the_office_is_told_what_the_panels_lack(award: Award) -> None:
    year = Year(award, 2029)
    year.appoint(*TEAM, leaders=["leader"])
    [application] = year.close_screening(1)
    assert [task["clause"] for task in year.office_tasks()] == ["2.2.2"]
    year.form(TEAM, [application])
    assert year.office_tasks() == []
    year.tell("gateway", "account.disabled", person=year.person("third"))
    assert [task["clause"] for task in year.office_tasks()] == ["2.0"]


def test_a_lifted_recusal_gives_a_fresh_sheet(award: Award) -> None:
    year = Year(award, 2030)
    year.appoint(*TEAM, leaders=["leader"])
    year.undertake(*TEAM)
    [application] = year.close_screening(1)
    panel = year.form(TEAM, [application])
    first = year.hand_in("third", application).json()["id"]
    recusal = {"person": year.person("third"), "application": application, "reason": "疑似"}
    assert year.office.post(f"/panels/{panel}/recusals", json=recusal).status_code == 201
    assert year.client("third").get("/sheets").json()["items"] == []
    lifting = {"person": year.person("third"), "credit_code": year.codes[application], "reason": "经核实无关系"}
    assert year.office.post("/reviewers/recusals/lifting", json=lifting).status_code == 200
    assert is_absent(year.office.post("/reviewers/recusals/lifting", json=lifting))
    assert is_absent(year.client("third").get(f"/sheets/{first}"))
    again = year.sheet("third", application)
    assert again != first
    for name in TEAM:
        last = year.hand_in(name, application).json()["state"]
    assert last == "opened"


def test_an_officer_does_not_find_what_they_are_recused_from(award: Award) -> None:
    year = Year(award, 2031)
    year.appoint(*TEAM, leaders=["leader"])
    hidden, seen = year.close_screening(2)
    interest = {"credit_code": year.codes[hidden], "kind": "kinship", "reason": "亲属"}
    assert year.office.put("/me/interests", json={"interests": [interest]}).status_code == 200
    assert refusal(year.office.post("/panels", json=year.panel_body(TEAM, [hidden]))) == (409, "not_in_eligible_list", "5.3.2")
    colleague = award.client("committee", f"colleague-{year.mark}", duties=["office"])
    assert refusal(colleague.post("/panels", json=year.panel_body(TEAM, [seen]))) == (409, "undertaking_missing", "7.6")
    assert colleague.get("/panels").json()["items"] == []
    assert colleague.post("/me/undertakings", json={"cycle": year.id}).status_code == 201
    panel = colleague.post("/panels", json=year.panel_body(TEAM, [seen])).json()["id"]
    assert year.office_tasks() == []
    assert colleague.post(f"/panels/{panel}/applications", json={"applications": [hidden]}).status_code == 200
    assert [one["application"] for one in year.office.get(f"/panels/{panel}").json()["applications"]] == [seen]
    recusal = {"person": year.person("third"), "application": hidden, "reason": "疑似"}
    assert is_absent(year.office.post(f"/panels/{panel}/recusals", json=recusal))
    assert colleague.post(f"/panels/{panel}/recusals", json=recusal).status_code == 201
    for person in (year.office_person, year.person("third")):
        lifting = {"person": person, "credit_code": year.codes[hidden], "reason": "自己或亲友解除"}
        assert is_absent(year.office.post("/reviewers/recusals/lifting", json=lifting))
    assert colleague.post("/reviewers/recusals/lifting", json=lifting).status_code == 200
