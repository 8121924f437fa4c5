"""Restart every service, one after the other, under load: what is acknowledged is there once, and every request ends well."""

import json
import ssl
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx

from kernel.settings import ServiceName
from tests.faults.ledger import Ledger, Verdict
from tests.faults.load import Journal, Load
from tests.faults.programs import eventually

KINDS = ("file", "department", "reviewer", "account")
ORDER: tuple[ServiceName, ...] = ("intake", "scoring", "workflow", "gateway")
PROGRESS_SECONDS, READY_SECONDS = 60.0, 90.0
TOKEN_SECONDS = 300.0
BETWEEN = "\x1f"


class Deployment:
    """What runs under compose, as its operator and its office reach it."""

    def __init__(self, compose: Callable[..., str], url: str, certificate: str, password: str) -> None:
        self.compose = compose
        self.base = f"{url}/api/v1"
        self.trust = ssl.create_default_context(cafile=certificate)
        self._password = password
        self._token, self._token_at = "", -TOKEN_SECONDS

    def office(self) -> str:
        """The office's token; the former where no new one can be had."""
        if time.monotonic() - self._token_at > TOKEN_SECONDS:
            form = {"grant_type": "password", "username": "office", "password": self._password}
            try:
                answer = httpx.post(f"{self.base}/auth/token", data=form, verify=self.trust, trust_env=False)
            except httpx.TransportError:
                return self._token
            if answer.is_success:
                self._token, self._token_at = answer.json()["access_token"], time.monotonic()
        return self._token

    def open_cycle(self, year: int) -> str:
        headers = {"Authorization": f"Bearer {self.office()}", "Idempotency-Key": f"cycle-{year}"}
        answer = httpx.post(f"{self.base}/cycles", json={"year": year}, headers=headers, verify=self.trust, trust_env=False)
        assert answer.is_success, answer.text
        return str(answer.json()["id"])

    def load(self, cycle: str, journal: Journal) -> Load:
        return Load(self.base, cycle, journal, self.office, KINDS, self.trust)

    def query(self, statement: str) -> str:
        """Ask the database as its owner, inside of its container."""
        words = f"PGPASSWORD=$(cat /run/secrets/owner_password) psql -h 127.0.0.1 -U quality_award -At -F '{BETWEEN}'"
        return self.compose("exec", "-T", "db", "sh", "-c", f'{words} -c "$0" quality_award', statement)

    def ledger(self) -> "ComposeLedger":
        return ComposeLedger(self)

    def containers(self, name: str) -> list[str]:
        return self.compose("ps", "--quiet", name).split()


class ComposeLedger(Ledger):
    """The same judgement, over the database of the compose deployment."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._files = Path()

    def rows(self, schema: ServiceName, statement: str) -> list[tuple[str, ...]]:
        said = self._deployment.query(f"set search_path = {schema}; {statement}").splitlines()
        return [tuple(line.split(BETWEEN)) for line in said if line != "SET"]


def judge(deployment: Deployment, journal: Journal) -> Verdict:
    """Hold the journal against the rows."""
    verdict = Verdict(acknowledged=len(journal.acknowledged()))
    deployment.ledger().judge_writes(verdict, journal)
    return verdict


def ended_well(containers: Sequence[str]) -> list[str]:
    """Name the containers that had to be killed, or ended with an error, when they were last told to end."""
    wrong = []
    for container in containers:
        said = subprocess.run(["docker", "inspect", container, "--format", "{{json .State}}"], capture_output=True, text=True, check=True)  # noqa: S603, S607 - our own words
        state = json.loads(said.stdout)
        if state["OOMKilled"] or state["ExitCode"] not in {0, 143}:
            wrong.append(f"{container[:12]} ended with status {state['ExitCode']}")
    return wrong


def await_healthy(container: str) -> None:
    """Wait until a container's own health check, which asks `/readyz`, has passed."""
    words = ["docker", "inspect", container, "--format", "{{.State.Health.Status}}"]
    eventually(lambda: subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip() == "healthy", READY_SECONDS)  # noqa: S603 - our own words


def restart(deployment: Deployment, name: str) -> list[str]:
    """Restart a service's replicas one after the other, each once the one before it is ready again."""
    wrong = []
    for container in deployment.containers(name):
        subprocess.run(["docker", "stop", container], capture_output=True, check=True)  # noqa: S603, S607 - our own words
        wrong += ended_well([container])
        subprocess.run(["docker", "start", container], capture_output=True, check=True)  # noqa: S603, S607 - same
        await_healthy(container)
    return wrong


def roll(deployment: Deployment, cycle: str, tell: Callable[[str], None]) -> list[str]:
    """Do it; gives what is wrong, and tells the figures."""
    journal, wrong = Journal(), list[str]()
    with deployment.load(cycle, journal) as load:
        load.await_progress(time.monotonic(), PROGRESS_SECONDS)
        for name in ORDER:
            begun, before = time.monotonic(), (sum(journal.refused.values()), journal.broken)
            wrong += [f"{name}: {one}" for one in restart(deployment, name)]
            stuck = load.await_progress(time.monotonic(), PROGRESS_SECONDS)
            wrong += [f"{name}: no {kind} got through after its restart" for kind in stuck]
            refused, broken = sum(journal.refused.values()) - before[0], journal.broken - before[1]
            tell(f"{name} restarted in {time.monotonic() - begun:.0f} s: {refused} asked to send again, {broken} broken off")
    verdict = judge(deployment, journal)
    seconds = journal.seconds()
    tell(
        f"rolling restart: {verdict.acknowledged} writes acknowledged, {verdict.lost} lost, {verdict.duplicated} there twice, "
        f"{len(journal.entries) - verdict.acknowledged} given up; the slowest took {seconds[-1]:.1f} s with its retries"
    )
    if verdict.acknowledged < len(journal.entries):
        wrong.append("a request that was sent again and again never ended well")
    return wrong + journal.surprises + verdict.wrong
