"""How much one address may send to the docket: so many objections, reports and their files an hour, by the wall clock."""

import hmac
from datetime import timedelta
from hashlib import sha256
from ipaddress import IPv6Address, ip_address

from fastapi import Request
from sqlalchemy import case
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from kernel.clock import wall
from kernel.problems import TOO_MANY, Problem
from services.workflow.tables import Arrival

WINDOW = timedelta(hours=1)
ADDRESS = "quality-award-address"
"""The header in which the door names the caller's address."""


def address_of(request: Request) -> str:
    """Give the network that a caller comes from: an IPv4 address, or an IPv6 network of 64 bits; "" where none is known."""
    told = request.headers.get(ADDRESS) or (request.client.host if request.client else "")
    try:
        address = ip_address(told)
    except ValueError:
        return told
    return str(IPv6Address(int(address) >> 64 << 64)) if address.version == 6 else str(address)  # noqa: PLR2004 - IP's versions


def count_arrival(session: Session, request: Request) -> None:
    """Count one more from this address; 429 with the time to wait over the setting's limit. The address itself is not kept."""
    settings = request.app.state.service.settings
    now = wall()
    key = hmac.new(settings.service_secret.get_secret_value().encode(), address_of(request).encode(), sha256).digest()
    over = Arrival.since <= now - WINDOW
    counted = insert(Arrival).values(address=key, since=now, count=1)
    since, count = session.execute(
        counted.on_conflict_do_update(
            index_elements=[Arrival.address],
            set_={"since": case((over, now), else_=Arrival.since), "count": case((over, 1), else_=Arrival.count + 1)},
        ).returning(Arrival.since, Arrival.count)
    ).one()
    if count > settings.objections_per_hour:
        raise Problem(TOO_MANY, headers={"Retry-After": str(max(1, int((since + WINDOW - now).total_seconds())))})
