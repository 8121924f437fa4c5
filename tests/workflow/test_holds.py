"""Every step that a finding of the supervision group may hold is held by it, and goes on once it is answered (7.1)."""

from collections.abc import Callable, Mapping
from uuid import uuid4

import httpx

from regulation.edition import example_rules
from tests.rig import Award
from tests.workflow.committee import Committee, ok, refused

EDITION = "biennial-example"
"""It has every step: an oral defence too."""
ANNOUNCEMENT = {"announced_on": "2026-02-20", "medium": "金东新闻", "text": "申报工作启动。"}
NOBODY = {"text": "公示", "medium": "网站", "names": [{"application": str(uuid4()), "motion": str(uuid4())}]}
PAPER = {"document_number": "金东政发〔2026〕12号", "dated": "2026-04-10"}
PUBLICATION = {"document": "金东政发〔2026〕12号", "medium": "网站", "published_on": "2026-04-10"}


def test_every_step_that_a_finding_may_hold_is_held_until_it_is_answered(award: Award) -> None:
    award.at("2026-02-20T09:00:00+08:00")
    committee = Committee(award)
    cycle = committee.open_cycle(2034, EDITION)
    committee.prepare(cycle, example_rules(EDITION))
    adopted = committee.decide(cycle, "rules")["id"]
    held_on = {"held_on": "2026-04-10", "place": "会议室", "heard": []}
    walk: Mapping[str, tuple[str, Mapping[str, object]]] = {  # a year for which nobody applies goes through them all, each by its act
        "approve_rules": ("rules/approval", {"motion": adopted}),
        "launch": ("launch", {}),
        "announce": ("announcement", ANNOUNCEMENT),
        "close_screening": ("screening-closure", {}),
        "confirm_shortlist": ("shortlist", {}),
        "hear_defences": ("defences", held_on),
        "evaluate": ("evaluation", {}),
        "confirm_evaluation": ("evaluation/confirmation", {}),
        "publish_notice": ("notices", NOBODY),
        "end_deliberation": ("deliberation-end", {"reasons": "无人申报。"}),
        "approve": ("approval", PAPER | {"decision": "approve"}),
        "publish": ("publication", PUBLICATION),
        "close": ("closure", {}),
    }
    with award.client() as anyone:
        holds = anyone.get("/openapi.json").json()["components"]["schemas"]["NewFinding"]["properties"]["holds"]
    assert set(holds["anyOf"][0]["enum"]) == set(walk)

    def take(path: str, body: Mapping[str, object]) -> Callable[[], httpx.Response]:
        return lambda: committee.office.post(f"/cycles/{cycle}/{path}", json=body)

    for step, (path, body) in walk.items():
        act = take(path, body)
        held = ok(committee.supervisor.post("/findings", json={"cycle": cycle, "text": "请说明。", "holds": step}))["id"]
        committee.hear()
        refused(act(), "finding_unanswered", "7.1")
        ok(committee.office.post(f"/findings/{held}/answer", json={"answer": "已说明。"}))
        committee.hear()
        taken = act()
        assert taken.is_success or (step == "publish_notice" and taken.status_code == 404), (step, taken.text)  # nobody to put up
        if step == "announce":
            award.at("2026-04-10T09:00:00+08:00")
            committee.tell("undertaking.given", person="office-1", cycle=cycle)
    assert ok(committee.office.get(f"/cycles/{cycle}"))["phase"] == "closed"
