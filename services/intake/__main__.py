"""`python -m services.intake` serves intake as a program of its own."""

from kernel.program import run
from kernel.settings import Settings
from services.intake.app import create

settings = Settings.model_validate({})
run(create(settings), settings)
