"""Mail about tasks, deadlines and decisions, before a real server: once, when and as one wants it, of nothing one may not see."""

import itertools
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from embedded import postgres
from embedded.caller import Caller
from embedded.product import Secrets
from gateway.retention import keepings
from kernel import upkeep
from tests import rig
from tests.faults.programs import Programs
from tests.gateway.people import PASSWORD, activated, at_the_database, bearer, sign_in
from tests.gateway.post import HANGS, HANGS_UP, Post
from tests.intake.applicants import FILING, TOWN, Intake, credit_code
from tests.rig import Award
from tests.workflow.committee import ok

LOOK = {
    "QUALITY_AWARD_SMTP_HOST": "127.0.0.1", "QUALITY_AWARD_SMTP_SECURITY": "none", "QUALITY_AWARD_MAIL_FROM": "award@jindong.example.cn",
    "QUALITY_AWARD_NOTICE_SECONDS": "0.2",
}  # fmt: skip
TOWNS = itertools.cycle(["330703102", "330703103", "330703104", "330703001", "330703002", "330703105", "330703106"])
NUMBERS = iter(range(7000, 8000))


@contextmanager
def settings(post: Post) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**LOOK, "QUALITY_AWARD_SMTP_PORT": str(post.port)}.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def post() -> Iterator[Post]:
    served = Post()
    served.open()
    yield served
    served.close()


@pytest.fixture(scope="module")
def award(post: Post, server: postgres.Server, kept: Secrets, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Award]:
    with settings(post), rig.running(server, template, kept, tmp_path_factory.mktemp("product")) as running:
        running.at("2026-02-10T09:00:00+08:00")
        yield running


@pytest.fixture(scope="module")
def office(award: Award) -> Caller:
    return award.client("committee", "office-1", duties=["office"])


class Person:
    """Somebody with an account, an address, and a caller."""

    def __init__(self, award: Award, post: Post, account: dict[str, Any], password: str = PASSWORD, **more: str) -> None:
        self.award, self.post, self.login = award, post, account["login"]
        self.id: str = account["id"]
        self.town = ""
        self.address = f"{self.login}@example.cn"
        self.me = award.client()
        self.me.headers.update(bearer(sign_in(self.me, self.login, password, **more).json()["access_token"]))

    def prefer(self, mode: str = "at_once", **given: Any) -> Any:  # noqa: ANN401 - as JSON has it
        form = {"address": self.address, "mode": mode, "language": "en", "password": PASSWORD} | given
        version = self.me.get("/me/notifications").headers["etag"]
        return self.me.put("/me/notifications", json=form, headers={"If-Match": version})

    def confirm(self) -> "Person":
        code = text_of(self.post.wait(self.address, 1)[-1]).splitlines()[4].strip()
        ok(self.me.post("/me/notifications/confirmation", json={"code": code}))
        return self

    def told(self, mode: str = "at_once", **given: Any) -> "Person":  # noqa: ANN401 - as JSON has it
        ok(self.prefer(mode, **given))
        return self.confirm()

    def mails(self, number: int) -> list[Any]:
        """Wait until so many notices came; the first mail of all was the code."""
        self.award.product.door.gateway.nudge()
        return self.post.wait(self.address, number + 1)[1:]


def text_of(mail: Any) -> str:  # noqa: ANN401 - the library's message
    return str(mail.get_content())


def lines_of(mail: Any) -> list[str]:  # noqa: ANN401 - the library's message
    return [line[2:] for line in text_of(mail).splitlines() if line[:2] in {"- ", "· "}]


@pytest.fixture
def invite(award: Award, post: Post, office: Caller) -> Callable[..., Person]:
    def made(*grants: dict[str, Any]) -> Person:
        with award.client() as anyone:
            return Person(award, post, activated(anyone, office, list(grants)))

    return made


@pytest.fixture
def clerk(award: Award, invite: Callable[..., Person]) -> Person:
    """An endorser of a town where nobody waits to be verified."""
    town = next(TOWNS)
    at_the_database(award, "update preference set mode = 'off'")
    at_the_database(award, "update registration set verified_at = now() where township = %s", town)
    person = invite({"role": "endorser", "body": town})
    person.town = town
    return person


