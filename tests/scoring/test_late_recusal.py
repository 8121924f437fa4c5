"""A recusal found after the sheets are in, from the reviewer's own declaration to the list for site review that rests on what is left."""

from uuid import uuid4

import pytest

from tests.rig import Award
from tests.scoring.test_leaks import MEMBERS, RealYear
from tests.scoring.year import is_absent
from tests.workflow.committee import ok

pytestmark = pytest.mark.full


def test_a_late_recusal_reaches_the_shortlist_and_the_consensus_is_formed_anew(award: Award) -> None:
    year = RealYear(award)
    first, other = year.codes
    shortlist, where = f"/cycles/{year.id}/shortlist", f"/panels/{year.panel}"
    for application in (first, other):
        for name in MEMBERS:
            year.hand_in(name, application, 80 if name == "recused" else 65)
        assert year.agree("leader", year.panel, application, 70).status_code == 200
        for name in MEMBERS:
            assert year.sign(name, year.panel, application).status_code == 201
    report = {"text": "材料评审报告", "recommended": [first, other]}
    assert year.report(MEMBERS, year.panel, report).status_code == 201
    dry = ok(year.office.post(shortlist, json={}, params={"dry_run": True}))
    assert {one["application"]: one["score"]["points"] for one in dry["standings"]} == {first: "700.00", other: "700.00"}

    interest = {"credit_code": year.codes[first], "kind": "kinship", "reason": "配偶新近入职"}
    ok(year.client("recused").put("/me/interests", json={"interests": [interest]}))
    [gone] = [one for one in ok(year.office.get(f"{where}/results"))["reopened"] if one == first]
    assert is_absent(year.office.get(f"/cycles/{uuid4()}/shortlist"))  # waits for the news under way
    refused = year.office.post(shortlist, json={}, params={"dry_run": True})
    assert (refused.status_code, gone in refused.text) == (409, True), refused.text

    opened = ok(year.client("leader").get(f"{where}/applications/{first}/sheets"))
    assert [one["why"] for one in opened["not_counted"]] == ["recused"]
    assert {one["total"]["points"] for one in opened["sheets"]} == {"650.00"}
    assert year.agree("leader", year.panel, first, 65).status_code == 200
    for name in MEMBERS[:3]:
        assert year.sign(name, year.panel, first).status_code == 201
    assert year.report(MEMBERS, year.panel, report).json()["revision"] == 3
    confirmed = ok(year.office.post(shortlist, json={}))
    assert {one["application"]: one["score"]["points"] for one in confirmed["standings"]} == {first: "650.00", other: "700.00"}
    assert set(confirmed["applications"]) == {first, other}
