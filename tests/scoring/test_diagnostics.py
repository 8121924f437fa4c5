import json
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

import pytest

from tests.rig import Award
from tests.scoring.year import RUBRIC, Year, is_absent, refusal

pytestmark = pytest.mark.full

TEAM = ("leader", "second", "third")
OTHERS = ("chief", "fifth", "sixth")
GIVEN = {"leader": (75, 70, 60), "second": (65, 65, 45), "third": (60, 50, 45)}
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def year(award: Award) -> Year:
    award.at("2026-05-01T09:00:00+08:00")
    made = Year(award, 2026)
    made.appoint(*TEAM, *OTHERS, leaders=["leader", "chief"])
    made.undertake(*TEAM, *OTHERS)
    made.close_screening(5)
    for client in (made.office, made.supervisor):
        assert client.post("/me/undertakings", json={"cycle": made.id}).status_code == 201
    return made


@pytest.fixture(scope="module")
def panel(year: Year) -> str:
    """A panel of three whose three applications are opened."""
    applications = list(year.codes)[:3]
    formed = year.form(TEAM, applications)
    for place, application in enumerate(applications):
        for name in TEAM:
            better = {item.id: GIVEN[name][place] + 5 * ((at + place) % 3) for at, item in enumerate(RUBRIC.items)}
            assert year.hand_in(name, application, better=better).status_code == 200
    return formed


@pytest.fixture(scope="module")
def member(year: Year) -> Any:  # noqa: ANN401 - a caller
    """A committee member recused from the first application."""
    caller = year.award.client("committee", year.person("member"), duties=["member"])
    interest = {"credit_code": year.codes[next(iter(year.codes))], "kind": "kinship", "reason": "配偶任职"}
    assert caller.put("/me/interests", json={"interests": [interest]}).status_code == 200
    assert caller.post("/me/undertakings", json={"cycle": year.id}).status_code == 201
    return caller


def merits(part: Mapping[str, Any]) -> list[float]:
    return [one["merit"] for one in part["applications"]]


