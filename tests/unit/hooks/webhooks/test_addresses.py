import socket

import pytest

from longshore.hooks.webhooks.addresses import AddressRefused, is_public, resolve

PRIVATE = [
    "127.0.0.1",
    "127.9.9.9",
    "0.0.0.0",
    "0.1.2.3",
    "10.1.2.3",
    "100.64.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.168.1.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "fe80::1",
    "fe80::1%1",
    "fc00::1",
    "fd00:ec2::254",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    # 6to4, Teredo (the client's address is inverted) and NAT64, each with a private address inside
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2001:0:0808:0808:0:0:80ff:fffe",
    "64:ff9b::10.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::808:808",
]
PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"]


@pytest.mark.parametrize("address", PRIVATE)
def test_refuses_what_is_not_on_the_internet(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_takes_what_is_on_the_internet(address: str) -> None:
    assert is_public(address)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "017700000001", "::1", "0", "::ffff:127.0.0.1"]
)
async def test_refuses_loopback_however_it_is_written(host: str) -> None:
    with pytest.raises(AddressRefused):
        await resolve(host, 80, allow_private=False)


@pytest.mark.anyio
async def test_takes_loopback_where_that_is_allowed() -> None:
    assert await resolve("127.0.0.1", 80, allow_private=True) == ["127.0.0.1"]


@pytest.mark.anyio
async def test_gives_literals_of_the_internet_back() -> None:
    assert await resolve("8.8.8.8", 443, allow_private=False) == ["8.8.8.8"]


@pytest.mark.anyio
async def test_refuses_a_name_if_one_of_its_addresses_is_private(monkeypatch: pytest.MonkeyPatch) -> None:
    def answers(*_: object, **__: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in ("8.8.8.8", "192.168.1.1")]

    monkeypatch.setattr(socket, "getaddrinfo", answers)

    with pytest.raises(AddressRefused, match="not public"):
        await resolve("two.example", 443, allow_private=False)


@pytest.mark.anyio
@pytest.mark.parametrize("host", ["does-not-exist.invalid", "a" * 300, "xn--\ud800"])
async def test_refuses_a_name_that_does_not_resolve(host: str) -> None:
    with pytest.raises(AddressRefused, match="does not resolve"):
        await resolve(host, 443, allow_private=True)
