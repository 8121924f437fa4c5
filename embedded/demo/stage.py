"""The stage on which the year is played: people at the door by HTTP, what each answer must be, and what came as a surprise."""

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from secrets import token_urlsafe
from typing import Any, TypeVar

import httpx

from embedded.caller import Caller

T = TypeVar("T")
R = TypeVar("R")

HANDS = 6
LONGEST_SHOWN = 1500
PATIENCE_SECONDS = 10.0
PAUSE_SECONDS = 0.05


class StoppedError(Exception):
    """The year can't go on: what follows rests on an answer that did not come."""


@dataclass(frozen=True)
class Refusal:
    """A refusal that was expected and came."""

    scene: str
    what: str
    clause: str
    code: str


@dataclass
class Stage:
    """One award year against one address: counts steps and refusals, keeps surprises, moves the clock."""

    url: str
    told: Callable[[int], object] = lambda _steps: None
    scene: str = ""
    steps: int = 0
    unseen: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Connect once, for everybody's requests. SSL_CERT_FILE names a certificate to trust beside the known ones."""
        self.caller = Caller(
            base_url=f"{self.url}/api/v1",
            headers={"Accept-Language": "en"},
            timeout=30,
            verify=ssl.create_default_context(),
            trust_env=False,
        )
        self._lock = threading.Lock()

    def send(self, method: str, path: str, token: str | None, *, step: bool = True, **given: Any) -> httpx.Response:  # noqa: ANN401 - as httpx has it
        """Send one request, which is one step unless it only asks again."""
        headers = dict(given.pop("headers", None) or {})
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        try:
            answer = self.caller.request(method, path, headers=headers, **given)
        except httpx.HTTPError as error:
            self.surprise(f"{method} {path}", given, f"{type(error).__name__}: {error}")
            raise StoppedError from None
        with self._lock:
            self.steps += step
            steps = self.steps
        self.told(steps)
        return answer

    def surprise(self, request: str, sent: object, answered: str) -> None:
        """Keep what was not as expected, with what was sent and answered."""
        text = json.dumps(sent, ensure_ascii=False, default=repr)
        with self._lock:
            self.surprises.append(f"[{self.scene}] {request}\n  sent: {text[:LONGEST_SHOWN]}\n  answered: {answered[:LONGEST_SHOWN]}")

    def keep(self, refusal: Refusal) -> None:
        """Count a refusal that came as expected."""
        with self._lock:
            self.refusals.append(refusal)

    def saw_nothing(self) -> None:
        """Count a read that found nothing, as expected."""
        with self._lock:
            self.unseen += 1

    def check(self, what: str, found: object, wanted: object) -> None:
        """Compare what the product says with a fact of the scenario."""
        if found != wanted:
            self.surprise(what, {"wanted": wanted}, repr(found))

    def at(self, instant: str) -> None:
        """Move the business clock, and let it stand there."""
        Person(self, "anybody").expect("PUT", "/demo/clock", {"now": instant, "running": False})

    def together(self, do: Callable[[T], R], those: Iterable[T]) -> list[R]:
        """Let several act at once, where their order doesn't matter."""
        with ThreadPoolExecutor(HANDS) as hands:
            return list(hands.map(do, those))


