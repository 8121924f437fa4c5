"""Second act: organisations register, apply, are endorsed, and are screened."""

from collections.abc import Mapping
from typing import Any

from embedded.demo.cast import NOT_OF_THE_DISTRICT, ORGANISATIONS, Organisation
from embedded.demo.stage import Person
from embedded.demo.year import Scene, Year, endorser_of, township_of

PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Count 0/Kids[]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
CRITERIA = ("3.1", "3.2.1", "3.2.2", "3.2.3", "3.2.4", "3.2.5", "3.2.6", "3.2.7", "3.3.1", "3.3.2", "3.3.3")
NO_LEGAL_PERSONS = ("farhill", "noodle")
PROFILED = tuple(key for key in ORGANISATIONS if key not in {*NO_LEGAL_PERSONS, "neighbour"})
UNFIT = ("sprout", "steelyard", "oldscar")
LATE = "dusk"
EARLY = "crabapple"
LAST_INSTANT = "tornsilk"
HANDED_IN = tuple(key for key in PROFILED if key not in UNFIT)
FILED = tuple(key for key in HANDED_IN if key not in {"quicksand", LATE, "homecloud"})
ELIGIBLE = tuple(key for key in FILED if key != "tornsilk")
VIOLATION = {"kind": "violation", "occurred_on": "2023-03-31", "found_on": "2023-05-06", "number": "虚构市监罚〔2023〕12号"}


def profile(one: Organisation) -> dict[str, Any]:
    """Give what an organisation states of itself."""
    return {
        "name": one.name,
        "legal_form": one.form,
        "township": one.township,
        "registered_on": one.registered_on,
        "in_district_since": one.registered_on,
        "industry": one.industry,
        "address": f"虚构路{one.number}号",
        "size": "medium",
        "contacts": [{"name": "方虚构", "telephone": "0579-80000000"}],
    }


def sections(one: Organisation, awards: tuple[str, ...]) -> Mapping[str, dict[str, Any]]:
    """Give what an organisation writes into the form."""
    parts = ("leadership", "strategy", "customers", "resources", "processes", "measurement", "results")
    innovation = [{"field": "standards", "result": "主导制定团体标准2项。"}] if "innovation" in awards else []
    written: dict[str, dict[str, Any]] = {
        "declarations": {"voluntary": True, "truthful": True, "signatory": "方虚构", "signed_on": "2026-02-24"},
        "overview": {"summary": f"{one.name}，纯属虚构。", "employees": 120, "products": "示例产品与服务"},
        "self_assessment": {part: f"{one.name}的自评：{part}。" for part in parts},
        "products": {
            "items": [
                {
                    "name": "示例产品与服务",
                    "indicators": [
                        {"indicator": "一次交验合格率", "unit": "%", "own": "99.6", "domestic": "98.5", "international": "99.2"}
                    ],
                }
            ]
        },
        "indicators": {
            "years": [
                {
                    "year": year,
                    "assets": "310000000.00",
                    "revenue": "260000000.00",
                    "profit": "21000000.00",
                    "tax_paid": one.tax_paid,
                    "land_mu": "50.00",
                }
                for year in (2023, 2024, 2025)
            ],
            "ranking": "全区同行业亩均效益第3位",
        },
        "innovation": {"results": innovation},
        "history": {"incidents": [VIOLATION] if one.key == "oldscar" else []},
    }
    if one.flag:
        written["preferences"] = {"titles": [{"flag": one.flag, "certificate": f"虚构证书-{one.number}"}]}
    return written


def applicant(year: Year, key: str) -> Person:
    """Give the person who acts for an organisation."""
    return year.people[f"org.{key}"]


