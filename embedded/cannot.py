"""What a command can't do."""


class CannotError(Exception):
    """A command can't be done; the message is one sentence for whoever gave it."""
