"""What workflow tells of honours won and lost decides who may apply again, as the edition says."""

import asyncio
from uuid import uuid4

import httpx
import pytest

from kernel.database import new_id
from kernel.identity import service_audience
from tests.intake.applicants import Applicant
from tests.rig import Award
from tests.workflow.committee import RULES, ok, refused


def tell(award: Award, kind: str, /, **facts: object) -> None:
    """Bring an event as workflow's relay does."""
    token = award.product.door.tokens.sign("workflow", {"scope": "service"}, audience=service_audience("intake"))
    letter = {"id": str(new_id()), "at": "2026-02-20T09:00:00+08:00", "kind": kind, "subject": "test", "actor": None, "facts": facts}

    async def bring() -> httpx.Response:
        transport = httpx.ASGITransport(award.product.programs["intake"])
        async with httpx.AsyncClient(transport=transport, base_url="http://intake") as peer:
            return await peer.post("/internal/events", json=letter, headers={"Authorization": f"Bearer {token}"})

    answer = asyncio.run(bring())
    assert answer.status_code == 204, answer.text


def opened(award: Award, year: int, edition: str) -> str:
    cycle = str(uuid4())
    launched = {"cycle": cycle, "year": year, "edition": edition, "rules": RULES, "launched_on": "2026-02-20"}
    tell(award, "cycle.launched", **launched)
    tell(award, "cycle.announced", cycle=cycle, opens="2026-03-01T00:00:00+08:00", closes="2026-04-01T00:00:00+08:00")
    return cycle


@pytest.mark.parametrize(
    ("number", "won", "revoked_on", "code"),
    [
        (301, 2021, None, "reapplication_banned"),
        (302, 2020, None, None),
        (303, 2019, "2021-07-01", "reapplication_after_revocation"),
        (304, 2018, "2020-12-31", None),
    ],
)
def test_an_edition_with_a_ban_counts_from_the_award_and_from_its_revocation(
    award: Award, number: int, won: int, revoked_on: str | None, code: str | None
) -> None:
    award.at("2026-03-02T09:00:00+08:00")
    banning, open_to_all = opened(award, 2026, "biennial-example"), opened(award, 2027, "jindong-2022")
    applicant = Applicant(award, number)
    ok(applicant.state_organisation())
    honour = {"credit_code": applicant.code, "award": "quality", "year": won, "status": "published", "revoked_on": None}
    tell(award, "honour.changed", **honour)
    if revoked_on is not None:
        tell(award, "honour.changed", **honour | {"status": "revoked", "revoked_on": revoked_on})
    answer = applicant.start(banning)
    if code is None:
        ok(answer)
    else:
        refused(answer, code, "3.1")
    ok(applicant.start(open_to_all))