def register(year: Year) -> None:
    """Register organisations by credit code; their township's body or the office verifies who acts for them."""
    year.stage.at("2026-02-24T09:00:00+08:00")
    anybody = Person(year.stage, "anybody")

    def form(person: Person, one: Organisation, code: str) -> dict[str, object]:
        return {
            "credit_code": code,
            "organisation": one.name,
            "township": one.township,
            "login": person.login,
            "password": person.password,
            "name": "方虚构",
        }

    bamboo = ORGANISATIONS["bamboo"]
    wrong = bamboo.code[:-1] + ("0" if bamboo.code[-1] != "0" else "1")
    anybody.refused(
        "3.1",
        "a credit code with a wrong check character",
        "POST",
        "/auth/registrations",
        form(anybody, bamboo, wrong),
        code="credit_code_check_character",
    )

    def come(key: str) -> None:
        one = ORGANISATIONS[key]
        person = year.people[f"org.{key}"] = Person(year.stage, f"org.{key}")
        person.id = person.expect("POST", "/auth/registrations", form(person, one, one.code))["account"]
        verifier = year.people[township_of(key)] if one.number % 2 else year.office
        verifier.expect("POST", f"/accounts/{person.id}/verification")
        person.sign_in("applicant")

    year.stage.together(come, ORGANISATIONS)
    year.people["body-330703101"].absent(f"/accounts/{applicant(year, 'egret').id}")


def introduce(year: Year) -> None:
    """Have each state who it is: an independent legal person of the district, or it goes no further."""

    def state(key: str) -> None:
        one = ORGANISATIONS[key]
        saved = applicant(year, key).expect("PUT", f"/organisations/{one.code}", profile(one), version=0)
        year.stage.check(f"{key}'s profile", (saved["name"], saved["township"]), (one.name, one.township))

    year.stage.together(state, PROFILED)
    for key, form in (("farhill", "branch"), ("noodle", "sole_trader")):
        one = ORGANISATIONS[key]
        applicant(year, key).refused(
            "3.1",
            f"a {form.replace('_', ' ')}",
            "PUT",
            f"/organisations/{one.code}",
            profile(one),
            code=f"no_legal_person_{form}",
            version=0,
        )
        year.stop(key, "organisation", "3.1")
    neighbour = ORGANISATIONS["neighbour"]
    elsewhere = profile(neighbour) | {"township": NOT_OF_THE_DISTRICT}
    applicant(year, "neighbour").refused(
        "3.1", "an address outside the district", "PUT", f"/organisations/{neighbour.code}", elsewhere, code="outside_district", version=0
    )
    year.stop("neighbour", "organisation", "3.1")
    applicant(year, "egret").absent(f"/organisations/{ORGANISATIONS['bamboo'].code}")


def write(year: Year, key: str) -> None:
    """Start an application, fill in the form, and attach a proof."""
    one, person = ORGANISATIONS[key], applicant(year, key)
    start = {"cycle": year.cycle, "awards": list(year.scenario.awards_of(key)), "field": one.field, "fallback": one.fallback}
    year.applications[key] = person.expect("POST", "/applications", start)["id"]
    for name, content in sections(one, year.scenario.awards_of(key)).items():
        person.expect("PUT", f"{year.path(key)}/sections/{name}", content, version=0)
    kept = person.expect(
        "POST",
        f"{year.path(key)}/attachments",
        content=PDF,
        headers={"Content-Type": "application/pdf"},
        params={"name": "营业执照.pdf", "requirement": "3.1"},
    )
    year.stage.check(f"{key}'s attachment", (kept["media_type"], kept["size"]), ("application/pdf", len(PDF)))


def submit(year: Year, key: str, body: str | None = None) -> None:
    """Hand an application in, to the body that the organisation asks."""
    submission = {"endorsing_body": body or ORGANISATIONS[key].endorser}
    handed = applicant(year, key).expect("POST", f"{year.path(key)}/submission", submission)
    year.stage.check(f"{key} is handed in", handed["state"], "submitted")


def endorse(year: Year, key: str, signed_on: str) -> None:
    """Have the body addressed endorse an application, which files it."""
    filed = year.people[endorser_of(key)].expect("POST", f"{year.path(key)}/endorsement", endorsement(signed_on))
    year.stage.check(f"{key} is filed", filed["state"], "filed")


