"""The charts' words stay inside the picture whatever font the reader has, and apart from each other."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from kernel.identity import Principal
from regulation import edition, rubric
from regulation.refusal import Language
from services.scoring.diagnostics.advice import advise
from services.scoring.diagnostics.charts import CHARTS, chart
from services.scoring.diagnostics.evidence import OpenSheet, evidence
from services.scoring.diagnostics.reading import Scope
from services.scoring.diagnostics.use_cases import Basis, minimum_points
from services.scoring.diagnostics.words import NOTICE
from services.scoring.tables import Cycle

SVG = "{http://www.w3.org/2000/svg}"
EDITION = edition.load("jindong-2022")
WIDE = re.compile(r"[⺀-鿿＀-￯]")
"""Characters as wide as the font is high; others are taken for 0.62 of it."""
Box = tuple[float, float, float, float]


def basis(name: str, applications: int, reviewers: int, language: Language, *, apart: bool) -> Basis:
    """Make up a panel's sheets, its organisations with names of the longest kind; `apart` in two teams without a link."""
    books, p, random = rubric.load(name), EDITION.parameters(EDITION.in_force_on), np.random.default_rng(3)
    sheets = [
        OpenSheet(f"{row}-{column}", f"a{row:02}", f"r{column}", {item.id: int(random.integers(8, 17)) for item in books.items})
        for row in range(applications)
        for column in range(reviewers)
        if not apart or (row < applications // 2) == (column < reviewers // 2)
    ]
    given = evidence(sheets, books)
    names = {key: f"孝顺五金制造集团有限公司第{key}分厂" for key in given.applications}
    persons = dict.fromkeys(given.reviewers, "司马相如·阿卜杜勒")
    scope = Scope(Principal("x", "committee", frozenset(), None, None, frozenset(), "x", 0), Cycle(), None)
    return Basis(scope, "material", books, p, given, advise(given, minimum_points(p), 8, 400), names, persons, language)


def boxes(svg: bytes) -> tuple[tuple[float, float], list[tuple[str, Box]]]:
    """Give the picture's size and where each line of text lies: left, top, right, bottom."""
    root = ET.fromstring(svg)  # noqa: S314 - our own
    found = []
    for node in root.iter(f"{SVG}text"):
        words, style = "".join(node.itertext()).strip(), node.attrib["style"]
        size = float(re.findall(r"font-size: ([\d.]+)px", style)[0])
        long = size * sum(1 if WIDE.match(one) else 0.62 for one in words)
        anchor = {"start": 0.0, "middle": 0.5, "end": 1.0}[(re.findall(r"text-anchor: (\w+)", style) or ["start"])[0]]
        at = (node.attrib["x"], node.attrib["y"]) if "x" in node.attrib else re.findall(r"-?[\d.]+", node.attrib["transform"])[:2]
        left, foot = float(at[0]) - anchor * long, float(at[1])
        found.append((words, (left, foot - size, left + long, foot)))
    _, _, width, height = (float(one) for one in root.attrib["viewBox"].split())
    return (width, height), found


@pytest.mark.parametrize("name", CHARTS)
@pytest.mark.parametrize(
    ("books", "applications", "reviewers", "language", "apart"),
    [
        ("gbt-19580-2012", 6, 6, "zh", True),
        pytest.param("gbt-19580-2012", 10, 5, "zh", False, marks=pytest.mark.full),
        pytest.param("gbt-19580-2012", 60, 7, "en", False, marks=pytest.mark.full),
        pytest.param("baldrige-2021", 6, 6, "en", True, marks=pytest.mark.full),
    ],
)
def test_every_word_of_a_chart_is_inside_it_and_covers_no_other(
    name: str, books: str, applications: int, reviewers: int, language: Language, *, apart: bool
) -> None:
    svg = chart(name, basis(books, applications, reviewers, language, apart=apart), None)
    (width, height), found = boxes(svg)
    assert NOTICE[language] in [words for words, _ in found]
    assert b"'Noto Sans CJK SC', 'Source Han Sans SC', 'Microsoft YaHei'" in svg
    for place, (words, (left, top, right, bottom)) in enumerate(found):
        assert left >= 0, words
        assert right <= width, words
        assert top >= 0, words
        assert bottom <= height, words
        for others, (start, above, end, below) in found[place + 1 :]:
            assert right <= start or end <= left or bottom <= above or below <= top, (words, others)
