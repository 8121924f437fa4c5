"""Build and start the compose file under a name of its own, drive the demo year through the edge, stop, and leave nothing."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent
PROJECT = "quality-award-compose-test"


def free_port() -> int:
    """Find a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def main() -> int:
    """Give the demo's exit status; the containers' logs on a failure."""
    with TemporaryDirectory() as folder:
        port = free_port()
        environment = os.environ | {
            "COMPOSE_PROJECT_NAME": PROJECT,
            "QUALITY_AWARD_SECRETS": f"{folder}/secrets",
            "QUALITY_AWARD_ENVIRONMENT": "demo",
            "QUALITY_AWARD_PORT": f"127.0.0.1:{port}",
            "QUALITY_AWARD_IMAGE": PROJECT,
        }

        def compose(*words: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(["docker", "compose", *words], cwd=ROOT, env=environment, text=True, capture_output=True, check=True)  # noqa: S603, S607 - our own words

        subprocess.run(["sh", "deploy/secrets.sh"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True)  # noqa: S607 - our own script
        try:
            compose("build", "--quiet")
            compose("up", "--detach", "--wait", "--wait-timeout", "180", "--no-build")
            activation = compose("exec", "-T", "gateway", "cat", "/var/lib/quality-award/office-activation").stdout.strip()
            demo = [sys.executable, "-m", "embedded", "demo", "--url", f"http://127.0.0.1:{port}", f"--activation={activation}"]
            status = subprocess.run([*demo, "--result", f"{folder}/demo-result.json"], cwd=ROOT, check=False).returncode  # noqa: S603 - ours
            if status:
                sys.stderr.write(compose("logs", "--no-color", "--tail", "100").stdout)
        except subprocess.CalledProcessError as error:
            sys.stderr.write(f"{' '.join(error.cmd)}\n{error.stdout}{error.stderr}")
            sys.stderr.write(compose("logs", "--no-color", "--tail", "100").stdout)
            return 1
        else:
            return status
        finally:
            compose("down", "--volumes", "--remove-orphans", "--rmi", "local")


if __name__ == "__main__":
    sys.exit(main())
