"""`make verify-demo`: plays a year, verifies both its bundles, then flips bits and forges values with the platform's own keys.

Ends with its figures as one JSON line, and non-zero where anything was not found and named.
"""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from embedded import demo
from embedded.demo import served
from embedded.demo.scenario import SCENARIOS
from embedded.demo.stage import Stage
from embedded.demo.year import Year
from tests.verify.campaign import FLIPS, Figures, flip, forge, trick
from tests.verify.taking import take
from verifier.verification import verify

LAST = "The supervision group looks back"
EDITION = "jindong-2022"
SEED = 610


def main() -> int:
    """Play, take, verify, attack."""
    titles = [title for title, _ in demo.SCENES]
    with (
        TemporaryDirectory(prefix="quality-award-verify-", ignore_cleanup_errors=True) as place,
        served(Path(place), EDITION) as (address, secret),
    ):
        year = Year(Stage(address), secret, SCENARIOS[EDITION])
        if demo.play(year, demo.SCENES[: titles.index(LAST) + 1], Path(place) / "result.json"):
            return 1
        kept = take(year, Path(place) / "data")
    figures, checked = Figures(), 0
    for audience, raw in (("supervision", kept.supervision), ("public", kept.public)):
        report = verify(raw, kept.checkpoints, kept.leaves)
        checked += sum(report.checked.values()) - report.checked["bytes of the archive"]
        figures.missed += [f"{audience}: {finding}" for finding in report.findings]  # an honest bundle in which something is found
        if report.checked["co-signatures"] == 0:
            figures.missed.append(f"{audience}: no co-signature")
    trick(kept, figures)
    forge(kept, figures)
    flip(kept, figures, FLIPS, SEED)
    sys.stderr.writelines(f"missed: {one}\n" for one in figures.missed[:50])
    sys.stdout.write(json.dumps({"verify-demo": {"checks": checked} | figures.line()}) + "\n")
    return 0 if not figures.missed and figures.flips == FLIPS else 1


if __name__ == "__main__":
    sys.exit(main())
