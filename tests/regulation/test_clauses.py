"""The clauses of an edition against its text, and the rules against the clauses."""

import ast
import dataclasses
import importlib
import inspect
import pkgutil
import re
import runpy
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import regulation
from regulation import edition, lifecycle
from regulation.__main__ import main, table
from regulation.refusal import messages

DIGITS = "一二三四五六七八九"
JINDONG = edition.load("jindong-2022")
OPERATION = re.compile(r"(GET|POST|PUT|PATCH|DELETE) /[a-z{][a-z_/{}-]*")
CODE = re.compile(r"[a-z_]+(\[a-z_\]\+)?")
Rule = Callable[..., object]


def numbered(text: str) -> dict[str, str]:
    """The clauses by the text's own numbering: 五（四）2 is 5.4.2; a line without punctuation is a heading, no clause."""
    found: dict[str, list[str]] = {}
    chapter, key = "", ""
    for line in (raw.strip(" \t\u3000") for raw in text.splitlines()):
        if opened := re.match(rf"([{DIGITS}])、", line):
            chapter = key = str(DIGITS.index(opened[1]) + 1)
            continue
        if not chapter or not line:
            continue
        if section := re.match(rf"（([{DIGITS}])）(.*)", line):
            key, line = f"{chapter}.{DIGITS.index(section[1]) + 1}", section[2]  # noqa: PLW2901 - the text without its number
        elif item := re.match(r"(\d+)\.(.*)", line):
            key, line = f"{'.'.join(key.split('.')[:2])}.{item[1]}", item[2]  # noqa: PLW2901 - as above
        elif key.count(".") == 2:
            key = f"{key.rpartition('.')[0]}.end"
        elif key == chapter and chapter != "8":
            key = f"{chapter}.0"
        found.setdefault(key, []).append(line.strip(" \u3000"))
    return {key: text for key, lines in found.items() if re.search("[。：；]", text := "\n".join(lines))}


TEXT = numbered((edition.EDITIONS / JINDONG.name / "text.zh.txt").read_text(encoding="utf-8"))


def functions() -> Iterator[tuple[str, Rule]]:
    for module in pkgutil.iter_modules(regulation.__path__, "regulation."):
        for name, thing in vars(importlib.import_module(module.name)).items():
            if name.startswith("_") or getattr(thing, "__module__", None) != module.name:
                continue
            if inspect.isclass(thing):
                methods = ((key, method) for key, method in vars(thing).items() if inspect.isfunction(method) and not key.startswith("_"))
                yield from ((f"{module.name}.{name}.{key}", method) for key, method in methods)
            elif inspect.isroutine(inspect.unwrap(thing)):
                yield f"{module.name}.{name}", thing


FUNCTIONS = dict(functions())


def cited(rule: Rule) -> list[str]:
    found = re.search(r"\bClauses? ([^\n]+)\.$", inspect.getdoc(rule) or "")
    return found[1].split(", ") if found else []


def refusals(tree: ast.AST) -> list[tuple[str, set[str]]]:
    """Every refusal raised: its code as a pattern (a name stands for any code), and the clauses spelled beside it."""
    calls = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Refusal"
    ]
    return [(pattern(call.args[0]), constants(call.args[1])) for call in calls]


def pattern(node: ast.AST) -> str:
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    return "".join(re.escape(str(part.value)) if isinstance(part, ast.Constant) else ANY for part in parts)


def constants(node: ast.AST) -> set[str]:
    """What an expression for a clause may give; the test of a conditional expression is no clause."""
    if isinstance(node, ast.IfExp):
        return constants(node.body) | constants(node.orelse)
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()


