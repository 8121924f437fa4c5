"""`python -m services.scoring` serves scoring as a program of its own."""

from kernel.program import run
from kernel.settings import Settings
from services.scoring.app import create

settings = Settings.model_validate({})
run(create(settings), settings)