def test_a_panels_advice_is_marked_and_takes_severity_off(year: Year, panel: str) -> None:
    answer = year.client("leader").get(f"/panels/{panel}/diagnostics")
    assert answer.status_code == 200, answer.text
    advice = answer.json()
    assert (advice["advisory"], advice["stage"], advice["sheets"], advice["comparable"]) == (True, "material", 9, True)
    assert advice["minimum_points"] == {"quality": 610, "innovation": 600}
    [part] = advice["parts"]
    severities = {one["person"]: one["severity"] for one in part["reviewers"]}
    assert severities[year.person("leader")] > 0 > severities[year.person("third")]
    assert [one["application"] for one in part["applications"]] == sorted(year.codes)[:3]
    assert all(one["low"] < one["merit"] < one["high"] for one in part["applications"])
    assert all(sum(one["ranks"]) == pytest.approx(1, abs=0.001) for one in part["applications"])
    assert {one["among_best"] for one in part["applications"]} == {1}
    assert [one["form"] for one in part["icc"]] == ["ICC1", "ICC2", "ICC3", "ICC1k", "ICC2k", "ICC3k"]
    assert set(advice["alpha"]) == {"nominal", "ordinal", "interval", "ratio"}
    assert advice["robustness"] is None
    assert year.client("leader").get(f"/panels/{panel}/diagnostics", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304


def test_advice_is_for_the_leader_and_who_oversees_once_they_gave_the_undertaking(year: Year, panel: str) -> None:
    where = f"/panels/{panel}/diagnostics"
    assert refusal(year.client("second").get(where))[:2] == (403, "forbidden")
    assert is_absent(year.client("chief").get(where))
    assert is_absent(year.client("second").get(f"/cycles/{year.id}/diagnostics"))
    assert year.office.get(where).json() == year.supervisor.get(where).json()
    members = [{"person": year.person("member")}, {"person": year.person("late")}, {"person": year.person("gone"), "until": "2026-04-30"}]
    year.tell("workflow", "committee.set", cycle=year.id, members=members)
    late, gone, other = (year.award.client("committee", year.person(name), duties=["member"]) for name in ("late", "gone", "stranger"))
    for path in (where, f"/cycles/{year.id}/diagnostics", f"/cycles/{year.id}/what-if"):
        assert refusal(late.get(path)) == (409, "undertaking_missing", "7.6")
        assert is_absent(gone.get(path))
        assert is_absent(other.get(path))
    assert year.client("leader").get(f"/cycles/{year.id}/what-if").status_code == 403
    assert year.award.client("applicant", org=next(iter(year.codes.values()))).get(where).status_code == 403


def test_what_a_person_is_recused_from_has_no_part_in_their_advice(year: Year, panel: str, member: Any) -> None:  # noqa: ANN401
    hidden = next(iter(year.codes))
    for where in (f"/panels/{panel}/diagnostics", f"/cycles/{year.id}/diagnostics", f"/cycles/{year.id}/what-if"):
        assert hidden not in member.get(where).text
        assert hidden in year.office.get(where).text
    assert is_absent(member.get(f"/panels/{panel}/diagnostics/radar.svg", params={"application": hidden}))
    assert member.get(f"/panels/{panel}/diagnostics").json()["sheets"] == 6


def test_sealed_sheets_have_no_part_in_anything_and_unlinked_teams_are_not_compared(year: Year, panel: str, member: Any) -> None:  # noqa: ANN401
    cycle = f"/cycles/{year.id}/diagnostics"
    application = list(year.codes)[3]
    other = year.form(OTHERS, [application])
    before = year.office.get(cycle)
    assert year.office.get(f"/panels/{other}/diagnostics").json()["parts"] == []
    for name in OTHERS[:2]:
        assert year.hand_in(name, application, 70).status_code == 200
    assert year.office.get(cycle).content == before.content
    assert member.get(cycle).status_code == 200
    assert year.hand_in(OTHERS[2], application, 70).status_code == 200
    after = year.office.get(cycle).json()
    assert (after["sheets"], after["comparable"]) == (12, False)
    assert "can't be compared across them" in after["why_not_comparable"]
    assert [len(part["applications"]) for part in after["parts"]] == [3, 1]
    assert after["parts"][1]["why_not"]
    assert {one["among_best"] for part in after["parts"] for one in part["applications"]} == {None}
    own = year.client("leader").get(cycle).json()
    assert (own["sheets"], own["robustness"]) == (9, None)
    assert year.office.get(f"/panels/{panel}/diagnostics").json()["comparable"]


def test_robustness_leaves_out_each_reviewer_and_takes_the_median(year: Year, panel: str) -> None:
    assert panel
    robust = year.office.get(f"/cycles/{year.id}/diagnostics").json()["robustness"]
    assert robust["aggregation"] == "mean"
    assert set(robust["lists"]) == {"site_review", "quality", "innovation"}
    without = [one["without"] for one in robust["variations"]]
    assert without[-1] is None
    assert {year.person(name) for name in TEAM} <= set(without)


def test_charts_are_svg_with_their_chinese_as_text(year: Year, panel: str) -> None:
    for scope in (f"/panels/{panel}", f"/cycles/{year.id}"):
        for name in ("radar", "severity", "ranks"):
            answer = year.office.get(f"{scope}/diagnostics/{name}.svg", headers={"Accept-Language": "zh"})
            assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")
            words = "".join(text for node in ET.fromstring(answer.text).iter(f"{SVG}text") for text in node.itertext())  # noqa: S314
            assert "仅供参考" in words
    one = min(list(year.codes)[:3])
    radar = year.office.get(f"/panels/{panel}/diagnostics/radar.svg", params={"application": one}, headers={"Accept-Language": "zh"})
    assert "领导" in radar.text
    assert "second" in radar.text
    assert refusal(year.office.get(f"/panels/{panel}/diagnostics/pie.svg"))[0] == 422


def test_what_if_moves_whoever_other_rules_move_and_nothing_else(year: Year, panel: str) -> None:
    assert panel
    where = f"/cycles/{year.id}/what-if"
    same = year.office.get(where).json()
    assert same["advisory"]
    assert not any(one["moves"] for one in same["applications"])
    assert all(one["now"]["listed"] for one in same["applications"])
    fewer = year.office.get(where, params={"places": 2}).json()
    out = [one for one in fewer["applications"] if one["moves"]]
    assert [one["then"]["listed"] for one in out] == [False] * len(out)
    assert len([one for one in fewer["applications"] if one["then"]["listed"]]) == 2
    trimmed = year.office.get(where, params={"material_weight": 1, "site_weight": 3, "aggregation": "trimmed_mean"}).json()
    assert (trimmed["then"]["aggregation"], trimmed["then"]["material_weight"], trimmed["then"]["site_weight"]) == ("trimmed_mean", 1, 3)
    assert {one["gained"]["points"] for one in trimmed["applications"]} == {"0.00"}
    consensus = year.office.get(where, params={"aggregation": "consensus"}).json()
    assert {one["then"]["unscored"] for one in consensus["applications"]} == {"consensus_missing"}
    assert refusal(year.office.get(where, params={"material_weight": 0, "site_weight": 0}))[:2] == (422, "weights_zero")
    assert refusal(year.office.get(where, params={"minimum": "glory=1"})) == (409, "unknown_award", "1.1")
    assert json.dumps(same["now"]) == json.dumps(fewer["now"])