def endorsement(signed_on: str) -> dict[str, str]:
    """Give a body's signed opinion."""
    return {"decision": "endorse", "opinion": "情况属实，同意推荐。", "signatory": "印虚构", "signed_on": signed_on}


def come_early(year: Year) -> None:
    """Hand in before the window opens, in vain."""
    write(year, EARLY)
    submission = {"endorsing_body": ORGANISATIONS[EARLY].endorser}
    applicant(year, EARLY).refused(
        "5.2", "an application before the window opens", "POST", f"{year.path(EARLY)}/submission", submission, code="window_not_open"
    )


def apply(year: Year) -> None:
    """Write the applications; what an organisation may not seek is refused."""
    year.stage.at("2026-03-02T09:00:00+08:00")
    person = applicant(year, "bamboo")
    start = {"cycle": year.cycle, "awards": ["quality"], "field": "production", "fallback": False}
    person.refused(
        "1.2", "a field that the awards are not for", "POST", "/applications", start | {"field": "banking"}, code="field_not_covered"
    )
    person.refused("1.1", "an application for no award", "POST", "/applications", start | {"awards": []}, code="awards_sought")
    year.stage.together(lambda key: write(year, key), [key for key in PROFILED if key != EARLY])
    person.refused("3.1", "a second application in the cycle", "POST", "/applications", start, code="second_application")
    applicant(year, "egret").absent(year.path("bamboo"))


def hand_in(year: Year) -> None:
    """Hand applications in; they are refused where the regulation says so."""
    year.stage.at("2026-03-10T09:00:00+08:00")

    def refuse(key: str, clause: str, code: str, what: str, body: str | None = None) -> None:
        submission = {"endorsing_body": body or ORGANISATIONS[key].endorser}
        applicant(year, key).refused(clause, what, "POST", f"{year.path(key)}/submission", submission, code=code)

    def rewrite(key: str, name: str, content: Mapping[str, object]) -> None:
        path = f"{year.path(key)}/sections/{name}"
        person = applicant(year, key)
        person.expect("PUT", path, content, version=person.expect("GET", path)["version"])

    refuse("sprout", "3.2.1", "too_young", "an organisation too young by a day")
    refuse("steelyard", "3.2.7", "tax_per_mu_too_low", "a tax per mu of 199,999.99 yuan")
    refuse("oldscar", "3.3.1", "veto_violation", "a serious violation exactly three years back")
    for key, clause in zip(UNFIT, ("3.2.1", "3.2.7", "3.3.1"), strict=True):
        year.stop(key, "submission", clause)
    written = sections(ORGANISATIONS["amber"], year.scenario.awards_of("amber"))
    rewrite("amber", "declarations", written["declarations"] | {"voluntary": False})
    refuse("amber", "1.4", "not_voluntary", "an application without the declaration of voluntariness")
    rewrite("amber", "declarations", written["declarations"])
    rewrite("amber", "innovation", {"results": []})
    refuse("amber", "1.3", "innovation_results_missing", "an Innovation seeker without results")
    rewrite("amber", "innovation", written["innovation"])
    refuse("dipper", "5.2", "wrong_township", "a township that is not the applicant's", "330703102")
    refuse("wheatwave", "5.2", "department_not_authorised", "a department for another industry", "dept-agriculture")
    year.stage.together(lambda key: submit(year, key), HANDED_IN)


