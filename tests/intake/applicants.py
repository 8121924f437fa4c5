"""Applicants at work, for intake's tests: an organisation that applies, the bodies that endorse it, the office that screens it."""

from typing import Any

import httpx
from sqlalchemy import text

from embedded.caller import Caller
from regulation.eligibility import CRITERIA
from regulation.identifiers import CHARACTERS, WEIGHTS
from tests.rig import Award
from tests.workflow.committee import ANNOUNCED, Committee, ok

TOWN = "330703101"
DRAFTING, FILING, SCREENING = "2026-03-02T09:00:00+08:00", "2026-03-20T09:00:00+08:00", "2026-04-01T00:00:00+08:00"
PDF = b"%PDF-1.7\nan attachment"
ENDORSED = {"decision": "endorse", "opinion": "情况属实，同意推荐。", "signatory": "王建国", "signed_on": "2026-03-20"}
ORGANISATION = {
    "name": "示例机械有限公司", "legal_form": "legal_person", "township": TOWN, "industry": "C3421",
    "registered_on": "2012-05-18", "in_district_since": "2012-05-18", "address": "示例路1号", "size": "medium",
    "contacts": [{"name": "方志远", "telephone": "0579-82190000"}],
}  # fmt: skip


def indicators(last: int = 2025, **given: object) -> dict[str, Any]:
    """State three years, the last of which is as given."""
    year = {"assets": "310000000.00", "revenue": "260000000.00", "profit": "21000000.00", "tax_paid": "10000000.00", "land_mu": "50.00"}
    years = [{"year": last - 2} | year, {"year": last - 1} | year, {"year": last} | year | given]
    return {"years": years, "ranking": "全区同行业第3位"}


SECTIONS: dict[str, dict[str, Any]] = {
    "declarations": {"voluntary": True, "truthful": True, "signatory": "方志远", "signed_on": "2026-03-02"},
    "overview": {"summary": "专业生产精密机械。", "employees": 420, "products": "机床"},
    "self_assessment": dict.fromkeys(
        ("leadership", "strategy", "customers", "resources", "processes", "measurement", "results"), "如附件所述。"
    ),
    "products": {"items": [{"name": "机床", "indicators": [{"indicator": "定位精度", "unit": "mm", "own": "0.003", "domestic": "0.005"}]}]},
    "indicators": indicators(),
    "history": {"incidents": []},
}
INNOVATION = {"results": [{"field": "standards", "result": "国家标准1项。"}]}


def credit_code(number: int) -> str:
    body = f"91330703MA{number:07}"
    total = sum(weight * CHARACTERS.index(character) for weight, character in zip(WEIGHTS, body, strict=True))
    return body + CHARACTERS[-total % len(CHARACTERS)]


def incident(kind: str, occurred_on: str, **given: object) -> dict[str, Any]:
    return {"kind": kind, "occurred_on": occurred_on, "found_on": occurred_on, "number": "金市监〔2023〕1号"} | given


class Applicant:
    """One organisation with its application."""

    def __init__(self, award: Award, number: int) -> None:
        self.code = credit_code(number)
        self.person = f"applicant-{number}"
        self.client: Caller = award.client("applicant", self.person, org=self.code)
        self.id = ""

    @property
    def path(self) -> str:
        return f"/applications/{self.id}"

    def state_organisation(self, **given: object) -> httpx.Response:
        path = f"/organisations/{self.code}"
        version = self.client.get(path).headers.get("etag", '"0"')
        return self.client.put(path, json=ORGANISATION | given, headers={"If-Match": version})

    def start(self, cycle: str, **given: object) -> httpx.Response:
        sought = {"cycle": cycle, "awards": ["quality"], "field": "production"} | given
        answer = self.client.post("/applications", json=sought)
        if answer.is_success:
            self.id = answer.json()["id"]
        return answer

    def save(self, section: str, content: object) -> httpx.Response:
        path = f"{self.path}/sections/{section}"
        return self.client.put(path, json=content, headers={"If-Match": self.client.get(path).headers["etag"]})

    def fill(self, **sections: object) -> None:
        for section, content in (SECTIONS | sections).items():
            ok(self.save(section, content))

    def submit(self, body: str = TOWN) -> httpx.Response:
        return self.client.post(f"{self.path}/submission", json={"endorsing_body": body})

    def read(self) -> dict[str, Any]:
        return ok(self.client.get(self.path))


class Intake:
    """A cycle in its application window, with the office and one town's endorser."""

    def __init__(
        self, award: Award, year: int = 2026, rules: dict[str, Any] | None = None, edition: str | None = None, calendar: int = 2026
    ) -> None:
        self.award = award
        self.committee = Committee(award, calendar)
        self.at(ANNOUNCED)
        self.cycle = self.committee.launch(year, rules, edition)
        self.office = self.committee.office
        self.town = award.client("endorser", "town-1", body=TOWN)
        self.swear(self.office)
        self.at(DRAFTING)

    def at(self, instant: str) -> None:
        self.award.at(self.committee.dated(instant))

    def swear(self, official: Caller) -> None:
        ok(official.post("/me/undertakings", json={"cycle": self.cycle}))

    def drafted(
        self, number: int, *, organisation: dict[str, Any] | None = None, sought: dict[str, Any] | None = None, **sections: object
    ) -> Applicant:
        applicant = Applicant(self.award, number)
        ok(applicant.state_organisation(**(organisation or {})))
        ok(applicant.start(self.cycle, **(sought or {})))
        applicant.fill(**sections)
        return applicant

    def submitted(self, number: int, **given: Any) -> Applicant:  # noqa: ANN401 - as `drafted` takes it
        applicant = self.drafted(number, **given)
        ok(applicant.submit())
        return applicant

    def filed(self, number: int, **given: Any) -> Applicant:  # noqa: ANN401 - as `drafted` takes it
        applicant = self.submitted(number, **given)
        self.at(FILING)
        ok(self.town.post(f"{applicant.path}/endorsement", json=ENDORSED))
        return applicant

    def settle(self, applicant: Applicant, **outcomes: dict[str, Any]) -> httpx.Response:
        """Pass every criterion, but for those given by their clause with underscores (`c_3_2_5`)."""
        path = f"{applicant.path}/screening"
        given = {name.removeprefix("c_").replace("_", "."): outcome for name, outcome in outcomes.items()}
        passed = {"outcome": "pass", "reason": "材料与登记信息一致。"}
        wanted = [{"criterion": one.clause} | passed | given.get(one.clause, {}) for one in CRITERIA]
        return self.office.put(path, json={"outcomes": wanted}, headers={"If-Match": self.office.get(path).headers["etag"]})

    def determine(self, applicant: Applicant) -> httpx.Response:
        return self.office.post(f"{applicant.path}/screening/determination", json={})

    def close(self) -> httpx.Response:
        return self.office.post(f"/cycles/{self.cycle}/screening-closure")

    def hear(self) -> None:
        self.committee.hear()

    def facts_of(self, kind: str, subject: str) -> list[dict[str, Any]]:
        """Read the facts of the events of one kind in intake's record, in order."""
        events = text("select facts from event where kind = :kind and subject = :subject order by id")
        engine = self.award.database("intake")
        with engine.connect() as connection:
            found = list(connection.scalars(events, {"kind": kind, "subject": subject}))
        engine.dispose()
        return found


def absent(answer: httpx.Response) -> None:
    """Demand the 404 of a thing that never was."""
    body = answer.json()
    assert (answer.status_code, body["code"], "clause" in body) == (404, "absent", False), answer.text
