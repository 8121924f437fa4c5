"""`python -m verifier BUNDLE.zip`: checks a result bundle offline, prints what it checked and each thing wrong.

Exit status: 0 everything holds, 1 something is wrong, 2 nothing could be read, 3 all that is shown holds, but the bundle is partial.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from verifier.verification import verify

WRONG, UNREADABLE, PARTIAL = 1, 2, 3


def main() -> int:
    """Verify the bundle that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m verifier", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--checkpoint", type=Path, action="append", default=[], metavar="FILE", help="a checkpoint that you kept")
    parser.add_argument(
        "--leaves", type=Path, action="append", default=[], metavar="FILE", help="leaf hashes that you kept: origin, then one a line"
    )
    parser.add_argument("--year", type=int, help="the award year that it must be of")
    given = parser.parse_args()
    return check(given.bundle, given.checkpoint, given.leaves, given.year)


def check(bundle: Path, checkpoint_files: Sequence[Path], leaf_files: Sequence[Path], year: int | None) -> int:
    """Verify a bundle, say what was checked and what is wrong, and give the exit status."""
    try:
        raw = bundle.read_bytes()
        checkpoints, leaves = ([file.read_text(encoding="utf-8") for file in files] for files in (checkpoint_files, leaf_files))
    except (OSError, UnicodeDecodeError) as error:
        sys.stderr.write(f"{error}\n")
        return UNREADABLE
    report = verify(raw, checkpoints, leaves, year)
    for what, times in sorted(report.checked.items()):
        print(f"checked {times:>8,} {what}")  # noqa: T201 - what it is for
    for note in report.not_shown:
        print(f"not shown: {note}")  # noqa: T201
    for finding in report.findings:
        print(f"WRONG {finding}")  # noqa: T201
    if not checkpoints:
        print("no checkpoint kept outside was given: whoever holds the platform's keys could have rewritten the whole")  # noqa: T201
    if report.findings:
        print(f"{len(report.findings)} findings")  # noqa: T201
        return WRONG
    if report.partial:
        print("PARTIAL: all that is shown holds; the reader is recused from the rest")  # noqa: T201
        return PARTIAL
    print("everything holds")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
