"""Clients as users should write theirs, each with a journal of what was acknowledged: one key per write, kept over every retry."""

import random
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import uuid4

import httpx

from kernel.settings import ServiceName
from tests.intake.applicants import credit_code

PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.03
ANSWER_SECONDS = 6.0
CLIENTS_EACH = 2
BETWEEN_WRITES_SECONDS = 0.04
"""So much that a program which starts meanwhile finds a core free."""
BETWEEN_RECUSALS_SECONDS = 0.5
"""Each answer lists all that its person has declared."""
LONG_AGO = "2015-06-03"
TRAINED = {
    "degree": "bachelor",
    "senior_title": True,
    "years": 8,
    "policy_knowledge_on": LONG_AGO,
    "ethics_on": LONG_AGO,
    "trainings": [{"standard": "GB/T 19580", "on": LONG_AGO}, {"standard": "GB/Z 19579", "on": LONG_AGO}],
    "leader_qualified": False,
    "expertise": ["C"],
}


@dataclass
class Entry:
    """One write: what marks it in the database, and what the client knows of it."""

    kind: str
    marker: str
    begun: float
    acknowledged: float | None = None
    answer: Any = None


@dataclass
class Journal:
    """What the clients saw, whatever became of the programs."""

    entries: list[Entry] = field(default_factory=list)
    refused: Counter[ServiceName] = field(default_factory=Counter)
    broken: int = 0
    surprises: list[str] = field(default_factory=list)
    expected: frozenset[int] = frozenset()
    """Statuses that the fault of the moment may also bring, besides 503."""

    def acknowledged(self, kind: str | None = None) -> list[Entry]:
        return [one for one in self.entries if one.acknowledged is not None and kind in {None, one.kind}]

    def seconds(self) -> list[float]:
        """How long each acknowledged write took, its retries included; in order."""
        return sorted(one.acknowledged - one.begun for one in self.entries if one.acknowledged is not None)


class GaveUpError(Exception):
    """The write was not acknowledged in the time that a client has."""


class Client:
    """One user: sends, and sends the same again where it was told to, or heard nothing."""

    def __init__(
        self, http: httpx.Client, service: ServiceName, journal: Journal, sign_in: Callable[[], str], stopping: threading.Event
    ) -> None:
        self._http = http
        self._service = service
        self._journal = journal
        self._sign_in = sign_in
        self._stopping = stopping
        self._pause = threading.Event()

    def close(self) -> None:
        self._http.close()

    def rest(self, seconds: float) -> None:
        """Do nothing for a while, unless all is to end."""
        self._stopping.wait(seconds)

    def send(self, method: str, path: str, **given: Any) -> httpx.Response:  # noqa: ANN401 - as httpx has it
        headers = {"Accept-Language": "en"} | dict(given.pop("headers", {}))
        if method == "POST":
            headers["Idempotency-Key"] = uuid4().hex
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                answer = self._http.request(method, path, headers=headers | {"Authorization": f"Bearer {self._sign_in()}"}, **given)
            except httpx.TransportError:
                self._journal.broken += 1
            else:
                if not self._is_asked_to_wait(answer):
                    return answer
            self._pause.wait(PAUSE_SECONDS)
        raise GaveUpError(f"{method} {path.split('?', maxsplit=1)[0]}")

    def _is_asked_to_wait(self, answer: httpx.Response) -> bool:
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            self._journal.refused[self._service] += 1
            if "retry-after" not in answer.headers:
                self._journal.surprises.append(f"503 without Retry-After: {answer.text[:300]}")
            return True
        if answer.status_code == httpx.codes.CONFLICT and answer.json()["code"] == "idempotency_key_in_flight":
            return True
        if answer.status_code in self._journal.expected:
            self._journal.refused[self._service] += 1
            return True
        return False

    def write(self, kind: str, marker: str, method: str, path: str, **given: Any) -> Any:  # noqa: ANN401 - an answer's JSON
        """Write once; the journal knows of it before it is sent."""
        entry = Entry(kind, marker, time.monotonic())
        self._journal.entries.append(entry)
        answer = self.send(method, path, **given)
        if not answer.is_success and not (method == "PATCH" and self._stands(path)):
            self._journal.surprises.append(f"{method} {path.split('?', maxsplit=1)[0]}: {answer.status_code} {answer.text[:300]}")
            return None
        entry.acknowledged, entry.answer = time.monotonic(), answer.json()
        return answer

    def _stands(self, account: str) -> bool:
        """Tell whether an edit whose answer was lost was done: the second try finds another version."""
        read = self.send("GET", account)
        return read.is_success and read.json()["status"] == "disabled"


