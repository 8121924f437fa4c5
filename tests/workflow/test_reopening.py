"""Steps taken back: by a motion of the committee, one at a time (2.1.2)."""

import pytest

from tests.rig import Award
from tests.workflow.committee import ok, refused
from tests.workflow.year import Year, points


@pytest.mark.full
def test_steps_are_taken_back_by_motion_one_at_a_time(award: Award) -> None:
    year = Year(award, 2040, [{"material": points(one)} for one in (700, 690)]).evaluated()
    refused(year.post("reopening", motion=year.committee.decide(year.cycle, "major_matter")["id"]), "motion_not_passed", "2.1.2")
    lost = year.committee.decide(year.cycle, "reopening", yes=1, text="核对候选名单")
    refused(year.post("reopening", motion=lost["id"]), "motion_not_passed", "2.1.2")
    entered = []
    for _ in range(3):
        motion = year.committee.decide(year.cycle, "reopening", text="核对")
        entered.append(ok(year.post("reopening", motion=motion["id"]))["entered"])
        assert year.post("reopening", motion=motion["id"]).json()["code"] == "reopened_already"
    assert entered == ["evaluation", "site_review", "material_review"]
    listed = ok(year.office.get(f"/cycles/{year.cycle}/reopenings"))["items"]
    assert [one["left"] for one in listed] == ["deliberation", "evaluation", "site_review"]
    assert year.office.get(f"/cycles/{year.cycle}/shortlist").status_code == 404
    year.evaluated()
    year.ballot({year.names[0]: 5})
    late = {"kind": "reopening", "title": "退回", "text": "核对"}
    refused(year.office.post(f"/cycles/{year.cycle}/motions", json=late), "reopening_too_late", "2.1.2")
