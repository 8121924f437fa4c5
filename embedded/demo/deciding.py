"""Fourth act: the committee votes, the public objects, the government approves, the prizes are paid, the year is closed."""

from typing import Any

from embedded.demo.applying import applicant
from embedded.demo.cast import COMMITTEE, ORGANISATIONS, SUPERVISORS, YEAR
from embedded.demo.stage import Person
from embedded.demo.year import EVERYBODY_YES, Scene, Year

RECUSED = "member-three"
RECORDS = ("gateway", "intake", "scoring", "workflow")


def vote(year: Year) -> None:
    """Vote on each name in a named ballot of its own; recusals and the quorum are frozen first."""
    year.stage.at("2026-07-06T14:00:00+08:00")
    office, stage = year.office, year.stage
    names = [{"application": year.applications[key], "award": award} for key, award in year.scenario.named.items()]
    outsider, sought = year.scenario.too_low
    outside = {"application": year.applications[outsider], "award": sought}
    motion = {"kind": "winners", "title": "审议拟获奖组织名单", "names": [*names, outside]}
    office.refused("5.4.1", "a motion for whoever is no candidate", "POST", f"{year.here}/motions", motion, code="candidate_not_open")
    opened = office.expect("POST", f"{year.here}/motions", motion | {"names": names})["id"]
    year.result["motion"] = opened
    ballots = f"/motions/{opened}/ballots"
    recusal = {"person": year.people[RECUSED].id, "name": year.applications["egret"], "reason": "本人近亲属在该企业任职。"}
    year.people[RECUSED].expect("POST", f"/motions/{opened}/recusals", recusal)
    early = {"name": year.applications["bamboo"], "vote": "yes"}
    year.chair.refused("2.1.3", "a vote before the ballot opens", "POST", ballots, early, code="wrong_state")
    office.expect("POST", f"/motions/{opened}/opening")
    office.refused("2.0", "the office's own vote on a winner", "POST", ballots, early, code="no_vote")
    me = year.chair.expect("GET", "/me")
    stage.check(
        "the vote waits for the chair", ([task["href"] for task in me["tasks"]], me["missing"]), ([f"/api/v1/motions/{opened}"], [])
    )
    late = year.people["member-four"]
    late.refused("7.6", "a vote before the confidentiality undertaking", "POST", ballots, early, code="undertaking_missing")
    late.expect("POST", "/me/undertakings", {"cycle": year.cycle})
    on_egret = {"name": year.applications["egret"], "vote": "yes"}
    year.people[RECUSED].refused("2.4.5", "a recused member's vote", "POST", ballots, on_egret, code="member_recused")

    def cast(login: str) -> None:
        for key in year.scenario.named:
            if (login, key) != (RECUSED, "egret"):
                choice = year.scenario.otherwise.get(key, {}).get(login, "yes")
                year.people[login].expect("POST", ballots, {"name": year.applications[key], "vote": choice})

    stage.together(cast, [member.key for member in COMMITTEE])
    if year.scenario.rules["voting"]["votes_changeable"]:
        for choice in ("no", "yes"):
            year.chair.expect("POST", ballots, early | {"vote": choice})
    else:
        year.chair.refused("5.4.2", "a second vote on a name", "POST", ballots, early, code="voted_already")
    closed = office.expect("POST", f"/motions/{opened}/closing", {})
    found = {year.key_of(one["application"]): one for one in closed["ballots"]}
    tallies = {key: tuple(one["tally"][part] for part in ("yes", "no", "abstain", "recused")) for key, one in found.items()}
    stage.check("secret or named", closed["secret"], year.scenario.rules["voting"]["ballot"] == "secret")
    shown = {vote["choice"] is not None for one in closed["ballots"] for vote in one["votes"]}
    stage.check("a secret ballot tells no choice", shown, {not closed["secret"]})
    stage.check("every ballot's count", tallies, year.scenario.counted)
    stage.check("egret's roll and base", (found["egret"]["tally"]["roster"], found["egret"]["tally"]["base"]), (7, 6))
    stage.check("every name passed", {one["outcome"] for one in closed["ballots"]}, {"passed"})
    stage.check("the winners", {key for key, one in found.items() if one["won"]}, set(year.scenario.prizes))
    year.stop("redpine", "deliberation", "1.5")