def registered(award: Award, town: str) -> tuple[str, dict[str, Any]]:
    number = next(NUMBERS)
    name = f"某某机械{number}有限公司"
    form = {
        "credit_code": credit_code(number), "organisation": name, "township": town, "login": f"notified.{number}",
        "password": PASSWORD, "name": "王某",
    }  # fmt: skip
    with award.client() as anyone:
        return name, dict(ok(anyone.post("/auth/registrations", json=form)))


def looked_again(award: Award, *people: Person) -> None:
    """Wait until the sender has looked for each of them once more from now on, and has given what it found to the server."""
    done = """
        select 1 from preference where account_id = %s and looked_at is not null and not exists (
          select 1 from mail where account_id = %s and begun_at >= %s and sent_at is null and failure is null)
    """
    for person in people:
        (began,) = at_the_database(
            award, "update preference set looked_at = null where account_id = %s returning clock_timestamp()", person.id
        )
        award.product.door.gateway.nudge()
        while not at_the_database(award, done, person.id, person.id, began):
            pass


def test_nothing_but_a_code_goes_to_an_address_that_was_not_confirmed(award: Award, post: Post, clerk: Person) -> None:
    name, _ = registered(award, clerk.town)
    ok(clerk.prefer())
    (code,) = post.wait(clerk.address, 1)
    assert (code["Subject"], code["From"]) == ("Quality award: confirm your address", "award@jindong.example.cn")
    wrong = clerk.me.post("/me/notifications/confirmation", json={"code": "no"})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "confirmation_code_invalid")
    assert ok(clerk.me.get("/me/notifications"))["confirmed_at"] is None
    clerk.confirm()
    (mail,) = clerk.mails(1)
    assert (mail["Subject"], lines_of(mail)) == (f"Quality award: Verify who registered for {name}", [f"Verify who registered for {name}"])
    assert mail["Message-ID"].endswith("@jindong.example.cn>")
    assert mail["Auto-Submitted"] == "auto-generated"


def test_a_task_is_told_at_once_once_and_the_next_alone(award: Award, clerk: Person) -> None:
    clerk.told(language="zh")
    first, account = registered(award, clerk.town)
    (mail,) = clerk.mails(1)
    assert mail["Subject"] == f"区政府质量奖：核实注册用户：{first}"
    assert text_of(mail).splitlines()[:4] == ["某人，您好：", "", "待办事项：", f"· 核实注册用户：{first}"]
    second, _ = registered(award, clerk.town)
    assert lines_of(clerk.mails(2)[1]) == [f"核实注册用户：{second}"]
    ok(clerk.me.post(f"/accounts/{account['account']}/verification"))
    third, _ = registered(award, clerk.town)
    assert [lines_of(mail) for mail in clerk.mails(3)[2:]] == [[f"核实注册用户：{third}"]]
    looked_again(award, clerk)
    assert len(clerk.mails(3)) == 3


@pytest.mark.full
def test_a_digest_comes_at_its_hour_with_what_still_waits(award: Award, clerk: Person) -> None:
    award.at("2026-02-11T07:59:00+08:00")
    clerk.told("digest", hour=8)
    (done, account), (left, _) = registered(award, clerk.town), registered(award, clerk.town)
    looked_again(award, clerk)
    ok(clerk.me.post(f"/accounts/{account['account']}/verification"))
    looked_again(award, clerk)
    assert clerk.mails(0) == []
    award.at("2026-02-11T08:00:00+08:00")
    (mail,) = clerk.mails(1)
    assert (done not in text_of(mail), lines_of(mail)) == (True, [f"Verify who registered for {left}"])
    later, _ = registered(award, clerk.town)
    award.at("2026-02-12T07:59:59+08:00")
    looked_again(award, clerk)
    assert len(clerk.mails(1)) == 1
    award.at("2026-02-12T08:00:00+08:00")
    assert [lines_of(mail) for mail in clerk.mails(2)[1:]] == [[f"Verify who registered for {later}"]]


def test_who_turned_it_off_is_told_nothing_and_hears_the_rest_when_it_is_on_again(award: Award, clerk: Person, invite: Any) -> None:  # noqa: ANN401 - a fixture that makes people
    clerk.told("off")
    name, _ = registered(award, clerk.town)
    other = invite({"role": "endorser", "body": clerk.town}).told()
    other.mails(1)
    assert clerk.mails(0) == []
    ok(clerk.prefer("at_once"))
    assert lines_of(clerk.mails(1)[0]) == [f"Verify who registered for {name}"]


