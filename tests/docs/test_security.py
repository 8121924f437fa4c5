"""The page on security answers every requirement, and every test and file that it names exists."""

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
REQUIREMENTS = (Path(__file__).parent / "asvs-5.0-l1-l2.txt").read_text().split()
ROW = re.compile(r"^\| (V\d+\.\d+\.\d+) \| (held|does not apply|operator|open) \| (.+) \|$", re.MULTILINE)
TEST = re.compile(r"`(test_\w+)`")
FILE = re.compile(r"`((?:kernel|gateway|services|deploy|docs|tests|regulation|\.)?[\w/.-]*\.(?:py|toml|sh|md|yml|lock))`")


def test_every_requirement_is_answered_once_and_in_order() -> None:
    assert [row[0] for row in ROW.findall(PAGE)] == REQUIREMENTS


def test_every_answer_says_by_what_it_is_held_or_why_not() -> None:
    bare = [
        number
        for number, answer, why in ROW.findall(PAGE)
        if answer == "held" and not (TEST.search(why) or "`" in why or "this page" in why)
    ]
    assert bare == []


def test_the_sentence_counts_the_answers() -> None:
    counted = Counter(answer for _, answer, _ in ROW.findall(PAGE))
    held, without, operator, still_open = (counted[one] for one in ("held", "does not apply", "operator", "open"))
    total = len(REQUIREMENTS)
    sentence = f"Of {total} requirements {held} are held, {without} do not apply, {operator} are the operator's, and {still_open} are open."
    assert sentence in PAGE


def test_every_named_test_exists() -> None:
    existing = {
        name for path in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8"))
    }
    assert sorted(set(TEST.findall(PAGE)) - existing) == []


def test_every_named_file_exists() -> None:
    assert [path for path in FILE.findall(PAGE) if not (ROOT / path).exists()] == []


def test_every_named_part_of_the_page_exists() -> None:
    parts = re.findall(r"this page, ([A-Z][\w ]+?)(?=[:;|]| \|)", PAGE)
    assert parts
    assert [part for part in parts if f"## {part.strip()}\n" not in PAGE] == []
