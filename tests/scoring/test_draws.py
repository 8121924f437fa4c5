from typing import Any

import pytest

from tests.rig import Award
from tests.scoring.year import Year, is_absent, refusal

pytestmark = pytest.mark.full

POOL = ("a", "b", "c", "d", "e", "f", "g", "h")
LIMITS = {"size": 3, "applications_per_panel": 2, "floor": 0, "ceiling": 3}


@pytest.fixture(scope="module")
def year(award: Award) -> Year:
    award.at("2026-05-01T09:00:00+08:00")
    made = Year(award, 2026)
    made.appoint(*POOL, leaders=["a", "b", "c"])
    made.close_screening(8)
    return made


def draw(year: Year, applications: list[str], seed: str = "lot", **limits: object) -> dict[str, Any]:
    answer = year.office.post("/draws", json=body(year, applications, seed, **limits))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def body(year: Year, applications: list[str], seed: str = "lot", **limits: object) -> dict[str, Any]:
    pool = [year.person(name) for name in POOL]
    return {"cycle": year.id, "seed": seed, "constraints": LIMITS | limits, "applications": applications, "pool": pool}


def members(panel: dict[str, Any]) -> list[str]:
    return [member["person"] for member in panel["members"]]


def test_a_draw_is_kept_and_gives_the_same_panels_again(year: Year) -> None:
    applications = list(year.codes)
    dry = year.office.post("/draws", json=body(year, applications[:6]), params={"dry_run": True}).json()
    assert is_absent(year.office.get(f"/draws/{dry['id']}"))
    made = draw(year, applications[:6])
    assert (made["panels"], made["objective"]) == (dry["panels"], dry["objective"])
    assert sorted(one for panel in made["panels"] for one in panel["applications"]) == sorted(applications[:6])
    replay = year.supervisor.get(f"/draws/{made['id']}/replay").json()
    assert (replay["same"], replay["panels"]) == (True, made["panels"])
    assert year.supervisor.get(f"/draws/{made['id']}").json()["panels"] == made["panels"]
    assert draw(year, applications[:6], "another lot")["panels"] != made["panels"]
    assert made["id"] in [one["id"] for one in year.office.get("/draws", params={"cycle": year.id}).json()["items"]]
    assert year.client("a").get(f"/draws/{made['id']}").status_code == 403


def test_a_draw_says_why_not_this_reviewer(year: Year) -> None:
    applications = list(year.codes)[:2]
    interest = {
        "credit_code": year.codes[applications[0]],
        "kind": "advice",
        "reason": "咨询",
        "since": "2024-03-01",
        "until": "2024-11-30",
    }
    assert year.client("h").put("/me/interests", json={"interests": [interest]}).json()["interests"][0]["until"] == "2024-11-30"
    made = draw(year, applications)
    [panel] = made["panels"]

    def why(name: str) -> dict[str, Any]:
        person = year.person(name)
        found: dict[str, Any] = year.office.get(f"/draws/{made['id']}/applications/{applications[1]}/reviewers/{person}").json()
        return found

    found = {name: why(name) for name in POOL}
    assert {name for name in POOL if found[name]["verdict"] == "drawn"} == {one for one in POOL if year.person(one) in members(panel)}
    assert (found["h"]["verdict"], found["h"]["clause"], found["h"]["slots"]) == ("recused", "2.4.5", [])
    lots = [one for one in found.values() if one["verdict"] == "lot"]
    assert len(lots) == 4
    assert all(one["objective_with"] > one["objective"] for one in lots)
    assert found["a"]["slots"] == ["leader", "expert", "general"]
    assert found["d"]["slots"] == ["expert", "general"]
    assert why("nobody")["verdict"] == "not_in_pool"


def test_a_panel_keeps_a_seat_for_whoever_knows_a_category_of_the_standard(year: Year) -> None:
    application = next(iter(year.codes))
    refused = year.office.post("/draws", json=body(year, [application], categories=["4.7"]))
    assert (refused.json()["code"], refused.json()["constraint"]) == ("draw_infeasible", "categories")
    assert refusal(year.office.post("/draws", json=body(year, [application], categories=["7"]))) == (409, "category_unknown", None)
    assert year.office.post("/draws", json=body(year, [application], categories=["4.6", "4.7"])).status_code == 422
    roster = {one["person"]: one for one in year.office.get("/reviewers", params={"limit": 200}).json()["items"]}
    knowing = roster[year.person("f")]
    where, tag = f"/reviewers/{knowing['id']}", {"If-Match": f'"{knowing["version"]}"'}
    assert year.office.patch(where, json={"categories": ["4.7"]}, headers=tag).status_code == 200
    listed = year.office.get("/reviewers", params={"section": "C", "category": "4.7"}).json()["items"]
    assert [one["person"] for one in listed] == [year.person("f")]
    assert year.office.get("/reviewers", params={"section": "A"}).json()["items"] == []
    made = draw(year, [application], categories=["4.7"])
    [panel] = made["panels"]
    assert {one["slot"]: one["person"] for one in panel["members"]}["category:4.7"] == year.person("f")
    assert sorted(one["slot"] for one in panel["members"]) == ["category:4.7", "expert", "leader"]
    asked = f"/draws/{made['id']}/applications/{application}/reviewers"
    assert year.office.get(f"{asked}/{year.person('f')}").json()["slots"] == ["expert", "category:4.7"]
    assert year.office.get(f"{asked}/{year.person('d')}").json()["slots"] == ["expert"]
    assert year.office.get(f"/draws/{made['id']}/replay").json()["same"]