def be_endorsed(year: Year) -> None:
    """Endorse, decline, and return for correction; endorsement files an application."""
    year.stage.at("2026-03-12T10:00:00+08:00")
    body = year.people[endorser_of("bamboo")]
    path = f"{year.path('bamboo')}/endorsement"
    silent = endorsement("2026-03-12") | {"opinion": ""}
    body.refused("5.2", "an endorsement without an opinion", "POST", path, silent, code="opinion_missing")
    body.refused("5.2", "an endorsement signed tomorrow", "POST", path, endorsement("2026-03-13"), code="signing_date")
    year.people["body-330703200"].absent(year.path("bamboo"))
    decline = {"decision": "decline", "remarks": "主要指标未达到本镇推荐要求。"}
    declined = year.people[endorser_of("quicksand")].expect("POST", f"{year.path('quicksand')}/endorsement", decline)
    year.stage.check("quicksand is declined", declined["state"], "declined")
    year.stop("quicksand", "endorsement", "5.2")
    back = {"decision": "return", "remarks": "请补充研发投入的证明。"}
    returned = year.people[endorser_of("firefly")].expect("POST", f"{year.path('firefly')}/endorsement", back)
    year.stage.check("firefly is returned", returned["state"], "returned")
    later = {"quicksand", "firefly", "frostleaf", LATE, LAST_INSTANT}
    year.stage.together(lambda key: endorse(year, key, "2026-03-12"), [key for key in HANDED_IN if key not in later])


def settle_the_rest(year: Year) -> None:
    """Settle the rest: one comes back corrected, one waits for its third birthday, one withdraws, one misses the window by an instant."""
    year.stage.at("2026-03-13T10:00:00+08:00")
    overview = sections(ORGANISATIONS["firefly"], year.scenario.awards_of("firefly"))["overview"]
    applicant(year, "firefly").expect("PUT", f"{year.path('firefly')}/sections/overview", overview | {"employees": 121}, version=1)
    submit(year, "firefly")
    endorse(year, "firefly", "2026-03-13")
    versions = applicant(year, "firefly").expect("GET", f"{year.path('firefly')}/versions")["items"]
    year.stage.check("firefly's versions", [version["number"] for version in versions], [1, 2])
    year.stage.at("2026-03-19T23:59:59.999999+08:00")
    young = year.people[endorser_of("frostleaf")]
    young.refused(
        "3.2.1",
        "an endorsement on the day before the third year is full",
        "POST",
        f"{year.path('frostleaf')}/endorsement",
        endorsement("2026-03-19"),
        code="too_young",
    )
    year.stage.at("2026-03-20T00:00:00+08:00")
    endorse(year, "frostleaf", "2026-03-20")
    withdrawn = applicant(year, "homecloud").expect("POST", f"{year.path('homecloud')}/withdrawal", {"reason": "经营计划调整。"})
    year.stage.check("homecloud withdraws", withdrawn["state"], "withdrawn")
    year.stop("homecloud", "withdrawal", "1.4")
    year.stage.at("2026-03-31T23:59:59.999999+08:00")
    endorse(year, LAST_INSTANT, "2026-03-31")
    year.stage.at("2026-04-01T00:00:00+08:00")
    year.people[endorser_of(LATE)].refused(
        "5.2", "an endorsement after the window", "POST", f"{year.path(LATE)}/endorsement", endorsement("2026-03-31"), code="window_closed"
    )
    year.stop(LATE, "endorsement", "5.2")


def outcomes(key: str, skipped: str | None = None) -> list[dict[str, object]]:
    """Give what the office finds on each criterion."""
    one = ORGANISATIONS[key]
    found: list[dict[str, object]] = []
    for criterion in CRITERIA:
        passes = not (key == "tornsilk" and criterion == "3.2.6")
        reason = "经核查符合。" if passes else "近年多次被列入环境信用警示名单，社会声誉不佳。"
        outcome: dict[str, object] = {"criterion": criterion, "outcome": "pass" if passes else "fail", "reason": reason}
        if criterion == "3.2.5" and one.flag:
            outcome["proven"] = [one.flag]
        if criterion != skipped:
            found.append(outcome)
    return found


