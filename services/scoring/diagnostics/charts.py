"""Advice as pictures: SVG with its words as text, so that whoever looks needs the font, not the server."""

import io
import logging
import textwrap
import threading
import warnings
from collections.abc import Callable, Mapping
from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.projections.polar import PolarAxes
from numpy.typing import NDArray

from regulation.refusal import Language
from regulation.rubric import FULL, STEP
from services.scoring.diagnostics.advice import Part
from services.scoring.diagnostics.use_cases import Basis
from services.scoring.diagnostics.words import NOT_CONNECTED, NOTICE, TOO_FEW, Phrase

mpl.rcParams.update(
    {
        "svg.fonttype": "none",
        "svg.hashsalt": "advice",
        "font.family": [
            "Noto Sans CJK SC",
            "Source Han Sans SC",
            "Microsoft YaHei",
            "PingFang SC",
            "SimHei",
            "WenQuanYi Micro Hei",
            "DejaVu Sans",
            "sans-serif",
        ],
        "font.size": 11,
        "axes.unicode_minus": False,
    }
)
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # it tells of every font of the list that the server lacks

MOST_SHAPES = 8
LONGEST_NAME = 18
WIDE, MARGIN_ABOVE, MARGIN_BELOW = 9.0, 0.75, 1.0
"""Inches; margins are counted, not measured, since the server may lack the reader's font."""
CHARACTER, SMALL = 11 / 72, 9
LINE: Final[Mapping[Language, int]] = {"zh": 60, "en": 110}
"""Characters of small print that a line of a chart holds."""
LABEL = 24
"""Characters after which a label of the radar is broken."""
MOST_PLACES = 20
"""So many places are numbered."""
BAR = 0.9
"""Inches right of the shares for what their colours mean."""
MIDDLE = 0.2
"""Labels of the radar nearer to its middle line than this share of the radius are centred."""
ONE_AT_A_TIME = threading.Lock()
"""Matplotlib is not made for threads."""

RADAR: Final[Phrase] = {"zh": "各类目得分率", "en": "Share of points by category"}
SEVERITY: Final[Phrase] = {"zh": "评审员宽严（90%区间）", "en": "Severity of the reviewers (90 % intervals)"}
SEVERITY_AXIS: Final[Phrase] = {"zh": "← 偏严　　分　　偏宽 →", "en": "← severe    points    lenient →"}
RANKS: Final[Phrase] = {"zh": "各名次的概率", "en": "Probability of each place"}
PLACE: Final[Phrase] = {"zh": "名次", "en": "place"}
NO_SHEETS: Final[Phrase] = {"zh": "尚无已启封的评分表。", "en": "No sheet has been opened yet."}

Chart = Callable[[Basis, str | None], bytes]


def radar(basis: Basis, application: str | None = None) -> bytes:
    """Draw each application's share of the points by category; of one application, each reviewer's sheet."""
    shares = _by_category(basis)
    if application is None:
        means = np.array([shares[:, basis.evidence.application == row].mean(axis=1) for row in range(len(basis.evidence.applications))])
        order = np.argsort(-np.nan_to_num([np.nanmean(row) for row in basis.evidence.scores]), kind="stable")[:MOST_SHAPES]
        shapes = {_short(basis.organisations[basis.evidence.applications[row]]): means[row] for row in order}
        heading = RADAR[basis.language]
    else:
        columns = [place for place, sheet in enumerate(basis.evidence.sheets) if sheet.application == application]
        shapes = {_name(basis, int(basis.evidence.reviewer[column])): shares[:, column] for column in columns}
        heading = f"{RADAR[basis.language]} · {_short(basis.organisations.get(application, ''))}"
    figure = Figure(figsize=(11.5, 6))
    if not shapes:
        return _nothing(basis, figure, heading, NO_SHEETS)
    axes = figure.add_axes((0.16, 0.12, 0.383, 0.72), projection="polar")
    assert isinstance(axes, PolarAxes)  # noqa: S101 - what the projection gives
    labels = [getattr(category, basis.language) for category in basis.rubric.categories]
    angles = np.linspace(0, 2 * np.pi, len(labels), endpoint=False)
    for name, shape in shapes.items():
        axes.plot(np.append(angles, angles[0]), np.append(shape, shape[0]), label=name, linewidth=1.6)
        axes.fill(angles, shape, alpha=0.06)
    axes.set_theta_offset(np.pi / 2)
    axes.set_theta_direction(-1)
    axes.set_xticks(angles, [textwrap.fill(label, LABEL) for label in labels])
    for label, angle in zip(axes.get_xticklabels(), angles, strict=True):
        label.set_horizontalalignment("center" if abs(np.sin(angle)) < MIDDLE else "left" if angle < np.pi else "right")
    axes.set_ylim(0, FULL)
    axes.set_yticks([20, 40, 60, 80, 100], ["20", "40", "60", "80", "100 %"], color="grey", fontsize=8)
    figure.legend(loc="center left", bbox_to_anchor=(0.68, 0.5), frameon=False)
    return _finished(basis, figure, heading)


