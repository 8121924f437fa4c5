"""How often one address may come where anyone may: so many times an hour, by the wall clock."""

import hmac
from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import IPv6Address, ip_address

from fastapi import Request
from sqlalchemy import LargeBinary, case
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from kernel.clock import wall
from kernel.problems import TOO_MANY, Problem

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


class Arrivals:
    """The columns of a service's table of who came how often since when; of the address only a keyed hash is kept."""

    address: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    since: Mapped[datetime]
    count: Mapped[int]


def count_arrival(session: Session, request: Request, arrivals: type[Arrivals], limit: int) -> None:
    """Count one more from this address; 429 with the time to wait over the limit."""
    now = wall()
    secret = request.app.state.service.settings.service_secret.get_secret_value()
    key = hmac.new(secret.encode(), address_of(request).encode(), sha256).digest()
    over = arrivals.since <= now - WINDOW
    counted = insert(arrivals).values(address=key, since=now, count=1)
    since, count = session.execute(
        counted.on_conflict_do_update(
            index_elements=[arrivals.address],
            set_={"since": case((over, now), else_=arrivals.since), "count": case((over, 1), else_=arrivals.count + 1)},
        ).returning(arrivals.since, arrivals.count)
    ).one()
    if count > limit:
        raise Problem(TOO_MANY, headers={"Retry-After": str(max(1, int((since + WINDOW - now).total_seconds())))})
