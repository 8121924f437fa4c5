"""What the services told each other last, as the door saw it in their answers."""

NEWS = "quality-award-news"


class Newsboard:
    """What each service told each peer last, so that a later command can name the news that it may depend on."""

    def __init__(self) -> None:
        """Begin empty; another replica's news, or what was told before a restart, is not waited for."""
        self._latest: dict[str, dict[str, str]] = {}

    def note(self, sender: str, told: str) -> None:
        """Keep what an answer says it told (`receiver=event,...`); event ids grow with time."""
        for part in told.split(","):
            receiver, _, event = part.partition("=")
            news = self._latest.setdefault(receiver, {})
            news[sender] = max(news.get(sender, ""), event)

    def told_to(self, receiver: str) -> bytes:
        """Name the latest event that each sender told this service (`sender=event,...`)."""
        return ",".join(f"{sender}={event}" for sender, event in self._latest.get(receiver, {}).items()).encode()
