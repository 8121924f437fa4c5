"""The gateway as one ASGI application: the door, and behind it its own routes."""

from collections.abc import Mapping

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway import (
    accounts,
    activation,
    bundle,
    demo,
    grants,
    me,
    notifications,
    outbox,
    published,
    reference,
    registration,
    second_factor,
    sessions,
    signins,
)
from gateway.account import revisit
from gateway.decisions import decisions
from gateway.door import Door
from gateway.forward import Forwarder
from gateway.news import LISTENERS
from gateway.program import Gateway
from gateway.record import withheld
from gateway.registration import registrations_to_verify
from gateway.settings import GatewaySettings
from kernel.relay import Transports
from kernel.sealed import seal_of
from kernel.service import create_service
from kernel.settings import ServiceName

BEHIND: tuple[ServiceName, ...] = ("intake", "scoring", "workflow")


def create(settings: GatewaySettings, upstreams: Mapping[ServiceName, ASGIApp] | None = None, transports: Transports | None = None) -> Door:
    """Build the door; without `upstreams` (the services' applications) it forwards to the services' addresses."""

    async def itself(scope: Scope, receive: Receive, send: Send) -> None:
        await own(scope, receive, send)

    gateway = Gateway(settings, {"gateway": httpx.ASGITransport(itself), **(transports or {})})
    seal_of(gateway.engine.dialect)  # contact data must never stand in the clear: without a key nothing starts
    gateway.registry.register(outbox.Numbers(gateway))
    if settings.smtp_host:
        gateway.errands.append(outbox.errand(gateway))
    routers = [grants.routes, sessions.routes, registration.routes, activation.routes, second_factor.routes, accounts.routes]
    routers += [me.routes, notifications.routes, bundle.routes, signins.routes, reference.routes]
    if settings.environment != "production":
        routers.append(demo.routes)
    own = create_service(
        gateway,
        "Quality award: accounts",
        routers,
        tasks=registrations_to_verify,
        decisions=decisions,
        listeners=LISTENERS,
        withheld=withheld,
        revisit=revisit,
    )
    own.include_router(published.routes)
    own.include_router(reference.pages)
    forwarders = {name: Forwarder(name, settings.peer_url(name), settings.upstream_seconds) for name in BEHIND}
    return Door(gateway, own, upstreams or forwarders)
