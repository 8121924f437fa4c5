"""`python -m gateway` serves the door as a program of its own."""

from gateway.app import create
from gateway.settings import GatewaySettings
from kernel.program import run

settings = GatewaySettings.model_validate({})
run(create(settings), settings)
