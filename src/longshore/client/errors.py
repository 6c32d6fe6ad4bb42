"""What keeps a client from going on; str() is one line for whoever ran the command."""


class ClientError(Exception):
    """It does not work, and trying again would not help."""


class Refused(ClientError):
    """The server said no, by a 4xx that does not pass."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Anonymous(Refused):
    """The server wants to know who asks."""

    def __init__(self) -> None:
        super().__init__("the server wants a token: use --user NAME, --token-file FILE or LONGSHORE_TOKEN", 401)


class Passing(ClientError):
    """It may work in a while: the server cannot be reached, is busy, or takes a fresh token now."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        """`retry_after` is seconds, where it is known when to come back."""
        super().__init__(message)
        self.retry_after = retry_after


class Stopped(Exception):
    """Whoever ran the command wants it to end."""
