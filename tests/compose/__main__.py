"""Build and start the compose file under a name of its own, look at its walls, drive the demo year through the edge over three
replicas of intake, restart every service under load, lose the database and restore it, stop, and leave nothing."""

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from embedded.demo import SCENES, play
from embedded.demo.scenario import SCENARIOS
from embedded.demo.stage import Stage
from embedded.demo.year import Year
from tests.compose.edge import judge
from tests.compose.recovery import recover
from tests.compose.rolling import Deployment, roll

ROOT = Path(__file__).parents[2]
PROJECT = "quality-award-compose-test"
REPLICAS = 3
PROGRAMS = ("intake", "scoring", "workflow", "gateway")
CYCLE = 2040
"""A year of its own for what is written under load."""
INSIDE = """
import os, pathlib, socket
facts = dict(line.split(':\\t', 1) for line in pathlib.Path('/proc/self/status').read_text().splitlines() if ':\\t' in line)
assert os.getuid() != 0, 'runs as root'
assert int(facts['CapEff'], 16) == int(facts['CapBnd'], 16) == 0, 'holds capabilities'
assert facts['NoNewPrivs'].strip() == '1', 'may gain privileges'
for place in ('/srv/x', '/etc/x', '/usr/x'):
    try:
        open(place, 'w')
    except OSError:
        continue
    raise SystemExit(place + ' can be written')
try:
    socket.create_connection(('1.1.1.1', 53), timeout=2)
except OSError:
    pass
else:
    raise SystemExit('reaches the outside')
"""


