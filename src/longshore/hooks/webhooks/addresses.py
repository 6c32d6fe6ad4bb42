"""Where a receiver may be: names are resolved once, and what they resolve to is vetted before it is connected to.

OWASP, Server-Side Request Forgery Prevention: the address that was checked is the one to connect to, or else a second
look at the DNS gets another one.
"""

import asyncio
import socket
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
"""What is assigned of IPv6 to the internet (RFC 4291, section 2.4); the rest is local, or stands for IPv4."""

_NAT64: Final = IPv6Network("64:ff9b::/96")
"""RFC 6052, section 2.1: the last four bytes are an IPv4 address."""


class AddressRefused(Exception):
    """The name does not resolve, or to an address that is not allowed."""


async def resolve(host: str, port: int, *, allow_private: bool) -> Sequence[str]:
    """Look a host up and return its addresses, as IP literals, in the order in which to try them.

    Raises `AddressRefused` when there are none, and unless `allow_private` when even one is not on the internet.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise AddressRefused("its name does not resolve") from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not allow_private and not all(is_public(address) for address in addresses):
        raise AddressRefused("its address is not public")
    return addresses


def is_public(address: str) -> bool:
    """Whether an IP literal is one on the internet, as are the IPv4 addresses that are embedded in it."""
    parsed = ip_address(address)
    if isinstance(parsed, IPv4Address):
        return _is_public_v4(parsed)
    embedded = list(_embedded(parsed))
    if not all(_is_public_v4(inner) for inner in embedded):
        return False
    if parsed.ipv4_mapped or parsed in _NAT64:
        return True
    return parsed in _GLOBAL_UNICAST and parsed.is_global


def _is_public_v4(address: IPv4Address) -> bool:
    return address.is_global and not address.is_multicast


def _embedded(address: IPv6Address) -> Iterator[IPv4Address]:
    if address.ipv4_mapped:
        yield address.ipv4_mapped
    if address.sixtofour:
        yield address.sixtofour
    if address.teredo:
        yield from address.teredo
    if address in _NAT64:
        yield IPv4Address(address.packed[-4:])
