"""`make attack`: over 500 forged tokens at every service; ends with its figures as one JSON line, and non-zero where one falls short."""

import json
import sys
import tempfile
from pathlib import Path

from embedded import postgres
from embedded.product import kept_secrets, migrated
from tests import rig
from tests.attack.campaign import attack

LEAST = 500
TEMPLATE = "template_attack"

with tempfile.TemporaryDirectory() as place, postgres.running(Path(place) / "postgresql") as server:
    kept = kept_secrets(Path(place))
    migrated(server, TEMPLATE, kept)
    with rig.running(server, TEMPLATE, kept, Path(place) / "product") as award:
        figures = attack(award)
sys.stderr.writelines(f"{one}\n" for one in figures.wrong[:50])
sys.stdout.write(json.dumps({"attack": figures.line() | {"wrong": len(figures.wrong)}}) + "\n")
sys.exit(0 if figures.holds(LEAST) else 1)
