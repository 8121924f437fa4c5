"""What the pages draw from the product itself when the site is built: state diagrams, operations, problem codes, clauses, decisions."""

import re
from collections.abc import Callable, Mapping
from functools import cache
from html import escape
from typing import Any

from pydantic import SecretStr

import gateway.app
import services.intake.app
import services.scoring.app
import services.workflow.app
from bench.rows import read as measured
from docs.site.diagrams import diagram
from gateway import openapi
from gateway.settings import GatewaySettings
from kernel.settings import Settings
from regulation import edition

ASKED = re.compile(r"^<!-- (\w+)(?: (\w+))? -->$", re.MULTILINE)
NOWHERE = {"environment": "demo", "database_url": "postgresql+psycopg://nobody@localhost/none"}
SECRET = SecretStr("A" * 43)


@cache
def document() -> Mapping[str, Any]:
    """Describe the whole API, as the door does; nothing is connected for that."""
    settings = Settings.model_validate(NOWHERE | {"service_secret": SECRET, "record_seed": SECRET, "contact_key": SECRET})
    peers = dict.fromkeys(("intake_secret", "scoring_secret", "workflow_secret"), SECRET)
    door = gateway.app.create(GatewaySettings.model_validate(settings.model_dump() | peers))
    makers = {"intake": services.intake.app, "scoring": services.scoring.app, "workflow": services.workflow.app}
    parts = {name: module.create(settings, {}).openapi() for name, module in makers.items()}
    return openapi.merged({"gateway": door.app.openapi(), **parts})


def operations() -> str:
    """List every operation below its tag."""
    lines: list[str] = []
    found = [(path, method, one) for path, methods in document()["paths"].items() for method, one in methods.items()]
    for tag in document()["tags"]:
        lines += [f"\n## {tag['name']}\n", f"{tag['description']}\n", "| operation | what | `operationId` |", "|---|---|---|"]
        for path, method, one in found:
            if tag["name"] in one.get("tags", []):
                words = one.get("description", one["summary"]).splitlines()[0].replace("|", "\\|")
                lines.append(f"| `{method.upper()} {path.removeprefix('/api/v1')}` | {words} | `{one['operationId']}` |")
    return "\n".join(lines)


def problems() -> str:
    """List every problem code."""
    rows = [
        f'| <span id="{escape(code)}"></span>`{code}` | {said["status"]} | {said["zh"]} | {said["en"]} |'
        for code, said in document()["x-problems"].items()
    ]
    return "\n".join(["| code | status | 中文 | English |", "|---|---|---|---|", *rows])


def clauses() -> str:
    """List every clause of the regulation with how the product holds it."""
    found = edition.load("jindong-2022").clauses
    rows = [f"| {number} | {clause.text.replace('|', ' ')} | {clause.held} |" for number, clause in found.items()]
    return "\n".join(["| clause | text | held as |", "|---|---|---|", *rows])


def speed() -> str:
    """List what was measured last, area by area."""
    lines = ["| work; reference | ours | reference | ratio | at least |", "|---|---|---|---|---|"]
    for rows in measured().values():
        for row in rows:
            ours, reference = row.shown
            holds = "" if row.holds else " **falls short**"
            lines.append(f"| {row.name} | {ours} | {reference} | {row.ratio:,.2f}{holds} | {row.at_least:,.2f} |")
    return "\n".join(lines)


DRAWN: Mapping[str, Callable[..., str]] = {
    "diagram": diagram,
    "operations": operations,
    "problems": problems,
    "clauses": clauses,
    "speed": speed,
}


def on_page_markdown(markdown: str, **_page: object) -> str:
    """Put what a page asks for in its place: `<!-- diagram cycle -->`, `<!-- operations -->`, ..."""
    return ASKED.sub(lambda asked: DRAWN[asked[1]](*filter(None, [asked[2]])), markdown)
