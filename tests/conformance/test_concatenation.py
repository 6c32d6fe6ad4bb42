"""Concatenation: partial and final uploads."""

import threading
from collections.abc import Callable

import pytest
from tests.conformance.client import UNKNOWN, Client, Serve, refused, until

URLS: dict[str, Callable[[Client, str], str]] = {
    "path": lambda _, path: path,
    "absolute": lambda tus, path: f"{tus.server.origin}{path}",
    "behind-a-proxy": lambda _, path: f"https://uploads.example.org{path}",
    "relative": lambda _, path: path.removeprefix("/"),
    "relative-to-files": lambda _, path: path.removeprefix("/files/"),
    "dotted": lambda _, path: f"../files/{path.removeprefix('/files/')}",
}


# The final upload


@pytest.mark.requirement(
    "concat-order",
    "concat-length-sum",
    "concat-finished-offset",
    "concat-length-known",
    "concat-urls",
    "concat-final-value",
    "concat-echoed",
    "ls-concat-urls",
    "ls-concat-head",
)
@pytest.mark.parametrize("kind", URLS)
def test_parts_become_one_in_the_order_given(tus: Client, kind: str) -> None:
    parts = {data: tus.part(data) for data in (b"one", b"two", b"three")}
    ordered = [URLS[kind](tus, parts[data]) for data in (b"three", b"one", b"two")]
    answer = tus.final(*ordered)
    assert answer.status == 201
    final = answer.headers["location"]
    head = tus.head(final)
    assert head.status == 200
    assert head.headers["upload-offset"] == head.headers["upload-length"] == "11"
    assert head.headers["upload-concat"] == f"final;{' '.join(ordered)}"
    assert head.headers["cache-control"] == "no-store"
    assert "upload-defer-length" not in head.headers
    assert tus.content(final) == b"threeonetwo"


@pytest.mark.requirement("concat-urls", "concat-echoed")
def test_urls_of_all_kinds_in_one_list(tus: Client) -> None:
    urls = [URLS[kind](tus, tus.part(kind.encode())) for kind in URLS]
    final = tus.final(*urls).headers["location"]
    assert tus.content(final) == "".join(URLS).encode()
    assert tus.head(final).headers["upload-concat"] == f"final;{' '.join(urls)}"


@pytest.mark.requirement("ls-concat-twice", "concat-order", "concat-length-sum")
def test_a_part_may_come_twice(tus: Client) -> None:
    one, two = tus.part(b"one"), tus.part(b"two")
    final = tus.final(one, two, one, one).headers["location"]
    assert tus.head(final).headers["upload-length"] == "12"
    assert tus.content(final) == b"onetwooneone"


@pytest.mark.requirement("concat-order", "ls-concat-twice")
def test_parts_may_be_used_again(tus: Client) -> None:
    one, two = tus.part(b"one"), tus.part(b"two")
    finals = [tus.final(*parts).headers["location"] for parts in ((one, two), (two, one), (one,))]
    assert [tus.content(final) for final in finals] == [b"onetwo", b"twoone", b"one"]
    assert tus.offset(one) == tus.offset(two) == 3


@pytest.mark.requirement("concat-length-sum", "concat-finished-offset")
def test_parts_may_be_empty(tus: Client) -> None:
    final = tus.final(tus.new(0, partial=True), tus.part(b"one"), tus.new(0, partial=True)).headers["location"]
    assert tus.content(final) == b"one"
    nothing = tus.final(tus.new(0, partial=True)).headers["location"]
    assert tus.head(nothing).headers["upload-offset"] == tus.head(nothing).headers["upload-length"] == "0"
    assert tus.content(nothing) == b""


@pytest.mark.requirement("concat-final-value", "concat-echoed")
def test_a_thousand_parts(tus: Client) -> None:
    part = tus.part(b"x").removeprefix("/files/")
    final = tus.final(*[part] * 1000).headers["location"]
    assert tus.head(final).headers["upload-length"] == "1000"
    assert tus.content(final) == b"x" * 1000


@pytest.mark.requirement("concat-metadata-not-transferred", "creation-head-metadata")
@pytest.mark.parametrize("own", [None, "filename d29ybGQ="])
def test_the_final_has_metadata_of_its_own_or_none(tus: Client, own: str | None) -> None:
    part = tus.new(5, b"12345", partial=True, metadata="filename cGFydA==,secret eA==")
    final = tus.final(part, headers={} if own is None else {"Upload-Metadata": own}).headers["location"]
    assert tus.head(final).headers.get("upload-metadata") == own
    assert "part" not in tus.get(final).headers["content-disposition"]
    assert tus.head(part).headers["upload-metadata"] == "filename cGFydA==,secret eA=="


@pytest.mark.requirement("expiration-post", "ls-expiry-finished")
def test_only_an_unfinished_final_says_when_it_expires(tus: Client) -> None:
    assert "upload-expires" not in tus.final(tus.part(b"one")).headers
    unfinished = tus.final(tus.new(3, partial=True))
    assert "upload-expires" in unfinished.headers
    assert "upload-expires" in tus.head(unfinished.headers["location"]).headers


# Partial uploads


