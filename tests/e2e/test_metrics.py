"""/metrics of a real server: what is refused before the application hears of it is counted as well."""

from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.serving import Connection, Server, serving

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("socket_bodies", ["true", "false"])
def test_what_is_refused_before_the_application_is_counted_by_status_and_code(area: Path, socket_bodies: str) -> None:
    with serving(area / "data", metrics="open", socket_bodies=socket_bodies) as server:
        for sent, status in (
            (b"HELLO\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 600_000, 431),
            (b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 600_000, 431),
        ):
            with Connection(server.port) as connection:
                connection.send(sent)
                assert connection.read_answer().status == status
        found = errors(server)
    assert found == {("400", "malformed-request"): 1, ("431", "head-too-large"): 2}


def test_a_server_without_metrics_refuses_as_well(area: Path) -> None:
    with serving(area / "data", metrics="off") as server, Connection(server.port) as connection:
        connection.send(b"HELLO\r\n\r\n")
        assert connection.read_answer().status == 400


def errors(server: Server) -> dict[tuple[str, str], float]:
    shown = httpx.get(f"{server.origin}/metrics").raise_for_status().text
    return {
        (sample.labels["status"], sample.labels["code"]): sample.value
        for family in text_string_to_metric_families(shown)
        for sample in family.samples
        if sample.name == "longshore_errors_total"
    }
