"""`make client-check`: lint the API's document, generate a typed client from it, compile it strictly, and drive the running door with it.

Needs Node.js 20 or newer with npm; the packages and their hashes stand in package-lock.json.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from embedded.demo import applying, served, setting_out
from embedded.demo.scenario import SCENARIOS
from embedded.demo.stage import Person, Stage
from embedded.demo.year import Year

HERE = Path(__file__).parent
KEPT = ("package.json", "package-lock.json", ".npmrc", "redocly.yaml", "tsconfig.json", "drive.ts")
APPLICANT = "bamboo"


def run(folder: Path, *words: str, **environment: str) -> None:
    """Run one step of a front-end team's; its failure ends the check."""
    sys.stdout.write(f"$ {' '.join(words)}\n")
    sys.stdout.flush()
    subprocess.run(words, cwd=folder, env=os.environ | environment, check=True)  # noqa: S603 - our own words


def set_out(url: str, activation: str) -> Mapping[str, str]:
    """Open the year's window, with an organisation that may apply and a platform that may pull; gives what the client needs to know."""
    year = Year(Stage(url), activation, SCENARIOS["jindong-2022"])
    for _, scene in (*setting_out.SCENES, *((scene.__name__, scene) for scene in (applying.register, applying.introduce))):
        scene(year)
    year.stage.at("2026-03-02T09:00:00+08:00")
    platform = year.office.expect("POST", "/accounts", {"kind": "client", "name": "虚构公共数据平台", "scopes": ["results:read"]})
    if year.stage.surprises:
        raise SystemExit("\n".join(year.stage.surprises))
    person: Person = applying.applicant(year, APPLICANT)
    return {
        "AWARD_URL": url,
        "AWARD_CYCLE": year.cycle,
        "AWARD_LOGIN": person.login,
        "AWARD_PASSWORD": person.password,
        "AWARD_CLIENT": platform["id"],
        "AWARD_CLIENT_SECRET": platform["client_secret"],
    }


def main() -> int:
    """Give 0 where every step went through."""
    if shutil.which("npm") is None:
        sys.stderr.write("The client check needs Node.js 20 or newer with npm.\n")
        return 1
    with TemporaryDirectory() as name:
        folder = Path(name)
        for kept in KEPT:
            shutil.copy(HERE / kept, folder / kept)
        run(folder, "npm", "ci", "--no-progress")
        with served(folder, "jindong-2022") as (url, activation):
            known = set_out(url, activation)
            document = Stage(url).send("GET", "/openapi.json", None).json()
            (folder / "openapi.json").write_text(json.dumps(document, ensure_ascii=False))
            try:
                run(folder, "npx", "redocly", "lint", "openapi.json", "--format=stylish")
                run(folder, "npx", "openapi-typescript", "openapi.json", "--output", "api.d.ts")
                run(folder, "npx", "tsc")
                run(folder, "node", "built/drive.js", **known)
            except subprocess.CalledProcessError:
                return 1
        operations = sum(len(methods) for methods in document["paths"].values())
    sys.stdout.write(json.dumps({"operations": operations, "lint_warnings": 0}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
