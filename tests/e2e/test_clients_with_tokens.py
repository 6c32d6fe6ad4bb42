"""tus-js-client and tuspy with bearer tokens: given once, and renewed while a large upload runs."""

# tuspy has a py.typed marker and many functions without annotations.
# mypy: disable-error-code="no-untyped-call"

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.e2e import tus_js
from tests.e2e.accounts import PASSWORD, User, assert_delivered, bearer, command, register, sign_in
from tests.e2e.samples import Sample
from tests.e2e.wire import all_stored, poll, request
from tests.serving import Server, serving
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError, TusUploadFailed
from tusclient.uploader.uploader import Uploader

pytestmark = pytest.mark.e2e

MIB = 1024 * 1024
SHORT = {"access_token_ttl": "4s", "jwt_leeway": "0"}
"""Whole seconds are what counts, so that a token may live one less."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("server")
    with serving(directory / "data", auth="local", admin_password=PASSWORD, registration="open") as running:
        yield running


@pytest.fixture(scope="module")
def ann(server: Server) -> User:
    return register(server, "ann")


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose tokens end after four seconds."""
    directory = tmp_path_factory.mktemp("hasty")
    with serving(directory / "data", auth="local", admin_password=PASSWORD, **SHORT) as running:
        yield running


def task(server: Server, sample: Sample, **options: Any) -> dict[str, Any]:
    return {"path": str(sample.path), "options": {"endpoint": server.url, "retryDelays": None, **options}}


def account(server: Server, **more: Any) -> dict[str, Any]:
    return {"account": {"origin": server.origin, "username": "admin", "password": PASSWORD, **more}}


# tus-js-client


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="a single PATCH"),
        pytest.param({"chunkSize": 5 * MIB}, id="chunks"),
        pytest.param({"uploadDataDuringCreation": True}, id="with the creation"),
        pytest.param({"overridePatchMethod": True}, id="POST in PATCH's stead"),
        pytest.param({"parallelUploads": 3}, id="in parallel"),
    ],
)
def test_tus_js_client_with_a_token(server: Server, ann: User, medium: Sample, options: dict[str, Any]) -> None:
    run = tus_js.run(task(server, medium, headers=ann.bearer, **options))

    assert_delivered(server, run.url, ann, medium.size, medium.sha256)