Writer = Callable[[Client, str], None]


def writers(cycle: str) -> dict[str, tuple[ServiceName, Writer]]:
    """One small write for every service, and one that goes through three of them."""

    def report(client: Client, marker: str) -> None:
        client.write("report", marker, "POST", f"/cycles/{cycle}/reports", json={"text": marker})

    def file(client: Client, marker: str) -> None:
        content = b"%PDF-1.7\n" + marker.encode() + bytes(8192)
        client.write("file", marker, "POST", f"/cycles/{cycle}/attachments?name={marker}.pdf", content=content)

    def department(client: Client, marker: str) -> None:
        body = {"code": f"dept-{marker[:12]}", "zh": "部门", "en": "Department", "sections": ["G"]}
        client.write("department", f"dept-{marker[:12]}", "POST", "/endorsing-bodies", json=body)

    def reviewer(client: Client, marker: str) -> None:
        client.write("reviewer", marker, "POST", "/reviewers", json={"person": marker, "name": "评审员", **TRAINED})

    def recusal(client: Client, marker: str) -> None:
        code = credit_code(int(marker[:8], 16) % 10**7)
        interest = {"credit_code": code, "kind": "kinship", "reason": "亲属任职"}
        client.write("recusal", code, "PUT", "/me/interests", json={"interests": [interest]})
        client.rest(BETWEEN_RECUSALS_SECONDS)

    def account(client: Client, marker: str) -> None:
        form = {"kind": "person", "login": f"f-{marker}", "name": "评审员", "grants": [{"role": "reviewer"}]}
        invited = client.write("account", f"f-{marker}", "POST", "/accounts", json=form)
        if invited is None:
            return
        person = invited.json()["id"]
        client.write("reviewer", person, "POST", "/reviewers", json={"person": person, "name": "评审员", **TRAINED})
        headers = {"If-Match": invited.headers["etag"]}
        client.write("disabling", person, "PATCH", f"/accounts/{person}", json={"status": "disabled"}, headers=headers)

    return {
        "report": ("workflow", report),
        "file": ("workflow", file),
        "department": ("intake", department),
        "reviewer": ("scoring", reviewer),
        "recusal": ("scoring", recusal),
        "account": ("gateway", account),
    }


class Load:
    """The clients at work, until they are told to stop; each then ends what it has begun."""

    def __init__(
        self,
        base: str,
        cycle: str,
        journal: Journal,
        sign_in: Callable[[], str],
        kinds: Sequence[str] = (),
        trust: ssl.SSLContext | bool = True,  # noqa: FBT001, FBT002 - as httpx has it
    ) -> None:
        self.journal = journal
        self._stopping = threading.Event()
        chosen = {kind: one for kind, one in writers(cycle).items() if not kinds or kind in kinds}
        self._kinds = list(chosen)

        def client(service: ServiceName) -> Client:
            http = httpx.Client(base_url=base, timeout=ANSWER_SECONDS, trust_env=False, verify=trust)
            return Client(http, service, journal, sign_in, self._stopping)

        self._threads = [
            threading.Thread(target=self._work, args=(client(service), writer), name=kind)
            for kind, (service, writer) in chosen.items()
            for _ in range(CLIENTS_EACH)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _work(self, client: Client, writer: Writer) -> None:
        chance = random.Random()  # noqa: S311 - a pause of any length
        while not self._stopping.is_set():
            try:
                writer(client, f"{uuid4().hex}")
            except GaveUpError as error:
                self.journal.surprises.append(f"not acknowledged in {PATIENCE_SECONDS:.0f} s: {error}")
            self._stopping.wait(chance.uniform(0, 2 * BETWEEN_WRITES_SECONDS))
        client.close()

    def await_progress(self, since: float, seconds: float) -> list[str]:
        """Wait until a write of every kind that began after `since` is acknowledged; names the kinds that got nowhere."""
        deadline, pause = time.monotonic() + seconds, threading.Event()
        while True:
            moving = {one.kind for one in self.journal.acknowledged() if one.begun > since}
            waiting = [kind for kind in self._kinds if kind not in moving]
            if not waiting or time.monotonic() > deadline:
                return waiting
            pause.wait(0.05)
