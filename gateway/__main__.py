"""`python -m gateway` serves the door as a program of its own; `keys` rotates the keys that sign tokens, `retention` erases old traces."""

import argparse
import sys

from gateway import rotation
from gateway.app import create
from gateway.first import ensure_first_office
from gateway.retention import keepings
from gateway.settings import GatewaySettings
from gateway.tables import Base
from kernel import upkeep
from kernel.program import run


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m gateway", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    rotation.add_command(commands)
    upkeep.add_commands(commands)
    return parser.parse_args()


def main() -> int:
    """Serve, or do an operator's work."""
    given, settings = arguments(), GatewaySettings.model_validate({})
    if given.command == "keys":
        return rotation.rotate(settings, given.step, given.kid, now=given.now)
    if given.command:
        upkeep.run("gateway", settings, Base.metadata, keepings(settings), **vars(given))
        return 0
    door = create(settings)
    ensure_first_office(door.gateway, settings)
    run(door, settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
