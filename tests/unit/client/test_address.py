import pytest

from longshore.client.address import Address
from longshore.client.errors import ClientError


@pytest.mark.parametrize(
    ("given", "endpoint"),
    [
        ("http://localhost:8000/files/", "http://localhost:8000/files"),
        ("https://example.org/files", "https://example.org/files"),
        ("https://example.org", "https://example.org/files"),
        ("https://example.org/", "https://example.org/files"),
        (" https://example.org/one/two// ", "https://example.org/one/two"),
        ("http://[::1]:8000/files", "http://[::1]:8000/files"),
    ],
)
def test_reads_where_the_endpoint_is(given: str, endpoint: str) -> None:
    assert Address.read(given) == Address(endpoint)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "localhost:8000",
        "ftp://example.org/files",
        "https://",
        "https://example.org/files?a=b",
        "https://example.org/files#top",
        "https://user:password@example.org/files",
        "http://[::1/files",
        "http://localhost:80000/files",
    ],
)
def test_refuses_what_is_no_endpoint_and_does_not_repeat_it(given: str) -> None:
    with pytest.raises(ClientError) as refused:
        Address.read(given)
    assert "password" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("abc", "https://example.org/up/files/abc"),
        ("a/../b?c", "https://example.org/up/files/a%2F..%2Fb%3Fc"),
        ("/up/files/abc?link=x", "https://example.org/up/files/abc?link=x"),
        ("http://elsewhere.org/files/abc", "http://elsewhere.org/files/abc"),
    ],
)
def test_the_url_of_an_upload(given: str, url: str) -> None:
    assert Address("https://example.org/up/files").upload(given) == url


def test_api_and_events_are_beside_the_endpoint() -> None:
    address = Address("https://example.org/up/files")

    assert address.beside("/api/uploads") == "https://example.org/up/api/uploads"
    assert address.events([]) == "wss://example.org/up/events"
    assert Address("http://h:1/files").events([("type", "created"), ("after", "7")]) == (
        "ws://h:1/events?type=created&after=7"
    )


@pytest.mark.parametrize(
    ("url", "is_owned"),
    [
        ("https://example.org/anything", True),
        ("https://example.org:443/files/x", True),
        ("https://EXAMPLE.org/files/x", True),
        ("http://example.org/files/x", False),
        ("https://example.org:8443/files/x", False),
        ("https://example.org.evil.net/files/x", False),
        ("https://example.org@evil.net/files/x", False),
    ],
)
def test_only_urls_of_the_same_origin_are_the_server_s(url: str, is_owned: bool) -> None:
    assert Address("https://example.org/files").owns(url) == is_owned
