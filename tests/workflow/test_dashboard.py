"""A cycle's dashboard: its phase, what blocks the next step, who must act, and what is overdue."""

from uuid import uuid4

import pytest

from regulation import lifecycle
from regulation.edition import Edition, load, names
from services.workflow.dashboard import OFFICE_ACTIONS
from services.workflow.tasks import HEARING, NEXT_STEP
from tests.rig import Award
from tests.workflow.committee import COUNTED, PLAN, Committee, eligible, ok

EDITIONS = [load(name) for name in names()]
LATER = {"milestones": {"open": "2026-03-01", "screening": "2026-04-01", "site_review": "2026-05-01"}}


def test_the_dashboard_tells_the_phase_what_blocks_it_who_must_act_and_what_is_overdue(award: Award) -> None:
    award.at("2026-02-20T09:00:00+08:00")
    committee = Committee(award)
    cycle = committee.open_cycle(2042)
    committee.prepare(cycle)
    ok(committee.edit(committee.office, f"/cycles/{cycle}/plan", PLAN | LATER))

    def read(instant: str) -> tuple[str, dict[str, object], dict[str, tuple[str, bool]]]:
        award.at(instant)
        shown = ok(committee.office.get(f"/cycles/{cycle}"))
        waits = {one["who"]: (one["clause"], one["overdue"]) for one in shown["dashboard"]["waits_for"]}
        return shown["phase"], shown["dashboard"], waits

    phase, board, waits = read("2026-03-01T23:59:59+08:00")
    assert (phase, board["milestones_overdue"]) == ("planned", [])
    assert waits == {"office": ("2.1.1", True)}  # the plan has the applications begin with this day
    _, board, _ = read("2026-03-02T00:00:00+08:00")
    assert board["milestones_overdue"] == ["open"]

    award.at("2026-02-20T09:00:00+08:00")
    committee.approve_rules(cycle)
    ok(committee.office.post(f"/cycles/{cycle}/launch"))
    announcement = {"announced_on": "2026-02-20", "medium": "金东新闻", "text": "申报工作启动。"}
    ok(committee.office.post(f"/cycles/{cycle}/announcement", json=announcement))
    assert read("2026-03-31T23:59:59+08:00")[2] == {}  # the applicants' time: nobody of the committee must act
    award.at("2026-04-01T00:00:00+08:00")
    one, panel = eligible(1), str(uuid4())
    committee.tell("screening.closed", "intake", cycle=cycle, count=1, hash="0" * 64, applications=[one])
    formed = {"name": "第一评审组", "leader": "r-1", "members": ["r-1", "r-2", "r-3"], "applications": [one["application"]]}
    committee.tell("panel.formed", cycle=cycle, panel=panel, **formed)
    committee.tell("undertaking.given", person="office-1", cycle=cycle)
    phase, board, waits = read("2026-05-01T00:00:00+08:00")
    assert (phase, board["panels_without_report"], board["milestones_overdue"]) == ("material_review", ["第一评审组"], [])
    assert waits == {"office": ("5.3.2", False), "r-1": ("2.3.3", False)}
    blocked = board["next"]
    assert isinstance(blocked, dict)
    assert (blocked["allowed"], blocked["why"]["code"]) == (False, "panel_report_missing")
    _, board, waits = read("2026-05-02T00:00:00+08:00")
    assert (waits["office"], board["milestones_overdue"]) == (("5.3.2", True), ["site_review"])
    result = {"application": one["application"], "numerator": 12200, "denominator": 1, **COUNTED}
    reported = {"stage": "material", "report": "报告", "recommended": [one["application"]], "results": [result]}
    committee.tell("panel.reported", cycle=cycle, panel=panel, **reported)
    _, board, waits = read("2026-05-02T00:00:00+08:00")
    allowed = board["next"]
    assert isinstance(allowed, dict)
    assert (allowed["allowed"], board["panels_without_report"], set(waits)) == (True, [], {"office"})
    with award.client("applicant", "a") as applicant:
        assert ok(applicant.get(f"/cycles/{cycle}"))["dashboard"] is None


@pytest.mark.parametrize("edition", EDITIONS, ids=names())
def test_what_the_office_is_told_to_do_is_a_step_of_the_very_table_that_its_actions_ask(edition: Edition) -> None:
    p = edition.parameters(edition.in_force_on)
    table = lifecycle.cycle(p)
    waited = {phase: step.action for phase, step in NEXT_STEP.items() if (phase, "cancel") in table or (phase, "close") in table}
    waited |= {"site_review": HEARING.action} if p.oral_defence else {}
    assert [(phase, action) for phase, action in waited.items() if (phase, action) not in table] == []
    assert set(waited.values()) - set(OFFICE_ACTIONS) == {"close_screening"}  # intake's, with its own actions
    assert set(waited) == {phase for phase, _ in table}
