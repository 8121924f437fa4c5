"""The gateway at run time: a service like the others that also signs tokens and knows which are no longer good."""

from gateway.denylist import Denylist
from gateway.keys import load_keys
from gateway.secret import Turns
from gateway.settings import GatewaySettings
from gateway.tokens import Signer
from kernel.identity import KeySet
from kernel.relay import Transports
from kernel.service import Service


class Gateway(Service):
    """`app.state.service` of the gateway's own routes."""

    settings: GatewaySettings

    def __init__(self, settings: GatewaySettings, transports: Transports) -> None:
        """Read the signing keys, or make the first."""
        super().__init__("gateway", settings, transports)
        self.keys = load_keys(settings.keys)
        self.signer = Signer(self.keys, settings.issuer)
        self.denylist = Denylist(self.sessions)
        self.turns = Turns(settings.hashes_at_once)

    async def published_keys(self) -> KeySet:
        """Give the public keys by `kid`."""
        return self.keys.published()

    async def _fetch_keys(self) -> KeySet:
        return await self.published_keys()

    def nudge(self) -> None:
        """Tell the relay and the denylist that something was committed."""
        self.denylist.outdated()
        super().nudge()