def severity(basis: Basis, _application: str | None = None) -> bytes:
    """Draw how many points each reviewer gives above or below the others, with intervals; each linked part by itself."""

    def dots(axes: Axes, part: Part) -> None:
        compared = part.compared
        if compared is None:
            return
        order = np.argsort(compared.found.severities)
        middle, (low, high) = compared.found.severities[order], (end[order] for end in compared.severity)
        rows = np.arange(len(order))
        axes.hlines(rows, low, high, color="#7c9cbf", linewidth=3)
        axes.plot(middle, rows, "o", color="#1f4e79")
        axes.axvline(0, color="grey", linewidth=0.8)
        axes.set_ylim(-0.6, len(order) - 0.4)
        axes.set_yticks(rows, [_name(basis, int(part.component.reviewers[one])) for one in order])
        axes.set_xlabel(SEVERITY_AXIS[basis.language])

    return _by_part(basis, SEVERITY, dots, lambda part: len(part.component.reviewers))


def ranks(basis: Basis, _application: str | None = None) -> bytes:
    """Draw the probability of each place for each application; each linked part by itself."""

    def shades(axes: Axes, part: Part) -> None:
        compared = part.compared
        if compared is None:
            return
        count = len(part.component.applications)
        order = np.argsort(compared.ranks @ np.arange(count), kind="stable")
        image = axes.imshow(compared.ranks[order], cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        names = [_short(basis.organisations[basis.evidence.applications[part.component.applications[one]]]) for one in order]
        axes.set_yticks(range(count), names)
        numbered = range(0, count, -(-count // MOST_PLACES))
        axes.set_xticks(numbered, [str(place + 1) for place in numbered])
        axes.set_xlabel(PLACE[basis.language])
        if basis.p.site_review_cap < count:
            axes.axvline(basis.p.site_review_cap - 0.5, color="#b03a2e", linewidth=1.2)
        axes.figure.colorbar(image, cax=axes.inset_axes((1.03, 0, 0.03, 1)), format=lambda share, _: f"{share:.0%}")

    return _by_part(basis, RANKS, shades, lambda part: len(part.component.applications), BAR)


CHARTS: Final[Mapping[str, Chart]] = {"radar": radar, "severity": severity, "ranks": ranks}


def chart(name: str, basis: Basis, application: str | None) -> bytes:
    """Draw one of the charts."""
    with ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # it measures with a font the reader won't use
        return CHARTS[name](basis, application)


def _by_category(basis: Basis) -> NDArray[np.float64]:
    """Give, for each sheet (columns), the percentage of each category's points (rows)."""
    worth = np.array([item.points for item in basis.rubric.items], float)
    rows = []
    for category in basis.rubric.categories:
        of = np.array([item.category == category.id for item in basis.rubric.items])
        rows.append((worth[of] @ basis.evidence.steps[of]) * STEP / worth[of].sum())
    return np.array(rows)


def _by_part(
    basis: Basis, heading: Phrase, draw: Callable[[Axes, Part], None], height: Callable[[Part], int], beside: float = 0.27
) -> bytes:
    parts = [part for part in basis.advice.parts if part.compared is not None]
    heights = [1.1 + 0.34 * height(part) for part in parts]
    why = textwrap.wrap(NOT_CONNECTED[basis.language], LINE[basis.language]) if len(basis.advice.parts) > 1 else []
    above = MARGIN_ABOVE + SMALL / 72 * 1.5 * len(why)
    tall = above + MARGIN_BELOW + sum(heights, 0.5)
    figure = Figure(figsize=(WIDE, tall))
    if not parts:
        return _nothing(basis, figure, heading[basis.language], TOO_FEW if basis.evidence.sheets else NO_SHEETS)
    for axes, part in zip(np.ravel(figure.subplots(len(parts), 1, squeeze=False, height_ratios=heights)), parts, strict=True):
        draw(axes, part)
    longest = max(len(label.get_text()) for axes in figure.axes for label in axes.get_yticklabels())
    figure.subplots_adjust(
        left=(longest * CHARACTER + 0.25) / WIDE, right=1 - beside / WIDE, top=1 - above / tall, bottom=MARGIN_BELOW / tall, hspace=0.5
    )
    for place, line in enumerate(why):  # line by line: within one text lines are set apart by a font that the reader may not have
        figure.text(0.5, 1 - (MARGIN_ABOVE - 0.2 + SMALL / 72 * 1.5 * place) / tall, line, ha="center", va="top", fontsize=SMALL)
    return _finished(basis, figure, heading[basis.language])


def _nothing(basis: Basis, figure: Figure, heading: str, why: Phrase) -> bytes:
    figure.text(0.5, 0.5, why[basis.language], ha="center", color="grey")
    return _finished(basis, figure, heading)


def _finished(basis: Basis, figure: Figure, heading: str) -> bytes:
    figure.suptitle(heading, y=1 - 0.15 / figure.get_figheight())
    figure.supxlabel(NOTICE[basis.language], fontsize=SMALL, color="#b03a2e")
    drawn = io.BytesIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None, "Title": heading, "Description": NOTICE[basis.language]})
    return drawn.getvalue()


def _name(basis: Basis, reviewer: int) -> str:
    person = basis.evidence.reviewers[reviewer]
    return _short(basis.names.get(person, person))


def _short(name: str) -> str:
    """Keep a label to its length; a dollar sign would begin a formula."""
    kept = name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
    return kept.replace("$", r"\$")
