"""`python -m services.intake` serves intake as a program of its own; with `retention` or `reseal` it does an operator's work."""

from kernel import program, upkeep
from kernel.settings import Settings
from services.intake.app import create
from services.intake.retention import keepings
from services.intake.tables import Base

settings = Settings.model_validate({})
given = upkeep.arguments("intake")
if given.command:
    upkeep.run("intake", settings, Base.metadata, keepings(settings), **vars(given))
else:
    program.run(create(settings), settings)
