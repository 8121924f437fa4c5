"""First act: everybody is invited, the committee adopts its rules, and the year is launched and announced."""

from typing import Any

from embedded.demo.cast import BODIES, COMMITTEE, ORGANISATIONS, REVIEWERS, SUPERVISORS, UNQUALIFIED, YEAR
from embedded.demo.stage import Person
from embedded.demo.year import Scene, Year

PLAN = {
    "milestones": {
        "open": "2026-02-09",
        "screening": "2026-04-01",
        "material_review": "2026-04-21",
        "site_review": "2026-06-01",
        "evaluation": "2026-07-01",
        "deliberation": "2026-07-06",
        "public_notice": "2026-07-08",
        "approval": "2026-07-16",
        "published": "2026-07-20",
    },
    "window": {"opens": "2026-03-01T00:00:00+08:00", "closes": "2026-04-01T00:00:00+08:00"},
    "budget_yuan": 2_500_000,
}
QUALIFIED: dict[str, Any] = {
    "degree": "bachelor",
    "senior_title": False,
    "years": 5,
    "policy_knowledge_on": "2025-11-03",
    "ethics_on": "2025-11-04",
    "trainings": [{"standard": "GB/T 19580", "on": "2025-06-03"}, {"standard": "GB/Z 19579", "on": "2025-06-04"}],
    "leader_qualified": True,
    "expertise": ["C", "E"],
}


def admit(year: Year, inviter: Person, login: str, name: str, **grant: object) -> Person:
    """Invite a person, who activates the account and signs in."""
    invitation = {"kind": "person", "login": login, "name": name, "grants": [grant]}
    invited = inviter.expect("POST", "/accounts", invitation)
    person = Person(year.stage, login)
    person.activate(invited["activation"])
    person.id = invited["id"]
    year.people[login] = person.sign_in(str(grant["role"]))
    return person


def invite_everybody(year: Year) -> None:
    """Let the first office account in by its one-time secret, and everybody else by an invitation."""
    year.stage.at("2026-01-12T09:00:00+08:00")
    office = year.people["office"] = Person(year.stage, "office")
    office.activate(year.activation)
    office.sign_in("committee")
    me = office.expect("GET", "/me")
    office.id = me["person"]
    year.stage.check("the first account's duties", me["duties"], ["office"])
    invitations: list[tuple[str, str, dict[str, object]]] = []
    invitations += [(member.key, member.name, {"role": "committee", "duties": [member.duty]}) for member in COMMITTEE]
    invitations += [(f"body-{code}", name, {"role": "endorser", "body": code}) for code, name in BODIES.items()]
    invitations += [(login, f"评审员{login[-2:]}", {"role": "reviewer"}) for login in (*REVIEWERS, UNQUALIFIED)]
    year.stage.together(lambda one: admit(year, office, one[0], one[1], **one[2]), invitations)
    supervisors = {"kind": "person", "login": "supervisor-zero", "name": "监督员", "grants": [{"role": "supervisor"}]}
    office.forbidden("/accounts", "POST", supervisors)
    year.stage.together(lambda login: admit(year, year.chair, login, f"监督员 {login}", role="supervisor"), SUPERVISORS)


def appoint_reviewers(year: Year) -> None:
    """Appoint twelve reviewers, but nobody who lacks experience or training."""
    office = year.office
    nobody = {"person": year.people[UNQUALIFIED].id, "name": "评审员13"} | QUALIFIED
    office.refused("2.4.2", "a reviewer with four years of work", "POST", "/reviewers", nobody | {"years": 4}, code="reviewer_experience")
    unschooled = nobody | {"degree": "associate"}
    office.refused("2.4.2", "a reviewer without degree or senior title", "POST", "/reviewers", unschooled, code="reviewer_education")
    half_trained = nobody | {"trainings": QUALIFIED["trainings"][:1]}
    office.refused("2.4.3", "a reviewer trained in one standard", "POST", "/reviewers", half_trained, code="reviewer_untrained")

    def appoint(login: str) -> None:
        person = year.people[login]
        leads = login != "reviewer-11"
        office.expect("POST", "/reviewers", {"person": person.id, "name": f"评审员{login[-2:]}"} | QUALIFIED | {"leader_qualified": leads})

    year.stage.together(appoint, REVIEWERS)


def import_the_past(year: Year) -> None:
    """Enter an earlier Innovation Award, whose holder will be paid less for a Quality Award (6.1)."""
    bamboo, (award, won_in, prize) = ORGANISATIONS["bamboo"], year.scenario.earlier
    earlier = {
        "credit_code": bamboo.code,
        "organisation": bamboo.name,
        "award": award,
        "year": won_in,
        "prize": prize,
        "document_number": f"虚构政发〔{won_in}〕18号",
        "approved_on": f"{won_in}-10-12",
    }
    found = year.office.expect("POST", "/awards/imports", {"awards": [earlier]})
    year.stage.check("imported awards", found["imported"], 1)


