"""The gateway at run time: a service like the others that also signs tokens and knows which are no longer good."""

import asyncio
from collections import Counter
from contextlib import suppress
from typing import get_args

from prometheus_client import Counter as Count
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.concurrency import run_in_threadpool

from gateway.denylist import Denylist
from gateway.keys import KeyRing
from gateway.newsboard import Newsboard
from gateway.providers import Provider
from gateway.seal import Seal
from gateway.secret import Turns
from gateway.settings import GatewaySettings
from gateway.smtp import Outcome
from gateway.tokens import Signer
from kernel.identity import KeySet
from kernel.problems import BUSY, Problem
from kernel.relay import Transports
from kernel.service import Service


class Gateway(Service):
    """`app.state.service` of the gateway's own routes."""

    settings: GatewaySettings

    def __init__(self, settings: GatewaySettings, transports: Transports) -> None:
        """Read nothing yet: the keys are read, or the first is made, at the first need."""
        super().__init__("gateway", settings, transports)
        self.seal = Seal(settings.record_seed)
        self.keys = KeyRing(self.sessions, self.seal)
        self.signer = Signer(self.keys.current, settings.issuer)
        self.providers = {one.issuer: Provider(one) for one in settings.outside_issuers}
        self.denylist = Denylist(self.sessions)
        self.turns = Turns(settings.hashes_at_once)
        self.streams: Counter[str] = Counter()
        self.mails = Count("mails", "Mails that were begun", ["outcome"], registry=self.registry)
        for outcome in get_args(Outcome):
            self.mails.labels(outcome)
        self.newsboard = Newsboard()
        self._stirred = asyncio.Event()

    def stir(self) -> None:
        """Wake whoever streams tasks: something was done through this door."""
        self._stirred.set()
        self._stirred = asyncio.Event()

    async def stirred(self, seconds: float) -> None:
        """Wait until something is done through this door, at most so long."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stirred.wait(), seconds)

    async def fetch_keys(self) -> KeySet:
        """Read the public keys by `kid`; 503 where the database is away."""
        try:
            return (await run_in_threadpool(self.keys.current)).published
        except (OperationalError, PoolTimeout):
            raise Problem(BUSY, headers={"Retry-After": "1"}) from None

    def nudge(self, *, recorded: bool = True, awaited: bool = True) -> None:
        """Tell the denylist, too."""
        self.denylist.outdated()
        super().nudge(recorded=recorded, awaited=awaited)
