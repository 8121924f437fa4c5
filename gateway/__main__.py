"""`python -m gateway` serves the door as a program of its own; `keys` rotates the keys that sign tokens, `retention` erases old traces."""

import argparse
import sys

from sqlalchemy.orm import sessionmaker

from gateway import keys
from gateway.app import create
from gateway.first import ensure_first_office
from gateway.retention import keepings
from gateway.seal import Seal
from gateway.settings import GatewaySettings
from gateway.tables import Base
from kernel import upkeep
from kernel.database import make_engine
from kernel.program import run


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m gateway", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    rotation = commands.add_parser("keys", help="list the signing keys, or take one step of a rotation", description=keys.__doc__)
    rotation.add_argument("step", choices=["list", *keys.STEPS])
    rotation.add_argument("kid", nargs="?", help="the key, where several could be meant")
    rotation.add_argument("--now", action="store_true", help="after a leak: don't wait, though valid tokens may be refused meanwhile")
    upkeep.add_commands(commands)
    return parser.parse_args()


def rotate(settings: GatewaySettings, step: str, kid: str | None, *, now: bool) -> int:
    """Take a step and list the keys; what can't be done is one sentence."""
    engine = make_engine(settings.database(), "gateway", 1)
    try:
        with sessionmaker(engine).begin() as session:
            if step != "list":
                keys.take(session, Seal(settings.record_seed), step, kid, now=now)
            sys.stdout.writelines(f"{one.kid}  {one.phase:9}  since {one.moved_at:%Y-%m-%dT%H:%M:%SZ}\n" for one in keys.listed(session))
    except keys.RotationError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        engine.dispose()
    return 0


def main() -> int:
    """Serve, or do an operator's work."""
    given, settings = arguments(), GatewaySettings.model_validate({})
    if given.command == "keys":
        return rotate(settings, given.step, given.kid, now=given.now)
    if given.command:
        upkeep.run("gateway", settings, Base.metadata, keepings(settings), given)
        return 0
    door = create(settings)
    ensure_first_office(door.gateway, settings)
    run(door, settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