def begin_screening(year: Year) -> None:
    """Promise secrecy first; then every criterion needs its outcome, and every outcome its reason."""
    year.stage.at("2026-04-07T09:00:00+08:00")
    office, path = year.office, f"{year.path('bamboo')}/screening"
    incomplete = {"outcomes": outcomes("bamboo", skipped="3.3.3")}
    what = "screening before the confidentiality undertaking"
    office.refused("7.6", what, "PUT", path, incomplete, code="undertaking_missing", version=0)
    for person in (office, year.people["body-dept-economy"]):
        person.expect("POST", "/me/undertakings", {"cycle": year.cycle})
    office.expect("PUT", path, incomplete, version=0)
    what = "a determination while a criterion lacks its outcome"
    office.refused("5.3.1", what, "POST", f"{path}/determination", {}, code="screening_incomplete")
    last = {"outcome": "pass", "reason": "经核查无记录。"}
    what = "an outcome without a reason"
    office.refused("5.3.1", what, "PUT", f"{path}/3.3.3", last | {"reason": ""}, code="screening_reason_missing", version=0)
    office.expect("PUT", f"{path}/3.3.3", last, version=0)


def determine(year: Year, key: str) -> None:
    """Determine an application by the outcomes of its screening."""
    found = year.office.expect("POST", f"{year.path(key)}/screening/determination", {"remarks": "依据审查结论。"})
    wanted = (False, ["3.2.6"]) if key == "tornsilk" else (True, [])
    year.stage.check(f"{key}'s determination", (found["determination"]["eligible"], found["determination"]["clauses"]), wanted)


def screen(year: Year) -> None:
    """Screen every criterion, ask a department, and find one organisation ineligible."""
    office, egret = year.office, year.path("egret")
    question = {"body": "dept-economy", "criterion": "3.3.1", "question": "近三年有无重大安全事故？", "due_on": "2026-04-17"}
    asked = office.expect("POST", f"{egret}/verifications", question)
    others = [key for key in FILED if key not in {"bamboo", "amber"}]
    year.stage.together(lambda key: office.expect("PUT", f"{year.path(key)}/screening", {"outcomes": outcomes(key)}, version=0), others)
    office.refused(
        "5.3.1",
        "a determination while a department has still to answer",
        "POST",
        f"{egret}/screening/determination",
        {},
        code="verification_open",
    )
    reply = {"finding": "confirmed", "answer": "经查，无相关记录。", "incidents": []}
    year.people["body-dept-economy"].expect("PUT", f"/verifications/{asked['id']}", reply, version=asked["version"])
    year.stage.together(lambda key: determine(year, key), [key for key in FILED if key != "amber"])
    told = applicant(year, "tornsilk").expect("GET", year.path("tornsilk"))
    year.stage.check("tornsilk is told why", (told["state"], told["determination"]["clauses"]), ("ineligible", ["3.2.6"]))
    year.stop("tornsilk", "screening", "3.2.6")


def close_screening(year: Year) -> None:
    """Close the screening once the last application is determined."""
    year.stage.at("2026-04-20T09:00:00+08:00")
    closure = f"{year.here}/screening-closure"
    year.office.refused("5.3.1", "a closure while one application is open", "POST", closure, code="screening_open")
    year.office.expect("PUT", f"{year.path('amber')}/screening", {"outcomes": outcomes("amber")}, version=0)
    determine(year, "amber")
    closed = year.office.expect("POST", closure)
    eligible = {year.applications[key] for key in ELIGIBLE}
    year.stage.check("the eligible list", (closed["count"], set(closed["applications"])), (len(ELIGIBLE), eligible))


SCENES: tuple[Scene, ...] = (
    ("Organisations register", register),
    ("Organisations say who they are", introduce),
    ("One comes before the window opens", come_early),
    ("Applications are written", apply),
    ("Applications are handed in", hand_in),
    ("Applications are endorsed", be_endorsed),
    ("The window closes", settle_the_rest),
    ("The screening begins", begin_screening),
    ("Applications are screened", screen),
    ("The screening is closed", close_screening),
)
