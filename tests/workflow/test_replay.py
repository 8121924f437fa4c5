"""A stored answer is told again only to who could read now what it is about."""

from typing import Any

import httpx
import pytest

from embedded.caller import Caller
from tests.intake.applicants import absent
from tests.rig import Award
from tests.workflow.committee import RULES, ok, refused
from tests.workflow.year import Year, points

THREE = [{"material": points(700 - place)} for place in range(3)]
KINSHIP = {"kind": "kinship", "source": "declared"}


class Repeated:
    """A request that somebody sends again and again under one key."""

    def __init__(self, caller: Caller, path: str, body: object) -> None:
        self.caller, self.path = caller, path
        self.given: dict[str, Any] = {"json": body, "headers": {"Idempotency-Key": f"again:{path}"}}
        first, again = self.send(), self.send()
        assert ok(again) == ok(first)
        assert "idempotent-replayed" in again.headers

    def send(self) -> httpx.Response:
        return self.caller.post(self.path, **self.given)


def test_who_was_recused_or_disqualified_since_is_told_nothing_again(award: Award) -> None:
    year = Year(award, 2110, THREE)
    year.report("material", year.material, year.names)
    clerks = [award.client("committee", f"clerk-{place}", duties=["office"]) for place in range(2)]
    for place in range(2):
        year.tell("undertaking.given", person=f"clerk-{place}")
    listed = Repeated(clerks[0], f"/cycles/{year.cycle}/shortlist", {})
    motion = Repeated(clerks[1], f"/cycles/{year.cycle}/motions", {"kind": "major_matter", "title": "议案", "text": "经费。"})
    award_code = year.codes[year.names[0]]
    year.committee.tell("recusal.declared", person="clerk-0", credit_code=award_code, **KINSHIP)
    assert award_code not in clerks[0].get(f"/cycles/{year.cycle}/shortlist").text
    absent(listed.send())
    assert ok(motion.send())
    year.committee.tell("account.sanctioned", "gateway", person="clerk-1", kind="disqualification")
    refused(motion.send(), "disqualified_from_review", "7.6")


@pytest.mark.parametrize("recused", [True, False])
def test_a_member_s_recusal_hides_an_answer_where_the_rules_have_members_recused(award: Award, recused: bool) -> None:  # noqa: FBT001 - a case
    year = Year(award, 2111 + recused, THREE, RULES | {"voting": RULES["voting"] | {"members_recused": recused}}).evaluated()
    motion = year.committee.propose(year.cycle, "winners", names=[{"application": year.names[0], "award": "quality"}])
    ok(year.office.post(f"/motions/{motion}/opening"))
    member = year.committee.voters["member-1"]
    voted = Repeated(member, f"/motions/{motion}/ballots", {"vote": "yes", "name": year.names[0]})
    year.committee.tell("recusal.declared", person="member-1", credit_code=year.codes[year.names[0]], **KINSHIP)
    if recused:
        absent(voted.send())
    else:
        assert ok(voted.send())


def test_who_left_the_supervision_group_is_told_nothing_again(award: Award) -> None:
    year = Year(award, 2113, THREE)
    found = Repeated(year.committee.supervisor, "/findings", {"cycle": year.cycle, "text": "评审员迟到"})
    group = {"members": [{"person": "supervisor-2", "name": "钱"}]}
    ok(year.committee.edit(year.committee.chair, f"/cycles/{year.cycle}/supervision-group", group))
    absent(found.send())
