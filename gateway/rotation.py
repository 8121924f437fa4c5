"""The command that lists the keys which sign tokens, or takes one step of their rotation."""

import sys

from sqlalchemy.orm import sessionmaker

from gateway import keys
from gateway.seal import Seal
from gateway.settings import GatewaySettings
from kernel.database import make_engine
from kernel.upkeep import Commands


def add_command(commands: Commands) -> None:
    """Add `keys` to a command line."""
    rotation = commands.add_parser("keys", help="list the signing keys, or take one step of a rotation", description=keys.__doc__)
    rotation.add_argument("step", choices=["list", *keys.STEPS])
    rotation.add_argument("kid", nargs="?", help="the key, where several could be meant")
    rotation.add_argument("--now", action="store_true", help="after a leak: don't wait, though valid tokens may be refused meanwhile")


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