class Person:
    """Somebody at the door: nobody in particular until signed in."""

    def __init__(self, stage: Stage, login: str) -> None:
        """Come to the door."""
        self.stage = stage
        self.login = login
        self.id = ""
        self.role = ""
        self._password = f"Aa1-{token_urlsafe(18)}"
        self._token: str | None = None

    @property
    def password(self) -> str:
        """The password chosen for this run."""
        return self._password

    @property
    def token(self) -> str | None:
        """The access token of the last sign-in."""
        return self._token

    def activate(self, secret: str) -> None:
        """Choose a password with the one-time secret of the invitation."""
        self.expect("POST", "/auth/activation", {"secret": secret, "password": self._password})

    def sign_in(self, role: str) -> "Person":
        """Sign in, by the password, in one role."""
        form = {"login": self.login, "password": self._password, "role": role}
        self.role = role
        self._token = None
        self._token = self._success("POST", "/auth/sign-in", json=form)["access_token"]
        return self

    def sign_in_as_machine(self, client_id: str, secret: str) -> "Person":
        """Sign in as a machine client."""
        form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
        self._token = self._success("POST", "/auth/token", data=form)["access_token"]
        return self

    def expect(self, method: str, path: str, body: object = None, *, version: int | None = None, **given: Any) -> Any:  # noqa: ANN401 - an answer's JSON
        """Send what must succeed; gives the answer's JSON, and ends the year where it fails."""
        return self._success(method, path, **_request(body, version, given))

    def refused(
        self,
        clause: str,
        what: str,
        method: str,
        path: str,
        body: object = None,
        *,
        code: str | None = None,
        version: int | None = None,
    ) -> None:
        """Send what the regulation must refuse, citing this clause, and by this code where one is named."""
        request = _request(body, version, {})
        answer = self.stage.send(method, path, self._token, **request)
        problem = _problem(answer)
        wanted = (409, clause, code or problem.get("code"))
        if (answer.status_code, problem.get("clause"), problem.get("code")) != wanted:
            self._surprise(f"{method} {path} ({what}: refused by {clause})", request, answer)
            return
        self.stage.keep(Refusal(self.stage.scene, what, clause, str(problem["code"])))

    def absent(self, path: str, method: str = "GET", body: object = None, **given: Any) -> None:  # noqa: ANN401 - as httpx has it
        """Ask for what must not be there for this person: 404, without a clause."""
        request = _request(body, None, given)
        answer = self.stage.send(method, path, self._token, **request)
        problem = _problem(answer)
        if (answer.status_code, problem.get("code"), "clause" in problem) != (httpx.codes.NOT_FOUND, "absent", False):
            self._surprise(f"{method} {path} (must not be there)", request, answer)
            return
        self.stage.saw_nothing()

    def forbidden(self, path: str, method: str = "GET", body: object = None) -> None:
        """Ask for what this person's role does not open: 403, without a clause."""
        request = _request(body, None, {})
        answer = self.stage.send(method, path, self._token, **request)
        if answer.status_code != httpx.codes.FORBIDDEN or "clause" in _problem(answer):
            self._surprise(f"{method} {path} (not open to this role)", request, answer)

    def wait_for(self, path: str, arrived: Callable[[Any], bool]) -> None:
        """Read until news from another service has arrived there."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        found = self.expect("GET", path)
        while not arrived(found):
            if time.monotonic() > deadline:
                self.stage.surprise(f"{self.login}: GET {path}", {}, json.dumps(found, ensure_ascii=False))
                raise StoppedError
            time.sleep(PAUSE_SECONDS)
            found = self.expect("GET", path, step=False)

    def text(self, path: str) -> str:
        """Read what is no JSON."""
        answer = self.stage.send("GET", path, self._token)
        if not answer.is_success:
            self._surprise(f"GET {path}", {}, answer)
            raise StoppedError
        return answer.text

    def every(self, path: str, **query: str) -> list[Any]:
        """Read a list to its last page."""
        found: list[Any] = []
        asked: dict[str, str | int] = {**query, "limit": 200}
        while True:
            page = self.expect("GET", path, params=asked)
            found += page["items"]
            if not page.get("next_cursor"):
                return found
            asked["cursor"] = page["next_cursor"]

    def _success(self, method: str, path: str, **request: Any) -> Any:  # noqa: ANN401 - an answer's JSON
        answer = self.stage.send(method, path, self._token, **request)
        if not answer.is_success:
            self._surprise(f"{method} {path}", request, answer)
            raise StoppedError
        return answer.json() if answer.content else None

    def _surprise(self, request: str, sent: Mapping[str, object], answer: httpx.Response) -> None:
        shown = {} if "/auth/" in request else sent  # what is sent there carries a password
        self.stage.surprise(f"{self.login}: {request}", shown, f"{answer.status_code} {answer.text}")


def _request(body: object, version: int | None, given: Mapping[str, Any]) -> dict[str, Any]:
    request = dict(given)
    if body is not None:
        request["json"] = body
    if version is not None:
        request["headers"] = {"If-Match": f'"{version}"'}
    return request


def _problem(answer: httpx.Response) -> dict[str, Any]:
    if answer.headers.get("content-type", "").startswith("application/problem+json"):
        parsed: dict[str, Any] = answer.json()
        return parsed
    return {}