@pytest.mark.requirement("concat-partial-offset", "concat-partial-value", "concat-echoed", "ls-head")
@pytest.mark.parametrize("data", [b"", b"123", b"12345"])
def test_head_of_a_partial(tus: Client, data: bytes) -> None:
    answer = tus.head(tus.new(5, data, partial=True), {"Upload-Concat": "partial"})
    assert answer.status == 200
    assert answer.headers["upload-offset"] == str(len(data))
    assert answer.headers["upload-length"] == "5"
    assert answer.headers["upload-concat"] == "partial"
    assert "upload-expires" in answer.headers


@pytest.mark.requirement("concat-partial-offset", "creation-head-deferred", "core-patch-204")
def test_a_partial_of_deferred_length(tus: Client) -> None:
    part = tus.new(None, b"123", partial=True)
    head = tus.head(part).headers
    assert (head["upload-offset"], head["upload-defer-length"]) == ("3", "1")
    assert tus.patch(part, 3, b"45", {"Upload-Length": "5", "Upload-Concat": "partial"}).status == 204
    assert tus.content(tus.final(part).headers["location"]) == b"12345"


@pytest.mark.requirement("ls-concat-expiry", "expiration-patch")
def test_a_finished_partial_still_expires(tus: Client) -> None:
    part = tus.new(5, partial=True)
    assert "upload-expires" in tus.patch(part, 0, b"12345").headers


# Unfinished parts


@pytest.mark.requirement(
    "concat-unfinished-advertised",
    "concat-unfinished-offset",
    "concat-length-known",
    "concat-finished-offset",
    "concat-echoed",
    "ls-concat-unfinished",
    "ls-concat-head",
    "ls-get-unfinished",
)
def test_the_final_is_complete_when_the_last_part_is(tus: Client) -> None:
    one, two = tus.new(6, b"one", partial=True), tus.new(3, partial=True)
    answer = tus.final(two, one, two)
    assert answer.status == 201
    final = answer.headers["location"]

    def unfinished() -> None:
        head = tus.head(final)
        assert head.status == 200
        assert "upload-offset" not in head.headers
        assert head.headers["upload-length"] == "12"
        assert head.headers["upload-concat"] == f"final;{two} {one} {two}"
        refused(tus.get(final), 409, "upload-unfinished")

    unfinished()
    assert tus.patch(two, 0, b"two").status == 204
    unfinished()
    assert tus.patch(one, 3, b"...").status == 204
    until(lambda: "upload-offset" in tus.head(final).headers)
    assert tus.head(final).headers["upload-offset"] == tus.head(final).headers["upload-length"] == "12"
    assert tus.content(final) == b"twoone...two"


@pytest.mark.requirement("concat-length-known", "concat-finished-offset", "ls-concat-unfinished")
def test_the_finals_length_is_told_once_it_is_known(tus: Client) -> None:
    one, two = tus.part(b"one"), tus.new(None, b"t", partial=True)
    final = tus.final(one, two).headers["location"]
    assert "upload-length" not in tus.head(final).headers
    tus.patch(two, 1, b"", {"Upload-Length": "3"})
    until(lambda: "upload-length" in tus.head(final).headers, deadline=5)
    assert tus.head(final).headers["upload-length"] == "6"
    assert "upload-offset" not in tus.head(final).headers
    tus.patch(two, 1, b"wo")
    until(lambda: "upload-offset" in tus.head(final).headers)
    assert tus.content(final) == b"onetwo"


@pytest.mark.requirement("ls-concat-unfinished")
def test_two_finals_of_one_unfinished_part(tus: Client) -> None:
    one, two = tus.part(b"one"), tus.new(3, partial=True)
    finals = [tus.final(*parts).headers["location"] for parts in ((one, two), (two, one))]
    tus.patch(two, 0, b"two")
    until(lambda: all("upload-offset" in tus.head(final).headers for final in finals))
    assert [tus.content(final) for final in finals] == [b"onetwo", b"twoone"]


# Refusals


@pytest.mark.requirement("ls-concat-too-large", "creation-too-large")
def test_a_sum_over_the_maximum_is_413(serve: Serve) -> None:
    tus = serve(max_size="1000")
    part, open_part = tus.part(b"x" * 500), tus.new(501, partial=True)
    before = tus.live()
    refused(tus.final(part, part, open_part), 413, "max-size-exceeded")
    refused(tus.final(part, open_part), 413, "max-size-exceeded")
    assert tus.live() == before
    assert tus.final(part, part).status == 201
    # Lengths that become known only later come to no more than the maximum either.
    one, two = (tus.new(None, b"x" * 501, partial=True) for _ in range(2))
    final = tus.final(one, two)
    if final.status == 201:
        tus.patch(one, 501, b"", {"Upload-Length": "501"})
        tus.patch(two, 501, b"", {"Upload-Length": "501"})
        assert tus.get(final.headers["location"]).status != 200


@pytest.mark.requirement("ls-concat-unknown")
@pytest.mark.parametrize("url", [UNKNOWN, "x", "https://uploads.example.org/files/0123456789abcdef0123456789abcdef"])
def test_an_unknown_part_is_404(tus: Client, url: str) -> None:
    part = tus.part(b"one")
    before = tus.live()
    refused(tus.final(part, url), 404, "upload-not-found")
    assert tus.live() == before


