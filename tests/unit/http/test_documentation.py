"""The pages on which people read the API: everything on them comes from here."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tests.conformance.embedded import embedded

pytestmark = pytest.mark.anyio


class Links(HTMLParser):
    """Everything that a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        if self.lasttag in ("script", "style") and data.strip():
            self.inline.append(data)


@pytest.mark.parametrize("mount", ["", "/mounted"])
async def test_the_page_loads_nothing_from_elsewhere(tmp_path: Path, mount: str) -> None:
    async with embedded(tmp_path, mount=mount) as app:
        page = await app.http.get(f"{mount}/docs")
        links = Links()
        links.feed(page.text)
        assert len(links.found) >= 3
        assert links.inline == []
        for link in links.found:
            if not link.startswith("data:"):
                answer = await app.http.get(str(page.url.join(link)))
                assert answer.status_code == 200, link
                assert answer.headers["x-content-type-options"] == "nosniff"
        start = (await app.http.get(f"{mount}/docs/start.js")).text
        (document,) = re.findall(r'url: "([^"]+)"', start)
        described = (await app.http.get(str(page.url.join(document)))).json()
        assert described["servers"] == [{"url": mount or "/"}]


async def test_the_page_may_run_and_load_its_own_files_alone(tmp_path: Path) -> None:
    async with embedded(tmp_path) as app:
        for path in ("/docs", "/docs/start.js", "/docs/swagger-ui-bundle.js"):
            policy = (await app.http.get(path)).headers["content-security-policy"]
            rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
            assert rules["default-src"] == "'none'"
            assert rules["script-src"] == rules["connect-src"] == "'self'"
            assert rules["frame-ancestors"] == "'none'"


async def test_there_is_nothing_else_below_it(tmp_path: Path) -> None:
    async with embedded(tmp_path) as app:
        for name in ("swagger-editor.js", "..%2f__init__.py", "%2e%2e", "x"):
            assert (await app.http.get(f"/docs/{name}")).status_code == 404, name


async def test_the_document_says_where_the_server_is(tmp_path: Path) -> None:
    async with embedded(tmp_path, public_url="https://files.example") as app:
        answer = await app.http.get("/openapi.json")
        assert answer.json()["servers"] == [{"url": "https://files.example"}]


async def test_nothing_needs_a_token_where_everybody_is_let_in(tmp_path: Path) -> None:
    async with embedded(tmp_path) as app:
        described = (await app.http.get("/openapi.json")).json()
        operations = [operation for path in described["paths"].values() for operation in path.values()]
        assert {len(operation["security"]) for operation in operations} == {0}
        assert "securitySchemes" not in described["components"]
        assert not [path for path in described["paths"] if path.startswith(("/auth", "/api/users", "/api/usage"))]
