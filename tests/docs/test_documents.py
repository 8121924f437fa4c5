"""What the documents say of the API is in the API, and the site needs no network."""

import re
from pathlib import Path

import pytest

from docs.site import hooks
from docs.site.__main__ import built, elsewhere
from docs.site.diagrams import diagram, tables
from regulation.lifecycle import NAMES

DOCS = Path(hooks.__file__).parent.parent
PAGES = sorted(page for page in DOCS.rglob("*.md") if "decisions" not in page.parts)
CALL = re.compile(r"`(GET|POST|PUT|PATCH|DELETE) (/[^\s`?]*)[^`]*`")


def shape(call: tuple[str, str]) -> str:
    return f"{call[0]} {re.sub(r'{[^}]*}', '{}', call[1])}"


@pytest.fixture(scope="module")
def served() -> set[str]:
    paths = hooks.document()["paths"]
    return {shape((method.upper(), path.removeprefix("/api/v1"))) for path, methods in paths.items() for method in methods}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_every_call_that_a_page_names_is_served(page: Path, served: set[str]) -> None:
    named = {shape(call) for call in CALL.findall(page.read_text(encoding="utf-8"))}
    assert sorted(named - served) == []


def test_the_pages_of_the_roles_name_calls() -> None:
    assert [page.name for page in (DOCS / "roles").glob("*.md") if not CALL.search(page.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("name", tables())
def test_a_diagram_shows_every_state_and_action_of_its_table(name: str) -> None:
    drawn = diagram(name)
    for (source, action), step in tables()[name].items():
        assert {word for word in (NAMES[source], NAMES[step.to], action.replace("_", " ")) if word not in drawn} == set()


@pytest.mark.full
def test_the_site_builds_strictly_and_fetches_nothing_from_elsewhere(tmp_path: Path) -> None:
    pages = built(tmp_path)
    assert "roles/applicant.html" in pages
    assert "<svg" in pages["reference/states.html"]
    assert elsewhere(pages) == {}
    assert elsewhere({"a.html": '<img src="//example.com/a.png"><script src="https://example.com/a.js">'}) != {}