@pytest.mark.full
def test_a_server_that_is_down_gets_it_once_when_it_is_back(award: Award, post: Post, clerk: Person) -> None:
    clerk.told()
    post.close()
    name, _ = registered(award, clerk.town)
    failed = "select last_failure from preference where account_id = %s and failures > 0"
    while not (found := at_the_database(award, failed, clerk.id)):
        pass
    assert found == ["ConnectionRefusedError"]
    post.open()
    assert [lines_of(mail) for mail in clerk.mails(1)] == [[f"Verify who registered for {name}"]]
    looked_again(award, clerk)
    assert len(clerk.mails(1)) == 1
    assert ok(clerk.me.get("/me/notifications"))["last_failure"] is None


@pytest.mark.full
def test_a_lasting_no_is_not_tried_again_and_a_passing_one_is(award: Award, post: Post, clerk: Person, office: Caller) -> None:
    clerk.told()
    post.replies = ["451 later", "250 OK", "554 never"]
    first, _ = registered(award, clerk.town)
    assert [lines_of(mail) for mail in clerk.mails(1)] == [[f"Verify who registered for {first}"]]
    registered(award, clerk.town)
    while not (refused := [one for one in ok(office.get("/mails?state=refused"))["items"] if one["account_id"] == clerk.id]):
        pass
    assert [(one["failure"], one["sent_at"]) for one in refused] == [("554", None)]
    third, _ = registered(award, clerk.town)
    assert [lines_of(mail) for mail in clerk.mails(2)[1:]] == [[f"Verify who registered for {third}"]]


def test_a_mail_whose_answer_was_lost_is_never_sent_again_and_the_office_sees_it(
    award: Award, post: Post, clerk: Person, office: Caller
) -> None:
    clerk.told()
    post.replies = [HANGS_UP]
    name, _ = registered(award, clerk.town)
    assert lines_of(clerk.mails(1)[0]) == [f"Verify who registered for {name}"]
    looked_again(award, clerk)
    assert ok(office.get("/mails?state=unclear"))["items"] == []
    at_the_database(award, "update mail set begun_at = begun_at - interval '6 minutes' where account_id = %s", clerk.id)
    (unclear,) = ok(office.get("/mails?state=unclear"))["items"]
    assert (unclear["account_id"], unclear["purpose"], unclear["sent_at"], unclear["failure"]) == (clerk.id, "notice", None, None)
    later, _ = registered(award, clerk.town)
    assert [lines_of(mail) for mail in clerk.mails(2)[1:]] == [[f"Verify who registered for {later}"]]
    metrics = award.product.door.gateway.registry
    assert (metrics.get_sample_value("mails_unclear"), metrics.get_sample_value("mails_total", {"outcome": "unclear"})) == (1, 1)


def test_what_is_not_committed_is_not_told(award: Award, clerk: Person) -> None:
    clerk.told()
    name, account = registered(award, "330703101")
    own = "update registration set township = %s where account_id = %s"
    engine = award.database("gateway")
    with engine.connect() as connection:
        connection.exec_driver_sql(own, (clerk.town, account["account"]))
        looked_again(award, clerk)
        assert clerk.mails(0) == []
        connection.rollback()
        looked_again(award, clerk)
        assert clerk.mails(0) == []
        connection.exec_driver_sql(own, (clerk.town, account["account"]))
        connection.commit()
    engine.dispose()
    assert lines_of(clerk.mails(1)[0]) == [f"Verify who registered for {name}"]


def test_a_decision_is_told_and_a_dry_run_of_one_is_not(award: Award, post: Post, clerk: Person) -> None:
    _, account = registered(award, clerk.town)
    applicant = Person(award, post, {"id": account["account"], "login": account["login"]}).told()
    ok(clerk.me.post(f"/accounts/{account['account']}/verification?dry_run=true"))
    looked_again(award, applicant)
    assert applicant.mails(0) == []
    ok(clerk.me.post(f"/accounts/{account['account']}/verification"))
    (mail,) = applicant.mails(1)
    words = "You were verified, and may act for the organisation"
    assert (mail["Subject"], lines_of(mail)) == (f"Quality award: {words}", [words])
    assert "Decided:" in text_of(mail)
    looked_again(award, applicant)
    assert len(applicant.mails(1)) == 1


