"""Every kind of task and decision has its words in both languages, and every mail renders."""

import ast
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from gateway import decisions as gateway_decisions
from gateway import letters
from gateway.letters import Line
from regulation import edition, lifecycle
from services.intake import decisions as intake_decisions
from services.scoring import decisions as scoring_decisions
from services.workflow import decisions as workflow_decisions

ROOT = Path(__file__).parents[2]
DUE = datetime(2026, 3, 31, 16, tzinfo=UTC)
SILENT = {"plan", "set_committee", "set_supervision_group", "draft_rules", "announce", "approve_rules", "launch", "close"}
"""Steps of a year that are told under their own kind of event, or by a task, or are no decision."""
MODULES = (gateway_decisions, intake_decisions, scoring_decisions, workflow_decisions)


def words() -> Iterator[tuple[str, str]]:
    """Give every pair of words that the decisions' modules hold."""
    for module in MODULES:
        for value in vars(module).values():
            found = value.values() if isinstance(value, dict) else [value]
            yield from (one for one in found if isinstance(one, tuple) and len(one) == 2 and all(isinstance(part, str) for part in one))


def calls(folder: str, name: str) -> Iterator[ast.Call]:
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
                yield node


def test_every_stage_that_an_application_may_reach_has_words() -> None:
    reached = {
        constant.value
        for call in calls("services/workflow", "set_stage")
        for constant in ast.walk(call.args[2])
        if isinstance(constant, ast.Constant) and isinstance(constant.value, str)
    }
    assert reached == intake_decisions.STAGES.keys()


@pytest.mark.parametrize("name", sorted(edition.names()))
def test_every_step_of_a_year_has_words_or_is_told_otherwise(name: str) -> None:
    p = edition.load(name).parameters(date(2026, 3, 1))
    actions = {action for _, action in lifecycle.cycle(p)}
    assert actions - SILENT <= workflow_decisions.STEPS.keys()


def test_every_task_has_a_key_that_names_its_kind() -> None:
    tasks = [call for folder in ("services", "gateway") for call in calls(folder, "Task")]
    keys = [keyword.value for call in tasks for keyword in call.keywords if keyword.arg == "key"]
    assert len(keys) == len(tasks) > 20


@pytest.mark.parametrize("what", ["passed", "near", "task", "decision"])
@pytest.mark.parametrize(("language", "due"), [("zh", "（期限 2026-04-01 00:00）"), ("en", " (due 2026-04-01 00:00, UTC+8)")])
def test_every_decision_and_every_kind_of_line_renders(language: str, due: str, what: letters.What) -> None:
    told = list(words())
    assert len(told) > 35
    for pair in told:
        title = pair[language == "en"]
        for instant, shown in ((None, ""), (DUE, due)):
            subject, text = letters.notice(language, "王某", "", [Line(what, title, instant)])
            assert title in subject
            assert f"{title}{shown}\n" in text


@pytest.mark.parametrize(("language", "more"), [("zh", "……另有 1 项"), ("en", "... and 1 more")])
def test_many_things_are_one_mail_that_counts_what_it_leaves_out(language: str, more: str) -> None:
    lines = [Line("task", f"任务{number}", None) for number in range(letters.MOST_LINES + 1)]
    subject, text = letters.notice(language, "王某", "https://award.example.cn", lines)
    assert (str(len(lines)) in subject, more in text, "任务49" in text, "任务50" in text) == (True, True, True, False)
    assert "https://award.example.cn" in text


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_title_with_line_breaks_adds_no_header_and_no_line(language: str) -> None:
    subject, text = letters.notice(language, "王\r\n某", "", [Line("decision", "议案\r\nBcc: x@example.cn", None)])
    assert "\n" not in subject
    assert "议案 Bcc: x@example.cn" in subject
    assert not [line for line in text.splitlines() if line.startswith("Bcc")]


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("purpose", ["confirmation", "reset"])
def test_a_letter_gives_its_secret_and_until_when_it_is_good(language: str, purpose: letters.Purpose) -> None:
    facts = {"name": "王某", "portal": "https://award.example.cn", "secret": "s" * 22, "until": DUE}
    _, text = letters.written(language, purpose, **facts)
    assert ("s" * 22 in text.splitlines(), "2026-04-01 00:00" in text) == (True, True)
