"""`python -m embedded run` serves the product; `demo` drives one award year through it; `retention`, `reseal` and `keys` keep it up."""

import argparse
import sys
from pathlib import Path

from embedded import upkeep
from embedded.postgres import PostgresError
from embedded.serve import CannotServeError, serve


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m embedded", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="serve the product")
    run.add_argument("--data", type=Path, default=Path("data"), help="the data folder (default: ./data)")
    run.add_argument("--host", default="127.0.0.1")
    run.add_argument("--port", type=int, default=8000)
    run.add_argument("--environment", choices=["production", "demo", "test"], default="production")
    run.add_argument(
        "--backups", type=Path, help="a folder on another disk, to which the database archives its log and attachments are copied"
    )
    run.add_argument("--edition", help="the edition of the regulation (default: the shipped one)")
    year = commands.add_parser("demo", help="drive one award year by HTTP alone")
    year.add_argument("--url", help="an address that serves environment demo already; without it one is started")
    year.add_argument("--activation", help="the first office account's activation secret, with --url")
    year.add_argument("--edition", default="jindong-2022", help="the edition of the regulation to play the year under")
    year.add_argument("--until", metavar="SCENE", help="play no further than to the scene of this title")
    year.add_argument("--keep", action="store_true", help="go on serving, with the accounts of every role in demo-accounts.json")
    year.add_argument("--result", type=Path, default=Path("demo-result.json"))
    upkeep.add_commands(commands)
    return parser.parse_args()


def main() -> int:
    """Run the command; an error that the person can mend is one sentence."""
    given = arguments()
    try:
        if given.command == "run":
            serve(
                given.data.absolute(), given.host, given.port, given.environment, given.edition, given.backups and given.backups.absolute()
            )
            return 0
        if given.command != "demo":
            return upkeep.run(given)
        from embedded import demo  # noqa: PLC0415 - serving needs no demo, and starts sooner without

        return demo.run(given.url, given.activation, given.result, given.edition, until=given.until, keep=given.keep)
    except KeyboardInterrupt:
        return 0 if given.command == "run" else 130
    except (CannotServeError, PostgresError) as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