def test_tus_js_client_terminates_with_a_token(server: Server, ann: User, large: Sample) -> None:
    run = tus_js.run({**task(server, large, headers=ann.bearer), "abortAt": large.size // 10, "terminate": True})

    (aborted,) = run.named("aborted")
    assert run.requests[-1] == ("DELETE", 204)
    assert request(server, "HEAD", aborted["url"], ann.bearer).status == 410


def test_tus_js_client_gives_up_without_a_token(server: Server, small: Sample) -> None:
    before = all_stored(server)
    run = tus_js.run(task(server, small, retryDelays=[0, 0]))

    assert run.requests == [("POST", 401)]
    assert len(run.named("error")) == 1
    assert all_stored(server) == before


@pytest.mark.slow
def test_tus_js_client_renews_its_token_in_time(hasty: Server, medium: Sample) -> None:
    run = tus_js.run({**task(hasty, medium, chunkSize=MIB), **account(hasty), "pause": 200})

    renewals = [event["path"] for event in run.named("tokens")]
    assert renewals[0] == "/auth/token"
    assert renewals[1:] == ["/auth/refresh"] * (len(renewals) - 1)
    assert len(renewals) >= 3
    assert {status for _, status in run.requests} == {201, 204}
    assert_delivered(hasty, run.url, sign_in(hasty), medium.size, medium.sha256)


@pytest.mark.slow
def test_tus_js_client_goes_on_after_a_token_was_refused(hasty: Server, medium: Sample) -> None:
    options = {"chunkSize": MIB, "retryDelays": [0, 0, 0]}
    run = tus_js.run({**task(hasty, medium, **options), **account(hasty, late=True), "pause": 200})

    assert run.requests.count(("PATCH", 401)) >= 1
    # It goes on with the same upload, from where that stands.
    assert run.requests.count(("POST", 201)) == 1
    for index, answered in enumerate(run.requests):
        if answered[1] == 401:
            assert run.requests[index + 1] == ("HEAD", 200)
    assert sum(1 for answered in run.requests if answered == ("PATCH", 204)) == -(-medium.size // MIB)
    assert_delivered(hasty, run.url, sign_in(hasty), medium.size, medium.sha256)


@pytest.mark.slow
def test_tus_js_client_renews_one_token_for_parallel_uploads(hasty: Server, medium: Sample) -> None:
    options = {"chunkSize": MIB, "parallelUploads": 4}
    run = tus_js.run({**task(hasty, medium, **options), **account(hasty), "pause": 600})

    assert len(run.named("tokens")) >= 3
    assert_delivered(hasty, run.url, sign_in(hasty), medium.size, medium.sha256)


def test_tus_js_client_starts_over_when_the_token_has_ended_on_resuming(
    server: Server, ann: User, area: Path, large: Sample
) -> None:
    """What the README warns of: HEAD with a token that is not good makes the client forget the upload."""
    remembering = {**task(server, large, headers=ann.bearer), "storage": str(area / "urls.json")}
    died = tus_js.run({**remembering, "dieAt": large.size // 10})
    begun = died.named("url")[0]["url"]
    stale = {**remembering, **task(server, large, headers={"Authorization": "Bearer a.b.c"}), "previous": True}
    refused = tus_js.run(stale)

    assert refused.requests == [("HEAD", 401), ("POST", 401)]
    assert request(server, "HEAD", begun, ann.bearer).status == 200


# tuspy, which is given an open file: one that it opens by itself it never closes


@contextmanager
def tuspy(server: Server, headers: dict[str, str], sample: Sample, **options: Any) -> Iterator[Uploader]:
    with sample.path.open("rb") as file:
        yield TusClient(server.url, headers=headers).uploader(file_stream=file, **options)


@pytest.mark.parametrize("chunk", [5 * MIB, 2**62])
def test_tuspy_with_a_token(server: Server, ann: User, medium: Sample, chunk: int) -> None:
    options = {"chunk_size": chunk, "upload_checksum": True, "metadata": {"filename": "a.bin"}}
    with tuspy(server, ann.bearer, medium, **options) as upload:
        upload.upload()

    assert_delivered(server, str(upload.url), ann, medium.size, medium.sha256)


def test_tuspy_with_a_token_for_scripts(server: Server, small: Sample) -> None:
    token = command(server.data_dir, "token", "issue", "--user", "admin", "--ttl", "1h")
    with tuspy(server, bearer(token), small) as upload:
        upload.upload()

    assert_delivered(server, str(upload.url), sign_in(server), small.size, small.sha256)


def test_tuspy_goes_on_with_a_new_token(hasty: Server, medium: Sample) -> None:
    first = sign_in(hasty)
    with tuspy(hasty, first.bearer, medium, chunk_size=5 * MIB) as upload:
        upload.upload_chunk()
        poll(lambda: request(hasty, "HEAD", str(upload.url), first.bearer).status == 401, every=0.1)
        with pytest.raises(TusUploadFailed) as refused:
            upload.upload_chunk()
        assert refused.value.status_code == 401

    with tuspy(hasty, sign_in(hasty).bearer, medium, chunk_size=5 * MIB, url=upload.url) as resumed:
        assert resumed.offset == 5 * MIB
        resumed.upload()
    assert_delivered(hasty, str(upload.url), sign_in(hasty), medium.size, medium.sha256)


def test_tuspy_learns_that_somebody_elses_upload_is_not_there(server: Server, ann: User, small: Sample) -> None:
    with tuspy(server, ann.bearer, small, chunk_size=MIB) as upload:
        upload.upload_chunk()
    bob = register(server, "bob")
    with pytest.raises(TusCommunicationError) as refused, tuspy(server, bob.bearer, small, url=upload.url):
        pass
    assert refused.value.status_code == 404
