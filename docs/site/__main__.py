"""`make docs`: build the documents strictly into ./site and look whether a page would fetch anything from elsewhere; tells its figures."""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from mkdocs.commands.build import build
from mkdocs.config import load_config

ROOT = Path(__file__).parents[2]
FETCHED = re.compile(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"(?:https?:)?//[^\"]*\"")


def built(folder: Path) -> Mapping[str, str]:
    """Build the site into a folder; gives its pages by name. `mkdocs.exceptions.Abort` where a page or a link is missing."""
    build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder)))
    return {str(page.relative_to(folder)): page.read_text(encoding="utf-8") for page in folder.rglob("*.html")}


def elsewhere(pages: Mapping[str, str]) -> Mapping[str, list[str]]:
    """Give what each page would fetch from another place than the site's folder."""
    return {name: found for name, page in pages.items() if (found := FETCHED.findall(page))}


def main() -> int:
    """Build and tell."""
    pages = built(ROOT / "site")
    fetched = elsewhere(pages)
    sys.stderr.writelines(f"{name}: {one}\n" for name, found in fetched.items() for one in found)
    diagrams = sum(page.count("<svg xmlns=") for page in pages.values())
    figures = {"pages": len(pages), "diagrams": diagrams, "fetched_from_elsewhere": sum(map(len, fetched.values()))}
    sys.stdout.write(json.dumps({"docs": figures}) + "\n")
    return 1 if fetched else 0


if __name__ == "__main__":
    sys.exit(main())
