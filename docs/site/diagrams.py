"""State diagrams as SVG, drawn from the tables of `regulation.lifecycle`: states from top to bottom, what leads on beside them."""

from collections import defaultdict
from collections.abc import Mapping
from html import escape

from regulation import edition, lifecycle
from regulation.lifecycle import NAMES, Table

WIDTH, BOX, HEIGHT, GAP = 1120, 210, 46, 58
LEFT, RIGHT, BESIDE = (WIDTH - BOX) // 2, (WIDTH + BOX) // 2, 900
MANY = 4
"""From so many states on, one action to the same state is a note below it, and no bundle of lines."""
TIP = '<path d="M0 0 9 4.5 0 9z" fill="#57606a"/>'
ARROW = f'<marker id="tip" markerWidth="9" markerHeight="9" refX="8" refY="4.5" orient="auto">{TIP}</marker>'
STYLE = (
    "text{font:13px sans-serif;fill:#1f2328}.small{font-size:11.5px;fill:#57606a}"
    "rect{fill:#eef4fb;stroke:#2f6fb2}path.way{fill:none;stroke:#57606a;marker-end:url(#tip)}"
)


def tables() -> Mapping[str, Table]:
    """Give every table by the name under which a page asks for its diagram."""
    current = edition.load("jindong-2022")
    return {
        "cycle": lifecycle.cycle(current.parameters(current.in_force_on)),
        "application": lifecycle.APPLICATION,
        "panel": lifecycle.PANEL,
        "sheet": lifecycle.SHEET,
        "motion": lifecycle.motion("winners"),
        "meeting": lifecycle.MEETING,
        "notice": lifecycle.NOTICE,
        "objection": lifecycle.OBJECTION,
        "award": lifecycle.AWARD,
        "revocation": lifecycle.REVOCATION,
        "honour_use": lifecycle.HONOUR_USE,
    }


def _words(action: str, clause: str) -> str:
    return f"{action.replace('_', ' ')} ({clause})"


def _text(x: float, y: float, words: str, anchor: str = "middle", css: str = "small") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" class="{css}">{escape(words)}</text>'


def _order(table: Table) -> list[str]:
    """Put the states in the order of their first mention, as the tables are written: along the way."""
    found = list(dict.fromkeys(state for (source, _), step in table.items() for state in (source, step.to)))
    rank = {name: place for place, name in enumerate(lifecycle.PHASES)}
    return sorted(found, key=lambda state: (rank.get(state, len(rank)), found.index(state)))


def diagram(name: str) -> str:
    """Draw one table; an action that changes no state stands beside its state, one from many states below where it leads."""
    table = tables()[name]
    states = _order(table)
    top = {state: 10 + number * (HEIGHT + GAP) for number, state in enumerate(states)}
    ways: dict[tuple[str, str], list[str]] = defaultdict(list)
    stays: dict[str, list[str]] = defaultdict(list)
    sources: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for (source, action), step in table.items():
        if source == step.to:
            stays[source].append(_words(action, step.clause))
        else:
            sources[step.to, action, step.clause].append(source)
    notes: dict[str, list[str]] = defaultdict(list)
    for (to, action, clause), found in sources.items():
        if len(found) >= MANY:
            notes[to].append(f"{_words(action, clause)} ← {'、'.join(NAMES[state] for state in found)}")
        else:
            for source in found:
                ways[source, to].append(_words(action, clause))
    parts = [_box(state, top[state], stays[state], notes[state]) for state in states]
    parts += _lines(states, top, ways)
    height = 20 + len(states) * (HEIGHT + GAP)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(name)}" '
        f'style="max-width:{WIDTH}px;background:#fff"><style>{STYLE}</style><defs>{ARROW}</defs>{"".join(parts)}</svg>'
    )


def _box(state: str, y: int, stays: list[str], notes: list[str]) -> str:
    parts = [f'<rect x="{LEFT}" y="{y}" width="{BOX}" height="{HEIGHT}" rx="7"/>']
    parts += [_text(WIDTH / 2, y + 20, NAMES[state], css=""), _text(WIDTH / 2, y + 37, state.replace("_", " "))]
    parts += [_text(BESIDE, y + 13 + 13 * line, f"↻ {words}", "start") for line, words in enumerate(stays)]
    parts += [_text(WIDTH / 2, y + HEIGHT + 14 + 13 * line, words) for line, words in enumerate(notes)]
    return "".join(parts)


def _lines(states: list[str], top: Mapping[str, int], ways: Mapping[tuple[str, str], list[str]]) -> list[str]:
    """Draw straight lines to the next state, and bows for all others: back on the left, onward on the right, each at a depth of its own."""
    place = {state: number for number, state in enumerate(states)}
    parts: list[str] = []
    depth = {-1: 0, 1: 0}
    for (source, to), words in sorted(ways.items(), key=lambda way: abs(place[way[0][1]] - place[way[0][0]])):
        reach = place[to] - place[source]
        if reach == 1:
            start = top[source] + HEIGHT
            parts.append(f'<path class="way" d="M{WIDTH / 2:.0f} {start}V{top[to] - 1}"/>')
            parts += [_text(WIDTH / 2 + 8, start + 18 + 13 * line, one, "start") for line, one in enumerate(words)]
            continue
        side = 1 if reach > 0 else -1
        depth[side] += 1
        edge = RIGHT if side > 0 else LEFT
        bow = edge + side * (30 + 24 * (depth[side] % 7))
        begins, ends = top[source] + HEIGHT * 3 / 4, top[to] + HEIGHT / 4
        parts.append(f'<path class="way" d="M{edge} {begins:.0f}C{bow} {begins:.0f} {bow} {ends:.0f} {edge + side} {ends:.0f}"/>')
        middle = (begins + ends) / 2
        anchor = "start" if side > 0 else "end"
        parts += [_text((edge + 3 * bow) / 4 + side * 4, middle + 13 * line, one, anchor) for line, one in enumerate(words)]
    return parts