def test_a_forgotten_password_is_reset_by_mail_once_in_a_quarter_of_an_hour(award: Award, post: Post, clerk: Person) -> None:
    ok(clerk.prefer("off"))
    with award.client() as anyone:
        asked = "/auth/password-reset-requests"
        assert anyone.post(asked, json={"login": clerk.login}).status_code == 204
        clerk.confirm()
        answers = [anyone.post(asked, json={"login": login}) for login in (clerk.login, clerk.login, "nobody.has.this")]
        assert {(answer.status_code, answer.content) for answer in answers} == {(204, b"")}
        (mail,) = clerk.mails(1)
        secret = text_of(mail).splitlines()[4].strip()
        ok(anyone.post("/auth/password-reset", json={"secret": secret, "password": "battery-Staple-8"}))
        assert sign_in(anyone, clerk.login, "battery-Staple-8").status_code == 200
        at_the_database(award, "update notice set since = since - interval '16 minutes' where account_id = %s", clerk.id)
        assert anyone.post(asked, json={"login": clerk.login}).status_code == 204
    assert {mail["Subject"] for mail in clerk.mails(2)} == {"Quality award: a new password"}
    assert post.to("nobody.has.this@example.cn") == []


def test_another_address_takes_the_password_and_is_confirmed_anew(award: Award, clerk: Person) -> None:
    clerk.told("off")
    refused = clerk.prefer(address="another@example.cn", password="wrong-Horse-7")  # noqa: S106 - a wrong one
    assert (refused.status_code, refused.json()["code"]) == (400, "credentials_wrong")
    assert ok(clerk.prefer("digest", password=""))["mode"] == "digest"
    changed = ok(clerk.prefer(address=f"2{clerk.address}"))
    assert (changed["address"], changed["confirmed_at"]) == (f"2{clerk.address}", None)
    assert clerk.prefer(address=None).json()["code"] == "mail_address_missing"
    for wrong in ("not an address", "a@b", "x\r\nBcc: y@example.cn", "王@example.cn"):
        assert clerk.prefer(address=wrong).status_code == 422
    events = at_the_database(award, "select facts::text from event where subject = %s", f"account:{clerk.id}")
    assert not [facts for facts in events if "example.cn" in facts]
    assert [row for row in at_the_database(award, "select address from preference") if row and not row.startswith("sealed:1:")] == []


def test_a_disabled_account_is_told_nothing_and_its_address_is_forgotten(award: Award, clerk: Person, office: Caller) -> None:
    clerk.told()
    account = office.get(f"/accounts/{clerk.id}")
    ok(office.patch(f"/accounts/{clerk.id}", json={"status": "disabled"}, headers={"If-Match": account.headers["etag"]}))
    assert at_the_database(award, "select address from preference where account_id = %s", clerk.id) == [None]


def test_old_mails_are_erased_and_what_still_stands_is_not_told_anew(award: Award, clerk: Person) -> None:
    clerk.told()
    (done, account), (stands, _) = registered(award, clerk.town), registered(award, clerk.town)
    clerk.post.wait_until(lambda: {done, stands} <= {name for mail in clerk.mails(0) for name in (done, stands) if name in text_of(mail)})
    ok(clerk.me.post(f"/accounts/{account['account']}/verification"))
    looked_again(award, clerk)
    gateway = award.product.door.gateway.settings
    at_the_database(award, "update mail set begun_at = begun_at - interval '91 days' where account_id = %s", clerk.id)
    engine = create_engine(gateway.database(), connect_args={"options": "-csearch_path=gateway"})
    with Session(engine) as session:
        chosen = [one for one in keepings(gateway) if one.name == "mails"]
        (line,) = upkeep.apply(session, gateway, chosen, dry_run=False)
        (again,) = upkeep.apply(session, gateway, chosen, dry_run=False)
    engine.dispose()
    assert (line["found"] >= 1, again["found"]) == (True, 0)
    left = at_the_database(award, "select fact from notice where account_id = %s and ended_at is null", clerk.id)
    assert len(left) == 1
    count = len(clerk.mails(0))
    looked_again(award, clerk)
    assert len(clerk.mails(0)) == count


@pytest.fixture(scope="module")
def intake(award: Award) -> Intake:
    return Intake(award)