def give_notice(year: Year) -> None:
    """Put the winners before the public for the edition's days, and not one too many."""
    year.stage.at("2026-07-08T10:00:00+08:00")
    notice = {"text": f"{YEAR}年度拟获奖组织名单公示（虚构）", "medium": "虚构金东新闻"}

    def names(*keys: str) -> dict[str, object]:
        return notice | {"names": [{"application": year.applications[key], "motion": year.result["motion"]} for key in keys]}

    path = f"{year.here}/notices"
    year.office.refused(
        "1.5", "one winner of the Quality Award too many", "POST", path, names(*year.scenario.prizes, "redpine"), code="too_many_winners"
    )
    published = year.office.expect("POST", path, names(*year.scenario.prizes))
    year.stage.check("full days", (published["days"], published["ends_at"][:19]), (year.scenario.notice_days, "2026-07-16T00:00:00"))
    year.result["notice"] = published["id"]
    seen = Person(year.stage, "anybody").every("/public/notices")
    year.stage.check("the public reads it", {year.key_of(name["application"]) for name in seen[0]["names"]}, set(year.scenario.prizes))


def object_and_rule(year: Year) -> None:
    """Object without a name; the office investigates and reports, the committee rules; the inadmissible is dismissed."""
    year.stage.at("2026-07-10T09:00:00+08:00")
    office, stage, anybody = year.office, year.stage, Person(year.stage, "anybody")
    path = f"/notices/{year.result['notice']}/objections"
    words = {"text": "该企业去年被投诉，请核实。", "application": year.applications[year.scenario.objected_to]}
    serious = anybody.expect("POST", path, words)
    vague = anybody.expect("POST", path, {"text": "我不喜欢这份名单。"})
    decision = {"decision": "approve", "document_number": "虚构政发〔2026〕12号", "dated": "2026-07-10"}
    office.refused("5.4.2", "approval with open objections", "POST", f"{year.here}/approval", decision, code="objection_open")
    too_early = {"document": "虚构政发〔2026〕12号", "medium": "虚构金东新闻", "published_on": "2026-07-10"}
    office.refused("5.4.3", "publication before approval", "POST", f"{year.here}/publication", too_early, code="wrong_state")
    bare = office.expect("POST", "/objections/dismissals", {"items": [{"objection": vague["id"], "reasons": " "}]})["items"][0]
    stage.check("no dismissal without reasons", (bare["dismissed"], (bare["why"] or {}).get("clause")), (False, "5.4.2"))
    dismissal = {"items": [{"objection": vague["id"], "reasons": "未指明任何事实，亦无线索。"}]}
    dismissed = office.expect("POST", "/objections/dismissals", dismissal)["items"]
    stage.check("dismissed", [one["dismissed"] for one in dismissed], [True])
    case = f"/objections/{serious['id']}"
    ruling = {"kind": "ruling", "title": "对异议的裁定", "objection": serious["id"], "removes_name": False}
    office.refused("5.4.2", "a ruling before the investigation's report", "POST", f"{year.here}/motions", ruling, code="wrong_state")
    version = office.expect("GET", case)["version"]
    office.expect("PUT", f"{case}/investigation", {"findings": "已向市场监管所调取投诉记录。"}, version=version)
    version = office.expect("GET", case)["version"]
    report = {"findings": "投诉已于去年调解结案，企业不负责任。", "report": "经查不属实，建议保留。"}
    office.expect("PUT", f"{case}/investigation", report, version=version)
    office.refused("5.4.2", "approval while a ruling is due", "POST", f"{year.here}/approval", decision, code="objection_open")
    kept = year.carry(ruling, EVERYBODY_YES)
    stage.check("the committee keeps the name", kept["outcome"], "passed")
    ruled = office.expect("POST", f"{case}/ruling", {"motion": kept["id"]})
    stage.check("the ruling", (ruled["state"], ruled["removed"]), ("ruled", False))
    followed = anybody.expect("GET", "/public/objection", headers={"Tracking-Code": serious["tracking_code"]})
    stage.check("the objector follows it", (followed["state"], followed["removed"]), ("ruled", False))
    anybody.absent("/public/objection", headers={"Tracking-Code": "no-such-tracking-code"})


