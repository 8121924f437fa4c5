"""`python -m services.workflow` serves workflow as a program of its own."""

from kernel.program import run
from kernel.settings import Settings
from services.workflow.app import create

settings = Settings.model_validate({})
run(create(settings), settings)
