"""`python -m gateway` serves the door as a program of its own."""

from gateway.app import create
from gateway.first import ensure_first_office
from gateway.settings import GatewaySettings
from kernel.program import run

settings = GatewaySettings.model_validate({})
door = create(settings)
ensure_first_office(door.gateway, settings)
run(door, settings)
