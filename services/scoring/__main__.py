"""`python -m services.scoring` serves scoring as a program of its own; with `retention` or `reseal` it does an operator's work."""

from kernel import program, upkeep
from kernel.settings import Settings
from services.scoring.app import create
from services.scoring.tables import Base

settings = Settings.model_validate({})
given = upkeep.arguments("scoring")
if given.command:
    upkeep.run("scoring", settings, Base.metadata, [], **vars(given))
else:
    program.run(create(settings), settings)
