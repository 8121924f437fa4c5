"""`python -m services.workflow` serves the workflow as a program of its own; with `retention` or `reseal` it does an operator's work."""

from kernel import program, upkeep
from kernel.settings import Settings
from services.workflow.app import create
from services.workflow.retention import keepings
from services.workflow.tables import Base

settings = Settings.model_validate({})
given = upkeep.arguments("workflow")
if given.command:
    upkeep.run("workflow", settings, Base.metadata, keepings(settings), **vars(given))
else:
    program.run(create(settings), settings)