def test_where_there_is_no_draw_the_constraint_is_named_and_nothing_kept(year: Year) -> None:
    applications = list(year.codes)[2:8]
    before = len(year.office.get("/draws", params={"limit": 200}).json()["items"])
    answer = year.office.post("/draws", json=body(year, applications, ceiling=1))
    assert refusal(answer) == (409, "draw_infeasible", None)
    assert answer.json()["constraint"] == "ceiling"
    assert year.office.post("/draws", json=body(year, applications, floor=2)).json()["constraint"] == "floor"
    linked = year.office.post("/draws", json=body(year, applications[:4], ceiling=1)).json()
    assert linked["constraint"] == "linked"
    assert len(year.office.get("/draws", params={"limit": 200}).json()["items"]) == before
    assert year.office.post("/draws", json=body(year, applications, size=2)).status_code == 422


def test_the_office_departs_from_a_draw_with_a_reason_but_never_from_the_law(year: Year) -> None:
    application = next(iter(year.codes))
    made = draw(year, [application])
    [panel] = made["panels"]
    leader, *_, general = panel["members"]
    spare = next(name for name in "defg" if year.person(name) not in members(panel))

    def override(outgoing: str, incoming: str, version: int = made["version"]) -> Any:  # noqa: ANN401 - an answer
        change = {"application": application, "outgoing": outgoing, "incoming": incoming, "reason": "出差在外"}
        return year.office.post(f"/draws/{made['id']}/overrides", json=change, headers={"If-Match": f'"{version}"'})

    assert refusal(override(general["person"], year.person("h"))) == (409, "recused", "2.4.5")
    assert refusal(override(leader["person"], year.person(spare))) == (409, "panel_leader_unqualified", "2.0")
    done = override(general["person"], year.person(spare)).json()
    assert members(done["panels"][0]) == [*members(panel)[:-1], year.person(spare)]
    assert [(one["outgoing"], one["reason"], one["by"]) for one in done["overrides"]] == [
        (general["person"], "出差在外", year.office_person)
    ]
    assert override(leader["person"], year.person("a")).status_code == 412
    why = year.office.get(f"/draws/{made['id']}/applications/{application}/reviewers/{year.person(spare)}").json()
    assert (why["verdict"], why["seated"]) == ("override", True)
    assert year.office.get(f"/draws/{made['id']}/replay").json()["same"]


def test_panels_are_formed_from_a_draw_all_or_none(year: Year) -> None:
    applications = list(year.codes)[2:6]
    made = draw(year, applications)
    where, tag = f"/draws/{made['id']}/panels", {"If-Match": f'"{made["version"]}"'}
    drawn = members(made["panels"][0])[1]
    name = drawn.partition("-")[0]
    interest = {"credit_code": year.codes[made["panels"][0]["applications"][0]], "kind": "kinship", "reason": "亲属"}
    year.client(name).put("/me/interests", json={"interests": [interest]})
    assert refusal(year.office.post(where, headers=tag)) == (409, "recused", "2.4.5")
    assert year.office.get("/panels", params={"cycle": year.id}).json()["items"] == []
    again = draw(year, applications)
    assert again["panels"] != made["panels"]
    where, tag = f"/draws/{again['id']}/panels", {"If-Match": f'"{again["version"]}"'}
    assert year.office.post(where, headers=tag).json()["state"] == "formed"
    panels = year.office.get("/panels", params={"cycle": year.id}).json()["items"]
    assert [sorted(one["application"] for one in panel["applications"]) for panel in panels] == [
        sorted(panel["applications"]) for panel in again["panels"]
    ]
    assert [{one["person"] for one in panel["members"]} for panel in panels] == [set(members(panel)) for panel in again["panels"]]
    assert {panel["draw"] for panel in panels} == {again["id"]}
    answer = year.office.post(where, headers={"If-Match": '"2"'})
    assert refusal(answer) == (409, "draw_used", None)
    assert refusal(year.office.post("/draws", json=body(year, applications[:1]))) == (409, "application_has_a_panel", None)


def test_to_an_officer_a_draw_shows_nothing_of_what_they_are_recused_from(year: Year) -> None:
    hidden, seen = list(year.codes)[6:8]
    made = draw(year, [hidden, seen], applications_per_panel=1)
    colleague = year.award.client("committee", "colleague-draws", duties=["office"])
    path = f"/draws/{made['id']}"
    change = {"application": seen, "outgoing": made["panels"][0]["members"][0]["person"], "incoming": year.person("c"), "reason": "出差"}
    for answer in (
        colleague.get(path),
        colleague.post("/draws", json=body(year, [seen])),
        colleague.post(f"{path}/overrides", json=change, headers={"If-Match": '"1"'}),
        colleague.post(f"{path}/panels", headers={"If-Match": '"1"'}),
    ):
        assert refusal(answer) == (409, "undertaking_missing", "7.6")
    assert colleague.get("/draws").json()["items"] == []
    assert colleague.post("/me/undertakings", json={"cycle": year.id}).status_code == 201
    assert len(colleague.get(path).json()["panels"]) == 2
    interest = {"credit_code": year.codes[hidden], "kind": "kinship", "reason": "亲属"}
    colleague.put("/me/interests", json={"interests": [interest]})
    assert [panel["applications"] for panel in colleague.get(path).json()["panels"]] == [[seen]]
    assert [panel["applications"] for panel in colleague.get(f"{path}/replay").json()["panels"]] == [[seen]]
    assert is_absent(colleague.get(f"{path}/applications/{hidden}/reviewers/{year.person('a')}"))
    assert refusal(colleague.post("/draws", json=body(year, [hidden]))) == (409, "not_in_eligible_list", "5.3.2")