def approve(year: Year) -> None:
    """Approve at the midnight after the last day, not an instant before."""
    office, path = year.office, f"{year.here}/approval"
    decision = {"decision": "approve", "document_number": "虚构政发〔2026〕12号", "dated": "2026-07-16"}
    year.stage.at("2026-07-15T23:59:59.999999+08:00")
    last_day = decision | {"dated": "2026-07-15"}
    office.refused("5.4.3", "approval in the last instant of the notice", "POST", path, last_day, code="notice_running")
    year.stage.at("2026-07-16T00:00:00+08:00")
    anybody, objections = Person(year.stage, "anybody"), f"/notices/{year.result['notice']}/objections"
    anybody.refused("5.4.2", "an objection after the notice", "POST", objections, {"text": "迟到的异议。"}, code="notice_over")
    office.refused(
        "5.4.3", "approval without a document's number", "POST", path, decision | {"document_number": ""}, code="document_number_missing"
    )
    office.refused("5.4.3", "a document dated within the notice", "POST", path, last_day, code="document_before_notice_end")
    approved = office.expect("POST", path, decision)
    prizes = {year.key_of(award["application"]): award["prize"] for award in approved["awards"]}
    year.stage.check("the prizes", prizes, year.scenario.prizes)
    applicant(year, "bamboo").absent(f"/awards/{approved['awards'][0]['id']}")


def publish(year: Year) -> None:
    """Publish the results, and pay a prize once."""
    year.stage.at("2026-07-20T09:00:00+08:00")
    office, stage = year.office, year.stage
    publication = {"document": "虚构政发〔2026〕12号", "medium": "虚构金东新闻", "published_on": "2026-07-20"}
    published = office.expect("POST", f"{year.here}/publication", publication)
    awards = {year.key_of(award["application"]): award for award in published["awards"]}
    stage.check("every award is published", {award["status"] for award in awards.values()}, {"published"})
    year.result["winners"] = [
        {"organisation": ORGANISATIONS[key].name, "award": awards[key]["award"], "prize": awards[key]["prize"]}
        for key in year.scenario.prizes
    ]
    stage.check(
        "awards as voted",
        {key: award["award"] for key, award in awards.items()},
        {key: year.scenario.named[key] for key in year.scenario.prizes},
    )
    earlier = [(one["award"], one["year"]) for one in awards["bamboo"]["earlier"]]
    stage.check("what bamboo's prize rests on", earlier, [year.scenario.earlier[:2]])
    path, prize = f"/awards/{awards['bamboo']['id']}/payments", year.scenario.prizes["bamboo"]
    payment = {"amount": prize, "paid_on": "2026-07-20", "voucher": "虚构凭证-0117"}
    stage.check("paid", office.expect("POST", path, payment)["paid"], prize)
    office.refused("6.1", "a payment beyond the prize", "POST", path, payment | {"voucher": "虚构凭证-0118"}, code="prize_exceeded")
    budget = office.expect("GET", f"{year.here}/budget")
    stage.check("the budget", (budget["committed"], budget["paid"]), (sum(year.scenario.prizes.values()), prize))
    mine = applicant(year, "bamboo").every("/awards")
    stage.check(
        "a winner sees its own awards", {(one["award"], one["year"]) for one in mine}, {("quality", YEAR), year.scenario.earlier[:2]}
    )