ANY = "[a-z_]+"
TREES = [ast.parse(path.read_text(encoding="utf-8")) for path in Path(regulation.__file__ or "").parent.glob("*.py")]
RAISED = [found for tree in TREES for found in refusals(tree)]
WORDS = {node.value for tree in TREES for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_the_text_numbers_its_clauses_as_known() -> None:
    assert len(TEXT) == 58
    assert {"2.0", "2.3.end", "3.3", "5.1", "5.4.2", "8"} <= TEXT.keys()


def test_every_clause_of_the_text_is_there_and_no_other() -> None:
    assert list(JINDONG.clauses) == list(TEXT)


@pytest.mark.parametrize("key", TEXT)
def test_a_clause_is_quoted_word_for_word(key: str) -> None:
    assert JINDONG.clauses[key].text == TEXT[key]


@pytest.mark.parametrize("key", TEXT)
def test_a_clause_says_how_it_is_held_and_by_what(key: str) -> None:
    clause = JINDONG.clauses[key]
    if clause.held == ("outside",):
        assert clause.why
        assert not clause.by
    else:
        assert "outside" not in clause.held
        assert clause.by or clause.pending
    if {"block", "compute"} & set(clause.held):
        assert any(by in FUNCTIONS for by in clause.by), "a clause held as block or compute has its rule"


def test_whatever_is_said_to_hold_a_clause_exists_and_cites_it() -> None:
    for clause in JINDONG.clauses.values():
        for by in clause.by:
            if by.startswith("regulation."):
                assert by in FUNCTIONS, f"{clause.id}: {by} does not exist"
                assert any(one == clause.id or one.startswith(f"{clause.id}.") for one in cited(FUNCTIONS[by])), (
                    f"{by} cites no {clause.id}"
                )
            else:
                assert OPERATION.fullmatch(by), f"{clause.id}: {by} is neither a function nor an operation"


@pytest.mark.parametrize("path", FUNCTIONS)
def test_a_rule_cites_its_clauses_and_they_name_it(path: str) -> None:
    for key in cited(FUNCTIONS[path]):
        assert key in JINDONG.clauses
        assert path in JINDONG.clauses[key].by, f'clauses.toml: add "{path}" to `by` of {key}'


@pytest.mark.parametrize("path", FUNCTIONS)
def test_a_function_that_refuses_cites_the_clause_it_refuses_by(path: str) -> None:
    source = textwrap.dedent(inspect.getsource(inspect.unwrap(FUNCTIONS[path])))
    spelled = {clause for _, clauses in refusals(ast.parse(source)) for clause in clauses}
    assert spelled <= set(cited(FUNCTIONS[path]))
    assert cited(FUNCTIONS[path]) or not path.rpartition(".")[2].startswith("check_"), "a check cites its clause"


def test_every_refusal_has_a_sentence_and_every_sentence_a_refusal() -> None:
    codes = {code for code, _ in RAISED}
    assert [code for code in codes if not any(re.fullmatch(code, known) for known in messages())] == []
    spelled = codes - {ANY} | WORDS  # a code handed on by name is spelled elsewhere
    assert [known for known in messages() if not any(re.fullmatch(code, known) for code in spelled if CODE.fullmatch(code))] == []
    assert all(sentence.keys() == {"zh", "en"} for sentence in messages().values())
    assert list(messages()) == sorted(messages())


def test_every_refusal_names_a_clause_that_exists() -> None:
    assert {clause for _, clauses in RAISED for clause in clauses} <= JINDONG.clauses.keys()


def test_every_step_and_every_motion_names_a_clause_that_exists() -> None:
    tables = [lifecycle.cycle(JINDONG.parameters(JINDONG.in_force_on)), *map(lifecycle.motion, lifecycle.MOTIONS)]
    tables += [
        lifecycle.APPLICATION,
        lifecycle.PANEL,
        lifecycle.SHEET,
        lifecycle.NOTICE,
        lifecycle.OBJECTION,
        lifecycle.AWARD,
        lifecycle.MEETING,
    ]
    tables += [lifecycle.REVOCATION, lifecycle.HONOUR_USE]
    assert {step.clause for one in tables for step in one.values()} <= JINDONG.clauses.keys()


def test_the_table_is_printed_with_nothing_unheld(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["regulation", JINDONG.name])
    with pytest.raises(SystemExit) as left:
        runpy.run_path(inspect.getfile(main), run_name="__main__")
    assert left.value.code == 0
    assert f"{len(TEXT)} clauses, 0 unheld" in capsys.readouterr().out


def test_the_tables_of_all_editions_are_printed() -> None:
    assert main([]) == 0


@pytest.mark.parametrize(
    "change", [{"held": ("duty",), "by": (), "pending": "", "why": "somebody might"}, {"held": ("outside",), "why": ""}]
)
def test_a_clause_that_nothing_holds_is_called_unheld(change: dict[str, object]) -> None:
    left = dataclasses.replace(JINDONG, clauses={"2.2.6": dataclasses.replace(JINDONG.clauses["2.2.6"], **change)})  # type: ignore[arg-type] # a test's change is data
    assert table(left)[1] == ["2.2.6"]