def free_port() -> int:
    """Find a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def walls(plan: dict[str, Any]) -> list[str]:
    """List what the compose file, as Compose understands it, leaves open."""
    found: list[str] = []
    networks: dict[str, set[str]] = {name: set(one.get("networks", {})) for name, one in plan["services"].items()}
    for name, one in plan["services"].items():
        limits = one.get("deploy", {}).get("resources", {}).get("limits", {})
        wanted = {
            "a root file system that can't be written": one.get("read_only") is True,
            "no capabilities": one.get("cap_drop") == ["ALL"] and not one.get("cap_add"),
            "no new privileges": "no-new-privileges:true" in one.get("security_opt", []),
            "a numeric user that is not root": one.get("user", "0").split(":")[0].isdecimal() and one.get("user", "0") != "0",
            "limits of processor, memory and processes": {"cpus", "memory", "pids"} <= set(limits),
            "secrets by file only": not any(
                word in key and not key.endswith("_FILE") for key in one.get("environment", {}) for word in ("PASSWORD", "SECRET", "SEED")
            ),
            "no published port": name == "edge" or not one.get("ports"),
        }
        found += [f"{name} lacks {what}" for what, holds in wanted.items() if not holds]
    found += [f"network {name} is not internal" for name, one in plan["networks"].items() if name != "outer" and not one.get("internal")]
    found += [f"{name} is on the outer network" for name, on in networks.items() if name != "edge" and "outer" in on]
    if networks["edge"] & networks["db"]:
        found.append("the edge reaches the database's network")
    return found


LOGGERS, LOGGED_IN_SECONDS = {"edge", "workflow"}, 20


class Run:
    """One run of the compose file."""

    def __init__(self, folder: str) -> None:
        """Choose names, folders and ports of its own."""
        self.folder = folder
        self.port, self.plain_port = free_port(), free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.environment = os.environ | {
            "COMPOSE_PROJECT_NAME": PROJECT,
            "QUALITY_AWARD_SECRETS": f"{folder}/secrets",
            "QUALITY_AWARD_BACKUPS": f"{folder}/backups",
            "QUALITY_AWARD_ENVIRONMENT": "demo",
            "QUALITY_AWARD_ADDRESS": "127.0.0.1",
            "QUALITY_AWARD_PORT": str(self.port),
            "QUALITY_AWARD_HTTP_PORT": str(self.plain_port),
            "QUALITY_AWARD_IMAGE": PROJECT,
            "SSL_CERT_FILE": f"{folder}/secrets/certificate.pem",
        }
        self.failures: list[str] = []

    def command(self, *words: str) -> str:
        """Run one command of ours; gives what it says."""
        return subprocess.run(words, cwd=ROOT, env=self.environment, text=True, capture_output=True, check=True).stdout  # noqa: S603 - our own words

    def compose(self, *words: str) -> str:
        """Run one command of Compose."""
        return self.command("docker", "compose", *words)

    def make(self, *words: str) -> str:
        """Run one of the operator's own targets."""
        return self.command("make", "--silent", *words)

    def check(self, what: str, holds: object) -> None:
        """Keep what doesn't hold."""
        if not holds:
            self.failures.append(what)

    def look_inside(self) -> None:
        """Look at the walls from the inside of the containers."""
        for name in PROGRAMS:
            self.compose("exec", "-T", name, "python", "-c", INSIDE)
        for name in ("db", "intake"):
            reached = f"exec 3<>/dev/tcp/{name}/{5432 if name == 'db' else 8000}"
            asked = ["docker", "compose", "exec", "-T", "edge", "bash", "-c", reached]
            answer = subprocess.run(asked, cwd=ROOT, env=self.environment, capture_output=True, check=False)  # noqa: S603 - our own words
            self.check(f"the edge can't reach {name}", answer.returncode != 0)

    def knock(self) -> None:
        """Look at the edge from the outside."""
        trust = ssl.create_default_context(cafile=self.environment["SSL_CERT_FILE"])
        moved = httpx.get(f"http://127.0.0.1:{self.plain_port}/docs?x=1", trust_env=False)
        self.check("HTTP leads to HTTPS", moved.status_code == 308 and moved.headers["location"] == f"{self.url}/docs?x=1")
        with httpx.Client(base_url=self.url, verify=trust, trust_env=False) as client:
            answer = client.get("/api/v1/public/awards")
            self.check("the public page is served with HSTS", answer.is_success and "strict-transport-security" in answer.headers)
            again = client.get("/api/v1/public/awards", headers={"If-None-Match": answer.headers["etag"]})
            self.check("the edge spares whoever has the public page", again.status_code == httpx.codes.NOT_MODIFIED)
            forged = client.get("/api/v1/public/awards", headers={"Authorization": "Bearer x"})
            self.check("the edge keeps no page for a forged token", forged.status_code == httpx.codes.UNAUTHORIZED)
            for path in ("/metrics", "/internal/tasks", "/internal/events", "/readyz", "/livez"):
                self.check(f"{path} is not for strangers", client.get(path).status_code == httpx.codes.NOT_FOUND)
            self.failures += judge(self.port, trust)
            self.check("one request id stands in the edge's log and the service's", self.logged(answer.headers["x-request-id"]))

    def logged(self, request: str) -> bool:
        """Tell whether the edge and the service behind it both log a request by its id, soon after it was answered."""
        deadline, places = time.monotonic() + LOGGED_IN_SECONDS, set[str]()
        while places != LOGGERS and time.monotonic() < deadline:
            lines = [line for line in self.compose("logs", "--no-color", *LOGGERS).splitlines() if request in line]
            places = {name for name in LOGGERS for line in lines if f"{name}-" in line.partition("|")[0]}
        return places == LOGGERS

    def demo(self) -> str:
        """Play the year through the edge; gives the office's password."""
        activation = self.compose("exec", "-T", "gateway", "cat", "/var/lib/quality-award/office-activation").strip()
        year = Year(Stage(self.url), activation, SCENARIOS["jindong-2022"])
        self.check("the demo year went through", play(year, SCENES, Path(self.folder) / "demo-result.json") == 0)
        return year.office.password

    def beside(self, *works: Callable[[], None]) -> list[threading.Thread]:
        """Do these beside the year; what goes wrong is a failure."""

        def work(one: Callable[[], None]) -> None:
            try:
                one()
            except (subprocess.CalledProcessError, OSError, httpx.HTTPError) as error:
                self.failures.append(f"{one.__name__}: {error} {getattr(error, 'stderr', '')}")

        threads = [threading.Thread(target=work, args=(one,)) for one in works]
        for thread in threads:
            thread.start()
        return threads

    def whole(self) -> None:
        """Start, look, play."""
        self.failures += walls(json.loads(self.compose("--profile", "operations", "config", "--format", "json")))
        self.compose("--profile", "operations", "build", "--quiet")
        self.compose("up", "--detach", "--wait", "--wait-timeout", "180", "--no-build", "--scale", f"intake={REPLICAS}")
        self.knock()
        threads = self.beside(self.look_inside)
        password = self.demo()
        logged = self.compose("logs", "--no-color", "edge")
        followed = '/api/v1/public/objection"' in logged and "no-such-tracking-code" not in logged
        self.check("the edge logs that an objection was followed, and not by which tracking code", followed)
        for thread in threads:
            thread.join()
        deployment = Deployment(self.compose, self.url, self.environment["SSL_CERT_FILE"], password)
        cycle = deployment.open_cycle(CYCLE)
        self.failures += roll(deployment, cycle, tell)
        self.failures += recover(deployment, cycle, self.make, tell)


def tell(words: str) -> None:
    """Say how far it is, with its figures."""
    sys.stdout.write(f"compose: {words}\n")
    sys.stdout.flush()


def main() -> int:
    """Give 0 where everything holds; otherwise what doesn't, and the containers' logs."""
    with TemporaryDirectory() as folder:
        run = Run(folder)
        os.environ["SSL_CERT_FILE"] = run.environment["SSL_CERT_FILE"]
        subprocess.run(["sh", "deploy/secrets.sh"], cwd=ROOT, env=run.environment, stdout=subprocess.DEVNULL, check=True)  # noqa: S607 - our own script
        try:
            run.whole()
        except subprocess.CalledProcessError as error:
            run.failures.append(f"{' '.join(error.cmd)}\n{error.stdout}{error.stderr}")
        except AssertionError as error:
            run.failures.append(f"{error}\n{''.join(traceback.format_tb(error.__traceback__))}")
        finally:
            if run.failures:
                sys.stderr.write(run.compose("logs", "--no-color", "--tail", "100"))
            run.compose("--profile", "operations", "down", "--volumes", "--remove-orphans", "--rmi", "local")
    sys.stdout.write("".join(f"compose: {failure}\n" for failure in run.failures))
    sys.stdout.write(f"compose: {len(run.failures)} failures\n")
    return 1 if run.failures else 0


if __name__ == "__main__":
    sys.exit(main())
