"""What several people do in the same moment, and what somebody tries who wants more than their due."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import httpx

from embedded.caller import Caller
from tests.rig import Award
from tests.workflow.committee import EARLY, RULES, VOTERS, ok, refused
from tests.workflow.year import Year, points

TWO = [{"material": points(700)}, {"material": points(690)}]


def together(*acts: Callable[[], httpx.Response]) -> list[httpx.Response]:
    """Do several things at one moment."""
    start = Barrier(len(acts))

    def act(one: Callable[[], httpx.Response]) -> httpx.Response:
        start.wait(10)
        return one()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(act, acts))


def once(answers: Sequence[httpx.Response]) -> httpx.Response:
    """Demand that exactly one of several succeeded and every other one met a conflict; gives the one."""
    [done] = [one for one in answers if one.is_success]
    assert [one.status_code for one in answers if one is not done] == [409] * (len(answers) - 1)
    return done


def test_a_member_who_votes_many_times_at_once_has_one_vote(award: Award) -> None:
    year = Year(award, 2065, TWO).evaluated()
    motion = year.committee.propose(year.cycle, "winners", names=[{"application": name, "award": "quality"} for name in year.names])
    ok(year.office.post(f"/motions/{motion}/opening"))
    member, path = year.committee.voters["member-1"], f"/motions/{motion}/ballots"
    votes = [{"name": year.names[0], "vote": vote} for vote in ("yes", "no", "yes", "abstain")]
    once(together(*(lambda vote=vote: member.post(path, json=vote) for vote in votes)))
    assert year.committee.voters["member-2"].post(f"/motions/{motion}/closing", json={}).status_code == 403
    year.committee.vote(motion, 3, name=year.names[0], voters=VOTERS[:3])
    refused(year.office.post(f"/motions/{motion}/closing", json={}), "votes_outstanding", "5.4.2")
    closed = once(together(*(lambda: year.office.post(f"/motions/{motion}/closing", json=EARLY) for _ in range(3)))).json()
    tally = next(one["tally"] for one in closed["ballots"] if one["application"] == year.names[0])
    assert tally["yes"] + tally["no"] + tally["abstain"] == 4
    engine = award.database("workflow")
    with engine.connect() as database:
        kept = "select facts from event where kind = %s and subject = %s"
        events = [
            database.exec_driver_sql(kept, (kind, f"motion:{motion}")).scalar_one() for kind in ("motion.closed", "motion.closed_early")
        ]
    engine.dispose()
    missing = {one["application"]: one["not_voted"] for one in events[0]["ballots"]}
    assert missing == {year.names[0]: ["member-2"], year.names[1]: sorted(VOTERS)}
    assert {one["application"]: one["not_voted"] for one in closed["ballots"]} == missing
    assert ok(year.committee.chair.get(f"/motions/{motion}"))["closing_reason"] == events[1]["reason"] == EARLY["reason"]
    assert events[1]["not_voted"] == sorted(VOTERS)
    late = {"name": year.names[0], "vote": "yes"}
    refused(year.committee.voters["member-2"].post(path, json=late), "wrong_state", "2.1.3")


def test_nobody_learns_the_count_before_the_vote_is_closed_by_trying_to_close_it(award: Award) -> None:
    year = Year(award, 2068, TWO, RULES | {"voting": RULES["voting"] | {"ballot": "secret"}}).evaluated()
    motion = year.committee.propose(year.cycle, "winners", names=[{"application": year.names[0], "award": "quality"}])
    refused(year.committee.chair.post(f"/motions/{motion}/closing", json={}, params={"dry_run": True}), "wrong_state", "2.1.3")
    ok(year.office.post(f"/motions/{motion}/opening"))
    year.committee.vote(motion, 4, name=year.names[0])
    for caller in (year.committee.chair, year.office):
        tried = ok(caller.post(f"/motions/{motion}/closing", json=EARLY, params={"dry_run": True}))
        [ballot] = tried["ballots"]
        assert (tried["state"], tried["outcome"], ballot["tally"], ballot["outcome"], ballot["won"]) == ("voting", None, None, None, None)
    assert ok(year.office.post(f"/motions/{motion}/closing", json=EARLY))["outcome"] == "passed"


def test_two_of_the_office_who_decide_the_same_at_once_decide_it_once(award: Award) -> None:
    year = Year(award, 2066, TWO)
    offices: tuple[Caller, ...] = (year.office, award.client("committee", "vice-2", duties=["vice_chair", "office"]))
    cycle = f"/cycles/{year.cycle}"

    def decide(act: str, **body: object) -> httpx.Response:
        return once(together(*(lambda office=office: office.post(f"{cycle}/{act}", json=body) for office in offices)))

    year.report("material", year.material, year.names)
    decide("shortlist")
    year.report("site", year.site)
    decide("evaluation")
    decide("evaluation/confirmation")
    motion = year.ballot(dict.fromkeys(year.names, 5))
    award.at("2026-09-01T15:30:00+08:00")
    names = [{"application": name, "motion": motion} for name in year.names]
    decide("notices", text="公示", medium="网站", names=names)
    award.at("2026-09-09T00:00:00+08:00")
    decide("approval", decision="approve", document_number="金东政发〔2026〕12号", dated="2026-09-09")
    decide("publication", document="金东政发〔2026〕12号", medium="网站", published_on="2026-09-09")
    won = ok(year.office.get("/awards", params={"year": year.year}))["items"]
    assert sorted(one["application"] for one in won) == sorted(year.names)
    [first, _] = [one["id"] for one in won]
    payments = [{"amount": 500_000, "paid_on": "2026-09-09", "voucher": f"v{place}"} for place in range(4)]
    once(together(*(lambda paid=paid: offices[0].post(f"/awards/{first}/payments", json=paid) for paid in payments)))
    assert ok(year.office.get(f"/awards/{first}"))["paid"] == 500_000
    decide("closure")


def test_a_supervisors_finding_and_the_step_it_holds_never_both_come_first(award: Award) -> None:
    year = Year(award, 2067, TWO)
    year.report("material", year.material, year.names)
    finding = {"cycle": year.cycle, "text": "抽取记录不完整", "holds": "confirm_shortlist"}
    put, step = together(lambda: year.committee.supervisor.post("/findings", json=finding), lambda: year.post("shortlist"))
    assert put.is_success
    if step.is_success:
        assert year.phase() == "site_review"
    else:
        refused(step, "finding_unanswered", "7.1")
        assert year.phase() == "material_review"