@pytest.mark.requirement("concat-final-value", "concat-partial-value")
def test_what_is_no_partial_cannot_be_a_part(tus: Client) -> None:
    part = tus.part(b"one")
    final = tus.final(part).headers["location"]
    others = [tus.file(b"one"), tus.new(3), final]
    before = tus.live()
    for other in others:
        refused(tus.final(part, other), 400, "invalid-concat")
    assert tus.live() == before


@pytest.mark.requirement("termination-gone")
def test_a_terminated_part_is_gone(tus: Client) -> None:
    one, two = tus.part(b"one"), tus.part(b"two")
    tus.delete(one)
    before = tus.live()
    answer = tus.final(two, one)
    assert answer.status in (404, 410)
    refused(answer, answer.status)
    assert tus.live() == before


@pytest.mark.requirement("termination-frees", "concat-finished-offset")
def test_a_finished_final_does_without_its_parts(tus: Client) -> None:
    one, two = tus.part(b"one"), tus.part(b"two")
    final = tus.final(one, two).headers["location"]
    for part in (one, two):
        assert tus.delete(part).status == 204
        assert tus.stored(part) is None
    assert tus.content(final) == b"onetwo"


@pytest.mark.requirement("concat-partial-value", "concat-final-value")
@pytest.mark.parametrize(
    "value",
    ["", "final", "final;", "final; ", "final:{part}", "Final;{part}", "partial;", "Partial", "full", ";{part}"],
)
@pytest.mark.parametrize("headers", [{}, {"Upload-Length": "3"}])
def test_a_malformed_concat_is_400(tus: Client, headers: dict[str, str], value: str) -> None:
    part = tus.part(b"one")
    before = tus.live()
    refused(tus.post({**headers, "Upload-Concat": value.format(part=part)}), 400, "invalid-concat")
    assert tus.live() == before


@pytest.mark.requirement("concat-no-length")
@pytest.mark.parametrize("headers", [{"Upload-Length": "3"}, {"Upload-Length": "0"}, {"Upload-Defer-Length": "1"}])
def test_a_final_takes_no_length(tus: Client, headers: dict[str, str]) -> None:
    part = tus.part(b"one")
    before = tus.live()
    refused(tus.final(part, headers=headers), 400)
    assert tus.live() == before


@pytest.mark.requirement("concat-final-unmodified")
def test_a_final_takes_no_body(tus: Client) -> None:
    part = tus.part(b"one")
    before = tus.live()
    answer = tus.post({"Upload-Concat": f"final;{part}"}, b"two")
    assert 400 <= answer.status < 500
    assert tus.live() == before
    assert tus.offset(part) == 3


@pytest.mark.requirement("concat-final-403", "concat-final-unmodified", "ls-patch-403", "ls-refused-unwritten")
@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize(("offset", "body"), [(0, b"xxx"), (6, b""), (6, b"xxx"), (0, b"")])
@pytest.mark.parametrize("headers", [{}, {"Upload-Length": "6"}, {"Upload-Length": "100"}])
def test_a_final_takes_no_patch(tus: Client, headers: dict[str, str], offset: int, body: bytes, finished: bool) -> None:
    one, two = tus.part(b"one"), tus.new(3, b"two" if finished else b"", partial=True)
    final = tus.final(one, two).headers["location"]
    names = ("upload-offset", "upload-length", "upload-concat")
    before = [{name: tus.head(path).headers.get(name) for name in names} for path in (one, two, final)]
    refused(tus.patch(final, offset, body, headers), 403, "final-upload")
    refused(tus.patch(final, offset, iter([b"xxx"]), headers), 403, "final-upload")
    assert [{name: tus.head(path).headers.get(name) for name in names} for path in (one, two, final)] == before
    if not finished:
        tus.patch(two, 0, b"two")
        until(lambda: "upload-offset" in tus.head(final).headers)
    assert tus.content(final) == b"onetwo"


@pytest.mark.requirement("concat-final-403", "concat-final-unmodified", "ls-patch-403", "ls-patch-empty")
def test_while_a_final_is_put_together_the_rules_hold(tus: Client) -> None:
    """Putting it together takes a while; what is sent meanwhile is answered as before and after."""
    data = b"0123456789abcdef" * 4096
    part, last = tus.part(data), tus.new(3, partial=True)
    final = tus.final(*[part.removeprefix("/files/")] * 900, last).headers["location"]
    completing = threading.Thread(target=tus.patch, args=(last, 0, b"end"))
    answers: dict[str, set[int]] = {"final": set(), "part": set()}
    completing.start()
    while completing.is_alive():
        answers["final"].add(tus.patch(final, 5, b"").status)
        answers["part"].add(tus.patch(part, len(data), b"").status)
    completing.join()
    until(lambda: "upload-offset" in tus.head(final).headers)
    assert tus.head(final).headers["upload-length"] == str(900 * len(data) + 3)
    assert answers == {"final": {403}, "part": {204}}
