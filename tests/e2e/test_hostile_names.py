"""Names in metadata and paths that are out for something: they reach no file system, no header and no log."""

import re
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.accounts import PASSWORD, User, register
from tests.e2e.wire import code_of, create, request, stored
from tests.serving import OFFSET_STREAM, TUS, Answer, Connection, Server, serving

pytestmark = pytest.mark.e2e

NAMES = {
    "up and out": b"../../../../../../tmp/owned-by-an-upload",
    "absolute": b"/etc/cron.d/owned",
    "of Windows": b"..\\..\\..\\owned.exe",
    "a drive": b"C:\\owned.exe",
    "only dots": b"..",
    "nothing": b"",
    "NUL": b"a\0owned.exe",
    "another header": b"a.iso\r\nSet-Cookie: owned=1\r\n\r\n<script>owned</script>",
    "a line feed": b"a.iso\nX-Owned: 1",
    "an end of quotes": b'a"; filename="owned.exe',
    "a backslash and quotes": b'a\\"; owned="1',
    "an extended value": b"a%0d%0aSet-Cookie%3A owned%3D1",
    "terminal escapes": b"\x1b]0;owned\x07\x1b[2Jowned",
    "right to left": "a\u202egnp.exe-owned".encode(),
    "line separators": "a\u2028owned\u2029\x85".encode(),
    "not UTF-8": b"\xff\xfe\xc0\xafowned",
    "half a surrogate pair": b"\xed\xa0\x80owned",
    "very long": b"owned" * 1000,
    "shell": b"$(owned)`owned`;owned|owned",
    "SQL": b"a'; DROP TABLE uploads; --owned",
    "a format": b"%s%n%(owned)s{owned}",
}
KNOWN = {
    "content-type",
    "content-length",
    "content-disposition",
    "x-content-type-options",
    "content-security-policy",
    "tus-resumable",
    "date",
    "accept-ranges",
    "cache-control",
    "cross-origin-resource-policy",
    "etag",
    "last-modified",
    "referrer-policy",
    "x-request-id",
}
LATER = {"repr-digest"}
"""What is known a while after a file has been completed."""