def plan_the_year(year: Year) -> None:
    """Open the year, once; plan it, and name the committee."""
    office, stage = year.office, year.stage
    new = {"year": YEAR, "edition": year.scenario.edition}
    cycle = office.expect("POST", "/cycles", new)
    year.cycle = cycle["id"]
    stage.check("a new cycle's phase", cycle["phase"], "planned")
    office.refused("1.5", "a second cycle in the year", "POST", "/cycles", new | {"year": year.scenario.taken}, code="year_taken")
    office.expect("PUT", f"{year.here}/plan", PLAN, version=year.version())
    roster = [
        {"person": year.people[member.key].id, "name": member.name, "unit": member.unit, "duties": [member.duty]} for member in COMMITTEE
    ]
    roster.append({"person": office.id, "name": "评审办", "unit": "区市场监督管理局", "duties": ["office"]})
    one_vice_chair = [seat for seat in roster if seat["name"] != "丙副主任"]
    office.refused(
        "2.0",
        "a committee with one vice-chair",
        "PUT",
        f"{year.here}/committee",
        {"members": one_vice_chair},
        code="roster_vice_chairs",
        version=year.version(),
    )
    office.expect("PUT", f"{year.here}/committee", {"members": roster}, version=year.version())


def adopt_the_rules(year: Year) -> None:
    """Adopt the implementation rules by a named vote of the committee; no launch before."""
    office, stage = year.office, year.stage
    office.expect("PUT", f"{year.here}/rules", year.scenario.rules, version=year.version())
    office.refused("2.1.1", "a launch without adopted rules", "POST", f"{year.here}/launch", code="rules_not_adopted")
    motion = office.expect("POST", f"{year.here}/motions", {"kind": "rules", "title": f"审定{YEAR}年度评审实施细则"})["id"]
    office.expect("POST", f"/motions/{motion}/opening")
    office.refused(
        "2.1.1",
        "rules approved before the vote is counted",
        "POST",
        f"{year.here}/rules/approval",
        {"motion": motion},
        code="motion_not_passed",
    )
    office.refused("2.0", "the office's own vote", "POST", f"/motions/{motion}/ballots", {"vote": "yes"}, code="no_vote")
    choices = {"chair": "yes", "vice-one": "yes", "vice-two": "yes", "member-one": "yes", "member-two": "no", "member-three": "abstain"}
    year.vote(motion, choices)
    year.chair.refused(
        "5.4.2", "a second vote of the same member", "POST", f"/motions/{motion}/ballots", {"vote": "yes"}, code="voted_already"
    )
    office.refused("5.4.2", "a vote closed early without a reason", "POST", f"/motions/{motion}/closing", {}, code="votes_outstanding")
    decided = office.expect("POST", f"/motions/{motion}/closing", {"reason": "一名成员因公出国，无法表决。"})
    tally = decided["ballots"][0]["tally"]
    counted = (tally["yes"], tally["no"], tally["abstain"], tally["majority"], decided["outcome"])
    stage.check("four of the seven adopt the rules", counted, (4, 1, 1, 4, "passed"))
    named = {vote["person"]: vote["choice"] for vote in decided["ballots"][0]["votes"]}
    stage.check("the ballot is named", named, {year.people[login].id: choice for login, choice in choices.items()})
    rules = office.expect("POST", f"{year.here}/rules/approval", {"motion": motion})
    stage.check("the rules are frozen", (rules["approved"], rules["document"]), (True, year.scenario.rules))


def launch(year: Year) -> None:
    """Name the supervision group, as the chair, and launch the year."""
    year.stage.at("2026-02-09T09:00:00+08:00")
    office = year.office
    office.refused("7.1", "a launch without a supervision group", "POST", f"{year.here}/launch", code="supervision_group_missing")
    group = {"members": [{"person": year.people[login].id, "name": f"监督员 {login}"} for login in SUPERVISORS]}
    year.chair.expect("PUT", f"{year.here}/supervision-group", group, version=year.version())
    launched = office.expect("POST", f"{year.here}/launch")
    year.stage.check("a launched cycle", (launched["phase"], launched["launched_on"]), ("open", "2026-02-09"))
    office.refused("2.1.1", "a second launch", "POST", f"{year.here}/launch", code="wrong_state")


def announce(year: Year) -> None:
    """Announce the window, and tell every body and member unit."""
    year.stage.at("2026-02-20T10:00:00+08:00")
    words = {"announced_on": "2026-02-20", "medium": "虚构金东新闻", "text": f"{YEAR}年度区政府质量奖申报工作启动。"}
    ahead = words | {"announced_on": "2026-02-21"}
    year.office.refused("5.1", "an announcement dated ahead", "POST", f"{year.here}/announcement", ahead, code="announcement_dated_ahead")
    year.office.expect("POST", f"{year.here}/announcement", words)
    told = year.office.expect("GET", f"{year.here}/announcement")["notified"]
    year.stage.check("bodies told", {one["code"] for one in told if one["kind"] == "body"}, year.scenario.told)
    units = {member.unit for member in COMMITTEE} | {"区市场监督管理局"}
    year.stage.check("member units told", {one["recipient"] for one in told if one["kind"] == "unit"}, units)


SCENES: tuple[Scene, ...] = (
    ("Everybody is invited", invite_everybody),
    ("Reviewers are appointed", appoint_reviewers),
    ("An earlier award is imported", import_the_past),
    ("The year is planned", plan_the_year),
    ("The committee adopts its rules", adopt_the_rules),
    ("The year is launched", launch),
    ("The window is announced", announce),
)
