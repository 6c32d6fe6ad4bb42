"""Packages that only clients need, which an installation for a server goes without."""

from importlib.util import find_spec

from longshore.client.errors import ClientError


def require(*packages: str) -> None:
    """See that they are there. Raises `ClientError`."""
    if any(find_spec(package) is None for package in packages):
        raise ClientError("this needs the packages of a client: pip install 'longshore[client]'")