def pull(year: Year) -> None:
    """Pull the results as the district's data platform."""
    invited = year.office.expect("POST", "/accounts", {"kind": "client", "name": "虚构公共数据平台", "scopes": ["results:read"]})
    platform = Person(year.stage, "platform").sign_in_as_machine(invited["id"], invited["client_secret"])
    wanted = {(ORGANISATIONS[key].code, year.scenario.named[key], prize) for key, prize in year.scenario.prizes.items()}
    found = platform.every("/results", year=str(YEAR))
    year.stage.check("results", {(one["credit_code"], one["award"], one["prize"]) for one in found}, wanted)
    lines = platform.text("/results.csv").strip().splitlines()
    year.stage.check("results as CSV", len(lines), 1 + len(year.scenario.prizes) + 1)  # a header, this year's, and the imported one
    changes = platform.expect("GET", "/results/changes", params={"since": 0, "limit": 200})
    kinds = [change["kind"] for change in changes["items"]]
    year.stage.check("changes", (kinds.count("imported"), kinds.count("published")), (1, len(year.scenario.prizes)))
    nothing = platform.expect("GET", "/results/changes", params={"since": changes["next_since"]})["items"]
    year.stage.check("no change since", nothing, [])
    applicant(year, "bamboo").forbidden("/results")
    platform.forbidden(f"{year.here}/evaluation")


def close(year: Year) -> None:
    """Close the year: the panels dissolve, and their members' access ends."""
    reviewer = year.reviewers[0]
    panel = f"/panels/{year.panels[year.scenario.panels[0].name]}"
    reviewer.expect("GET", f"{year.path('bamboo')}/sections/overview")
    year.office.expect("POST", f"{year.here}/closure")
    year.office.wait_for(panel, lambda found: found["state"] == "dissolved")
    reviewer.refused("2.3.end", "a panel's member after its end", "GET", panel, code="panel_dissolved")
    reviewer.absent(year.path("bamboo"))
    year.stage.check("no sheets are left to read", reviewer.every("/sheets"), [])
    year.office.refused("2.3.end", "a second closure", "POST", f"{year.here}/closure", code="wrong_state")
    supervisor = year.people[SUPERVISORS[0]]
    for gone in (f"{year.here}/evaluation", panel, year.path("bamboo"), *(f"/record/{service}/events" for service in RECORDS)):
        supervisor.absent(gone)  # the supervision group dissolves with its cycle
    for key in year.scenario.prizes:
        applicant(year, key).wait_for(f"{year.path(key)}/timeline", lambda found: found["items"][-1]["facts"].get("stage") == "winner")


def look_back(year: Year) -> None:
    """Read the record of each service as a supervisor, while the group exists."""
    supervisor = year.people[SUPERVISORS[0]]
    expected = {
        "gateway": {"account.invited", "account.verified"},
        "intake": {"application.endorsed", "screening.determined", "screening.closed", "dossier.read"},
        "scoring": {"panel.formed", "sheet.sealed", "sheets.opened", "panel.reported", "recusal.declared"},
        "workflow": {"cycle.launched", "motion.opened", "motion.closed", "notice.published", "award.paid"},
    }
    for service, kinds in expected.items():
        found: list[dict[str, Any]] = []
        while page := supervisor.expect("GET", f"/record/{service}/events", params={"after": len(found) - 1, "limit": 200})["items"]:
            found += page
        year.stage.check(f"{service}'s record", kinds - {event["kind"] for event in found}, set())
        year.stage.check(f"{service}'s record has no gap", [event["index"] for event in found], list(range(len(found))))
        year.office.forbidden(f"/record/{service}/events")
        sealed = {member for event in found if event["kind"] == "sheet.sealed" for member in event["facts"]}
        year.stage.check("the record of a sealed sheet tells no rating", sealed, {"commitment"} if service == "scoring" else set())


SCENES: tuple[Scene, ...] = (
    ("The committee votes", vote),
    ("The public notice", give_notice),
    ("Objections are investigated and ruled on", object_and_rule),
    ("The government approves", approve),
    ("Results are published, prizes are paid", publish),
    ("The data platform pulls the results", pull),
    ("The supervision group looks back", look_back),
    ("The year is closed", close),
)