def test_a_deadline_is_told_three_days_before_and_once_it_has_passed(award: Award, post: Post, office: Caller, intake: Intake) -> None:
    with award.client() as anyone:
        clerk = Person(award, post, activated(anyone, office, [{"role": "endorser", "body": TOWN}])).told()
    _, account = registered(award, TOWN)
    ok(office.post(f"/accounts/{account['account']}/verification"))
    applicant = Person(award, post, {"id": account["account"], "login": account["login"]}).told("off")
    code = at_the_database(award, "select org from role_grant where account_id = %s", applicant.id)[0]
    number = int(code[-8:-1])
    intake.submitted(7901, organisation={"name": "待推荐公司"})
    intake.drafted(number, organisation={"name": "草稿公司"})
    waits, draft = "Decide on the endorsement of 待推荐公司", "Hand in the application of 草稿公司"
    due = " (due 2026-04-01 00:00, UTC+8)"
    award.at("2026-03-28T23:59:59+08:00")
    ok(applicant.prefer(password=""))
    assert lines_of(applicant.mails(1)[0]) == [draft + due]
    looked_again(award, clerk)
    heard = [text_of(mail) for mail in clerk.mails(1)]
    assert (sum(waits + due in text for text in heard), [text for text in heard if "Due soon" in text]) == (1, [])
    award.at("2026-03-29T00:00:00+08:00")
    assert text_of(applicant.mails(2)[1]).splitlines()[2:4] == ["Due soon:", f"- {draft}{due}"]
    assert f"- {waits}{due}" in text_of(clerk.mails(len(heard) + 1)[-1])
    award.at("2026-04-01T00:00:00+08:00")
    late = text_of(clerk.mails(len(heard) + 2)[-1]).splitlines()
    assert late[2:4] == ["Overdue:", f"- {waits}{due}"]
    (lapsed,) = applicant.mails(3)[2:]
    assert lines_of(lapsed) == ["The deadline has passed, and the application was not handed in: 草稿公司"]
    looked_again(award, clerk, applicant)
    assert (len(clerk.mails(0)), len(applicant.mails(0))) == (len(heard) + 2, 3)


def test_who_is_recused_before_the_digest_reads_nothing_of_what_they_may_not_see(award: Award, invite: Any, intake: Intake) -> None:  # noqa: ANN401 - a fixture that makes people
    award.at(FILING)
    hidden, _ = (intake.filed(number, organisation={"name": name}) for number, name in ((7911, "回避公司"), (7912, "无关公司")))
    award.at("2026-04-01T07:00:00+08:00")
    official = invite({"role": "committee", "duties": ["office"]}).told("digest", hour=8)
    looked_again(award, official)
    noted = "select fact from notice where account_id = %s and fact like %s and mail_id is null"
    assert at_the_database(award, noted, official.id, f"%screen:{hidden.id}%")
    ok(official.me.put("/me/interests", json={"interests": [{"credit_code": hidden.code, "kind": "employment", "reason": "曾任职"}]}))
    intake.hear()
    award.at("2026-04-01T08:00:00+08:00")
    (mail,) = official.mails(1)
    assert ("回避公司" in text_of(mail), "Screen the application of 无关公司" in lines_of(mail)) == (False, True)


@pytest.mark.full
def test_a_sender_killed_while_it_gives_a_mail_never_gives_it_again(
    post: Post, server: postgres.Server, kept: Secrets, template: str, tmp_path: Path
) -> None:
    with settings(post), rig.running(server, template, kept, tmp_path, keep=True) as before:
        with before.client() as anyone:
            by = before.client("committee", duties=["office"])
            clerk = Person(before, post, activated(anyone, by, [{"role": "endorser", "body": TOWN}])).told("off")
        first, _ = registered(before, TOWN)
        at_the_database(before, "update preference set mode = 'at_once', looked_at = now() + interval '1 day'")
    programs = Programs(server, before.name, kept, tmp_path)
    programs.settings = {name.removeprefix("QUALITY_AWARD_").lower(): value for name, value in LOOK.items()} | {"smtp_port": str(post.port)}
    post.replies = [HANGS]
    programs.start("gateway")
    at_the_database(before, "update preference set looked_at = null")
    post.wait_until(lambda: len(clerk.mails(0)) == 1)
    programs.signal("gateway", signal.SIGKILL)
    with settings(post), rig.running(server, before.name, kept, tmp_path) as after:
        second, _ = registered(after, TOWN)
        told = [lines_of(mail) for mail in clerk.mails(2)]
    assert told == [[f"Verify who registered for {first}"], [f"Verify who registered for {second}"]]