@pytest.fixture(scope="module", params=["all formats", "some formats", "PostgreSQL"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("server")
    settings = {"registration": "open", "log_level": "debug", "access_log": "true"}
    if request.param == "PostgreSQL":
        postgres = request.getfixturevalue("postgres_server")
        with (
            postgres.fresh(template=postgres.template) as url,
            serving(directory / "data", auth="local", database_url=url, admin_password=PASSWORD, **settings) as running,
        ):
            yield running
        return
    if request.param == "some formats":
        settings["allowed_extensions"] = ".iso,.csv"
    with serving(directory / "data", auth="local", admin_password=PASSWORD, **settings) as running:
        yield running


@pytest.fixture(scope="module")
def ann(server: Server) -> User:
    return register(server, "ann")


def metadata(**values: bytes) -> dict[str, str]:
    return {"Upload-Metadata": ",".join(f"{key} {b64encode(value).decode()}".strip() for key, value in values.items())}


def upload(server: Server, user: User, headers: dict[str, str]) -> Answer:
    fields = {**OFFSET_STREAM, **user.bearer, **headers, "Upload-Length": "3"}
    return request(server, "POST", "/files", fields, b"a,b")


def files_beside(server: Server) -> set[Path]:
    """Every file around the server but those that belong there."""
    inside = {path for path in server.data_dir.parent.rglob("*") if path.is_file() and path != server.log}
    return {path for path in inside if not path.relative_to(server.data_dir).parts[0].startswith(("longshore", "dbos"))}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_data_and_nothing_else(server: Server, ann: User, name: str) -> None:
    before, logged = files_beside(server), len(server.said())

    created = upload(server, ann, metadata(filename=NAMES[name]))

    assert not any(b"owned" in value.encode() for value in created.headers.values())
    if created.status == 415:
        assert (code_of(created), files_beside(server)) == ("format-not-allowed", before)
    else:
        path = created.headers["location"]
        assert created.status == 201
        assert re.fullmatch(r"/files/[0-9a-f]{32}", path)
        new = files_beside(server) - before
        assert {file for file in new if file.name != "signing-keys.json"} == {stored(server, path)}
        assert_given_back_safely(server, ann, path)
    said = server.said()[logged:]
    assert "owned" not in said
    assert not set(said) & set("\x1b\x07\0\r\u202e\u2028\x85")


def assert_given_back_safely(server: Server, user: User, path: str) -> None:
    with Connection(server.port) as connection:
        given = connection.request("GET", path, {**TUS, **user.bearer})
        assert (given.status, given.body) == (200, b"a,b")
        assert set(given.headers) - LATER == KNOWN
        disposition = given.headers["content-disposition"]
        assert re.fullmatch(
            r"attachment(; filename=\"[ !#-\[\]-~]*\"(; filename\*=UTF-8''[A-Za-z0-9%._~-]+)?)?", disposition
        )
        assert not re.search(r"[/\\]|%2F|%5C|%0D|%0A|%00|%1B|%E2%80%AE", disposition, re.IGNORECASE)
        assert len(disposition) < 5000
        # The connection is in order: nothing was split.
        assert connection.request("GET", path, {**TUS, **user.bearer}).body == b"a,b"


@pytest.mark.parametrize("kind", [b"text/html\r\nX-Owned: 1", b"a/b; charset=x", b"\xff", b"<script>/x", b"a" * 3000])
def test_a_type_that_is_none_is_not_given_back(server: Server, ann: User, kind: bytes) -> None:
    created = upload(server, ann, metadata(filename=b"a.csv", filetype=kind))
    assert created.status == 201
    given = request(server, "GET", created.headers["location"], ann.bearer)
    assert given.headers["content-type"] == "application/octet-stream"
    assert set(given.headers) - LATER == KNOWN


@pytest.mark.parametrize(
    "field",
    [
        "filename YQ==,filename Yg==",
        "../../x YQ==, y",
        "filename %2e%2e",
        "filename YQ==;x",
        "a YQ==,,b YQ==",
        "filename  YQ==",
        "n\u00e4me YQ==",
        "filename YQ==," + "x" * 9000,
    ],
)
def test_refuses_metadata_that_is_malformed(server: Server, ann: User, field: str) -> None:
    answer = upload(server, ann, {"Upload-Metadata": field})
    if field == "../../x YQ==, y":
        # Keys are only ever compared: this one is as good as any, where names are not asked for.
        assert answer.status in (201, 415)
    else:
        assert answer.status in (400, 431)
        assert code_of(answer) in ("invalid-metadata", "metadata-too-large")


@pytest.mark.parametrize(
    "upload_id",
    [
        "..%2f..%2flongshore.db",
        "%2e%2e",
        "..%5c..%5cx",
        "a%00b",
        "%0d%0aSet-Cookie:%20owned=1",
        "%1b%5b2Jowned",
        "%ff%fe",
        "%ed%a0%80",
        "owned" * 1000,
        "'%20OR%201=1--owned",
        "*",
    ],
)
def test_an_id_that_nobody_has_is_none(server: Server, ann: User, upload_id: str) -> None:
    logged = len(server.said())
    for method in ("HEAD", "GET", "PATCH", "DELETE"):
        headers = {**OFFSET_STREAM, **ann.bearer, "Upload-Offset": "0"}
        assert request(server, method, f"/files/{upload_id}", headers).status == 404, method
    final = request(server, "POST", "/files", {**ann.bearer, "Upload-Concat": f"final;/files/{upload_id}"})
    assert final.status == 404
    said = server.said()[logged:]
    assert "ERROR" not in said
    # Whoever asks for them, access logs have requests as they came, in percent-encoding.
    assert not set(said) & set("\x1b\x07\0\r")
    assert "\nSet-Cookie" not in said


def test_the_server_is_none_the_worse(server: Server, ann: User) -> None:
    path = create(server, 3, {**ann.bearer, **metadata(filename=b"good.csv")})
    assert request(server, "HEAD", path, ann.bearer).status == 200
    assert "Traceback" not in server.said()
