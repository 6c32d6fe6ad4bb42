"""Request heads: what each comes to, what is refused, and which refusal comes first."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.protocol.values import (
    EVERYTHING,
    SHA1_OF_HELLO_WORLD,
    STREAM,
    chunked,
    field_values,
    heads,
    patch,
    post,
    post_body,
    request,
    without,
)

from longshore.protocol.capabilities import Capabilities
from longshore.protocol.checksum import Checksum
from longshore.protocol.errors import (
    ChecksumAlgorithmUnsupported,
    ContentTypeUnsupported,
    ExtensionUnsupported,
    FinalUpload,
    InvalidChecksum,
    InvalidConcat,
    InvalidHeader,
    InvalidMetadata,
    MetadataTooLarge,
    MethodNotAllowed,
    TusError,
    VersionUnsupported,
)
from longshore.protocol.intents import (
    Append,
    BodyHead,
    Concatenate,
    Create,
    Inspect,
    Intent,
    Options,
    RequestHead,
    Terminate,
)
from longshore.protocol.parse import effective_method, parse_request
from longshore.protocol.reply import reply_error


def parse(head: RequestHead, capabilities: Capabilities = EVERYTHING) -> Intent:
    """The intent."""
    return parse_request(head, capabilities)


def refusal(head: RequestHead, capabilities: Capabilities = EVERYTHING) -> TusError:
    """The refusal."""
    with pytest.raises(TusError) as caught:
        parse_request(head, capabilities)
    return caught.value


# Methods


@pytest.mark.parametrize(
    ("head", "intent"),
    [
        (request("OPTIONS"), Options()),
        (request("OPTIONS", "u"), Options()),
        (request("HEAD", "u"), Inspect(resource="u")),
        (request("DELETE", "u"), Terminate(resource="u")),
        (request("DELETE", "u", content_length="0"), Terminate(resource="u")),
        (post(upload_length="100"), Create(length=100)),
        (post(upload_length="0", content_length="0"), Create(length=0)),
        (post(upload_defer_length="1"), Create(length=None)),
        (post(upload_length="5", upload_concat="partial"), Create(length=5, partial=True)),
        (post(upload_defer_length="1", upload_concat="partial"), Create(length=None, partial=True)),
        (post_body(), Create(length=100, body=BodyHead(length=5))),
        (post_body(content_length=None, transfer_encoding="chunked"), Create(length=100, body=BodyHead())),
        (patch(), Append(resource="u", offset=0, body=BodyHead(length=5))),
        (patch(content_length=None), Append(resource="u", offset=0, body=BodyHead(length=0))),
        (
            patch(upload_offset="7", upload_length="12"),
            Append(resource="u", offset=7, length=12, body=BodyHead(length=5)),
        ),
        (chunked(), Append(resource="u", offset=0, body=BodyHead())),
    ],
)
def test_requests_that_can_be_followed(head: RequestHead, intent: Intent) -> None:
    assert parse(head) == intent


@pytest.mark.parametrize("method", ["HEAD", "PATCH", "DELETE", "GET", "PUT", "", "PÖST", "TRACE" * 1000])
def test_methods_that_the_creation_url_does_not_know(method: str) -> None:
    error = refusal(request(method))
    assert isinstance(error, MethodNotAllowed)
    assert dict(error.headers) == {"Allow": "POST, OPTIONS"}
    assert len(error.detail) < 200


@pytest.mark.parametrize("method", ["POST", "PUT", "CONNECT", ""])
def test_methods_that_an_upload_url_does_not_know(method: str) -> None:
    error = refusal(request(method, "u", upload_length="1"))
    assert isinstance(error, MethodNotAllowed)
    assert set(dict(error.headers)["Allow"].split(", ")) == {"HEAD", "PATCH", "DELETE", "GET", "OPTIONS"}


def test_delete_is_unknown_where_termination_is_not_offered() -> None:
    assert isinstance(refusal(request("DELETE", "u"), without("termination")), MethodNotAllowed)


@pytest.mark.parametrize("method", ["DELETE", "PUT"])
def test_allow_leaves_out_delete_where_termination_is_not_offered(method: str) -> None:
    error = refusal(request(method, "u"), without("termination"))
    assert "DELETE" not in dict(error.headers)["Allow"]


@pytest.mark.parametrize("actual", ["POST", "GET", "PATCH", "HEAD", "OPTIONS", ""])
@pytest.mark.parametrize("override", ["DELETE", "delete", "Delete", " DELETE\t"])
def test_the_override_is_the_method(actual: str, override: str) -> None:
    head = request(actual, "u", x_http_method_override=override)
    assert effective_method(head) == "DELETE"
    assert parse(head) == Terminate(resource="u")


def test_a_patch_may_come_as_a_post() -> None:
    head = patch(x_http_method_override="PATCH")
    overridden = RequestHead(method="POST", headers=head.headers, resource=head.resource)
    assert parse(overridden) == parse(patch())


def test_the_actual_method_is_ignored_when_it_is_overridden() -> None:
    assert isinstance(refusal(request("HEAD", "u", x_http_method_override="POST")), MethodNotAllowed)
    assert isinstance(refusal(request("OPTIONS", "u", x_http_method_override="PUT")), MethodNotAllowed)


# Tus-Resumable


@pytest.mark.parametrize("version", [None, "", "0.2.2", "1.0", "1.0.1", "2.0.0", "1.0.0,0.2.2", "v1.0.0"])
@pytest.mark.parametrize(("method", "resource"), [("POST", None), ("HEAD", "u"), ("PATCH", "u"), ("DELETE", "u")])
def test_another_version_is_refused_on_every_method(method: str, resource: str | None, version: str | None) -> None:
    error = refusal(request(method, resource, tus_resumable=version))
    assert isinstance(error, VersionUnsupported)
    assert dict(error.headers) == {"Tus-Version": "1.0.0"}


@pytest.mark.parametrize("version", [None, "", "0.2.2"])
def test_options_ignores_the_version(version: str | None) -> None:
    assert parse(request("OPTIONS", tus_resumable=version)) == Options()


# Integers

NO_INTEGERS = [
    "",
    " ",
    "+5",
    "-0",
    "-1",
    "1e3",
    "1.0",
    "0x10",
    "1_000",
    "1 0",
    "1, 1",
    "1,1",
    "5;",
    "ten",
    "٥",  # a digit, in Arabic
    "\uff15",  # a digit, fullwidth
    "²",  # a digit to str.isdigit
    "½",
    "\x00",
    "1" * 41,
]
INTEGERS = [
    ("0", 0),
    ("5", 5),
    ("007", 7),
    (" 5 ", 5),
    ("\t5", 5),
    (str(2**63 - 1), 2**63 - 1),
    (str(2**63), 2**63),
    (str(2**64), 2**64),
    ("9" * 40, int("9" * 40)),
]
OTHER_SPACES = ["\xa05", "5\x85", "\x1c5", "\u20035"]


def integer_fields() -> list[Any]:
    """Each header that carries a size, as (the name, how to send it, how to find it in the intent)."""
    return [
        pytest.param("Upload-Length", lambda value: post(upload_length=value), lambda i: i.length, id="create"),
        pytest.param("Upload-Length", lambda value: patch(upload_length=value), lambda i: i.length, id="declare"),
        pytest.param("Upload-Offset", lambda value: patch(upload_offset=value), lambda i: i.offset, id="offset"),
        pytest.param("Content-Length", lambda value: patch(content_length=value), lambda i: i.body.length, id="body"),
    ]


@pytest.mark.parametrize("value", NO_INTEGERS)
@pytest.mark.parametrize(("name", "send", "_"), integer_fields())
def test_what_is_no_integer_is_refused(name: str, send: Any, _: Any, value: str) -> None:
    error = refusal(send(value))
    assert isinstance(error, InvalidHeader)
    assert error.members == {"header": name}
    assert name in error.detail


@pytest.mark.parametrize(("value", "number"), INTEGERS)
@pytest.mark.parametrize(("name", "send", "find"), integer_fields())
def test_integers_of_any_size_are_read(name: str, send: Any, find: Any, value: str, number: int) -> None:
    assert find(parse(send(value))) == number


@pytest.mark.parametrize("value", OTHER_SPACES)
@pytest.mark.parametrize(("name", "send", "_"), integer_fields())
def test_only_spaces_and_tabs_may_surround_an_integer(name: str, send: Any, _: Any, value: str) -> None:
    assert isinstance(refusal(send(value)), InvalidHeader)


# The length of a new upload


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"upload_length": "5", "upload_defer_length": "1"},
        {"upload_length": "5", "upload_defer_length": "0"},
        {"upload_defer_length": "0"},
        {"upload_defer_length": "2"},
        {"upload_defer_length": ""},
        {"upload_defer_length": "true"},
        {"upload_defer_length": "1, 1"},
        {"upload_defer_length": "01"},
    ],
)
@pytest.mark.parametrize("concat", [None, "partial"])
def test_exactly_one_length_header_comes_with_a_creation(fields: dict[str, str], concat: str | None) -> None:
    assert isinstance(refusal(post(**fields, upload_concat=concat)), InvalidHeader)


def test_deferring_the_length_needs_its_extension() -> None:
    offered = without("creation-defer-length")
    assert isinstance(refusal(post(upload_defer_length="1"), offered), ExtensionUnsupported)
    assert parse(post(upload_length="1"), offered) == Create(length=1)


def test_a_wrong_defer_length_is_wrong_whatever_is_offered() -> None:
    assert isinstance(refusal(post(upload_defer_length="2"), without("creation-defer-length")), InvalidHeader)


# Bodies


@pytest.mark.parametrize(
    "content_type",
    [
        STREAM,
        "Application/Offset+Octet-Stream",
        f"{STREAM}; charset=binary",
        f"{STREAM} ;x=y",
        f" {STREAM} ",
        f"{STREAM};",
    ],
)
@pytest.mark.parametrize("send", [patch, post_body, chunked])
def test_content_types_that_carry_an_upload(send: Any, content_type: str) -> None:
    intent = parse(send(content_type=content_type))
    assert isinstance(intent, Append | Create)
    assert intent.body is not None


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        ";",
        "application/octet-stream",
        "application/offset",
        f"{STREAM}s",
        f"x{STREAM}",
        f"{STREAM}, {STREAM}",
        f"text/plain; {STREAM}",
        "multipart/form-data; boundary=x",
    ],
)
@pytest.mark.parametrize("send", [patch, post_body, chunked])
def test_content_types_that_do_not(send: Any, content_type: str | None) -> None:
    assert isinstance(refusal(send(content_type=content_type)), ContentTypeUnsupported)


def test_an_empty_patch_needs_its_content_type_too() -> None:
    assert isinstance(refusal(patch(content_length="0", content_type=None)), ContentTypeUnsupported)


@pytest.mark.parametrize("content_length", [None, "0", " 0 "])
def test_a_creation_without_a_body_may_have_any_content_type(content_length: str | None) -> None:
    head = post(upload_length="5", content_length=content_length, content_type="text/plain")
    assert parse(head) == Create(length=5)


def test_a_creation_with_a_body_needs_its_extension() -> None:
    assert isinstance(refusal(post_body(), without("creation-with-upload")), ExtensionUnsupported)
    assert parse(post(upload_length="1"), without("creation-with-upload")) == Create(length=1)


def test_a_chunked_body_has_no_length_even_if_content_length_is_sent() -> None:
    intent = parse(chunked(content_length="5"))
    assert isinstance(intent, Append)
    assert intent.body.length is None


@pytest.mark.parametrize("send", [patch, post_body, chunked])
def test_a_checksum_of_the_body(send: Any) -> None:
    intent = parse(send(upload_checksum="crc32 y/Q5Jg=="))
    assert isinstance(intent, Append | Create)
    assert intent.body is not None
    assert intent.body.checksum == Checksum("crc32", b"\xcb\xf4\x39\x26")
    assert intent.body.is_checked


@pytest.mark.parametrize("send", [patch, post_body, chunked])
@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("", ChecksumAlgorithmUnsupported),
        ("sha3 AAAA", ChecksumAlgorithmUnsupported),
        ("sha1", InvalidChecksum),
        ("sha1 ####", InvalidChecksum),
    ],
)
def test_a_bad_checksum_is_refused_before_the_body(send: Any, value: str, error: type[TusError]) -> None:
    assert isinstance(refusal(send(upload_checksum=value)), error)


@pytest.mark.parametrize(
    ("trailer", "announced"),
    [
        ("Upload-Checksum", True),
        ("upload-checksum", True),
        ("UPLOAD-CHECKSUM", True),
        ("Expires, Upload-Checksum", True),
        ("Upload-Checksum ,\tExpires", True),
        ("Expires", False),
        ("Upload-Checksum2", False),
        ("X-Upload-Checksum", False),
        ("", False),
        (",", False),
        (None, False),
    ],
)
def test_trailers_that_announce_a_checksum(trailer: str | None, announced: bool) -> None:
    intent = parse(chunked(trailer=trailer))
    assert isinstance(intent, Append)
    assert intent.body.checksum_in_trailer is announced
    assert intent.body.is_checked is announced


def test_a_creation_may_announce_a_checksum_too() -> None:
    intent = parse(post_body(content_length=None, transfer_encoding="chunked", trailer="Upload-Checksum"))
    assert isinstance(intent, Create)
    assert intent.body == BodyHead(checksum_in_trailer=True)


def test_trailers_are_only_for_chunked_bodies() -> None:
    assert isinstance(refusal(patch(trailer="Upload-Checksum")), InvalidChecksum)
    intent = parse(patch(trailer="Expires"))
    assert isinstance(intent, Append)
    assert not intent.body.is_checked


def test_a_checksum_in_a_trailer_needs_its_extension() -> None:
    offered = without("checksum-trailer")
    assert isinstance(refusal(chunked(trailer="Upload-Checksum"), offered), ExtensionUnsupported)
    assert parse(chunked(trailer="Expires"), offered) == parse(chunked())
    assert parse(patch(upload_checksum=SHA1_OF_HELLO_WORLD), offered) == parse(
        patch(upload_checksum=SHA1_OF_HELLO_WORLD)
    )


def test_a_checksum_comes_in_one_place_only() -> None:
    head = chunked(trailer="Upload-Checksum", upload_checksum=SHA1_OF_HELLO_WORLD)
    assert isinstance(refusal(head), InvalidChecksum)


# Metadata


@pytest.mark.parametrize("sent", ["filename d29ybGQ=,is_confidential", "a", "a ,b", "a YQ==, b YWI="])
def test_metadata_is_kept_as_it_was_sent(sent: str) -> None:
    for head in (post(upload_length="1", upload_metadata=sent), post(upload_concat="final;/a", upload_metadata=sent)):
        intent = parse(head)
        assert isinstance(intent, Create | Concatenate)
        assert intent.metadata == sent


@pytest.mark.parametrize("sent", [None, "", " "])
def test_a_creation_without_metadata(sent: str | None) -> None:
    assert parse(post(upload_length="1", upload_metadata=sent)) == Create(length=1, metadata="")


def test_metadata_is_checked_before_anything_is_created() -> None:
    assert isinstance(refusal(post(upload_length="1", upload_metadata="a YQ==,a YQ==")), InvalidMetadata)
    small = Capabilities(max_metadata_size=5)
    assert parse(post(upload_length="1", upload_metadata="ab"), small) == Create(length=1, metadata="ab")
    assert isinstance(refusal(post(upload_length="1", upload_metadata="a YQ=="), small), MetadataTooLarge)


@pytest.mark.parametrize("head", [request("HEAD", "u", upload_metadata="="), patch(upload_metadata="=")])
def test_metadata_means_nothing_once_the_upload_exists(head: RequestHead) -> None:
    assert isinstance(parse(head), Inspect | Append)


# Concatenation


@pytest.mark.parametrize(
    ("urls", "parts"),
    [
        ("/files/a", ("a",)),
        ("/files/a /files/b", ("a", "b")),
        ("/files/b /files/a", ("b", "a")),
        ("/files/a /files/a", ("a", "a")),
        ("https://tus.example.org/files/a http://other.example:8080/x/y/b", ("a", "b")),
        ("//tus.example.org/files/a", ("a",)),
        ("a ./b ../files/c", ("a", "b", "c")),
        ("/files/a?token=x/y#z /files/b", ("a", "b")),
        ("  /files/a   /files/b ", ("a", "b")),
        ("/files/a\t/files/b", ("a", "b")),
        (" ".join(f"/files/{n}" for n in range(100)), tuple(str(n) for n in range(100))),
    ],
)
def test_the_parts_of_a_final_upload(urls: str, parts: tuple[str, ...]) -> None:
    concat = f"final;{urls}"
    assert parse(post(upload_concat=concat)) == Concatenate(parts=parts, concat=concat)


@pytest.mark.parametrize(
    "concat",
    [
        "",
        "final",
        "final;",
        "final; ",
        "final;\t",
        "final /files/a",
        "finale;/files/a",
        "Final;/files/a",
        " final;/files/a",
        "partial;",
        "Partial",
        "partial, partial",
        "final;/files/a/",
        "final;/files/a /",
        "final;https://tus.example.org",
        "final;https://tus.example.org/files/",
        "final;https://[::1/files/a",
        "final;?a",
        "final;#a",
        "final;/x\x01y/files/a",
        "final;/files/a\x85/files/b",
        "final;/files/a\r\n/files/b",
        "final;/files/ä",
    ],
)
def test_what_is_no_concatenation(concat: str) -> None:
    assert isinstance(refusal(post(upload_concat=concat)), InvalidConcat)


@pytest.mark.parametrize("field", ["upload_length", "upload_defer_length"])
def test_a_final_upload_brings_no_length(field: str) -> None:
    assert isinstance(refusal(post(**{"upload_concat": "final;/files/a", field: "1"})), InvalidConcat)


@pytest.mark.parametrize("body", [{"content_length": "5"}, {"transfer_encoding": "chunked"}])
def test_a_final_upload_brings_no_bytes(body: dict[str, str]) -> None:
    assert isinstance(refusal(post(upload_concat="final;/files/a", content_type=STREAM, **body)), FinalUpload)


def test_a_final_upload_may_say_that_it_brings_no_bytes() -> None:
    head = post(upload_concat="final;/files/a", content_length="0")
    assert parse(head) == Concatenate(parts=("a",), concat="final;/files/a")


@pytest.mark.parametrize("concat", ["partial", "final;/files/a"])
def test_concatenation_needs_its_extension(concat: str) -> None:
    length = "1" if concat == "partial" else None
    head = post(upload_concat=concat, upload_length=length)
    assert isinstance(refusal(head, without("concatenation")), ExtensionUnsupported)


def test_the_header_repeated_on_a_part_changes_nothing() -> None:
    assert parse(patch(upload_concat="partial")) == parse(patch())
    assert parse(request("HEAD", "u", upload_concat="partial")) == Inspect(resource="u")


# Which refusal comes first


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (request("PUT", "u", tus_resumable=None), 412),  # before 405
        (patch(tus_resumable="2.0.0", content_type=None), 412),  # before 415
        (patch(tus_resumable=None, upload_offset="x"), 412),  # before 400
        (post(tus_resumable=None, upload_metadata="=" * 9000), 412),  # before 431
        (request("POST", "u", upload_metadata="=" * 9000), 405),  # before 431
        (request("PATCH", None, content_type="text/plain"), 405),  # before 415
        (post(upload_metadata="=" * 9000, upload_concat="x"), 431),  # before 400
        (patch(content_type="text/plain", upload_offset=None), 415),  # before 400
        (patch(content_type="text/plain", upload_offset="-1"), 415),
        (patch(content_type="text/plain", content_length="x"), 415),
        (patch(content_type="text/plain", upload_checksum="x"), 415),
        (post_body(content_type="text/plain", upload_length="x"), 415),
        (post(upload_concat="final;/files/a", content_length="5", content_type="text/plain"), 403),  # before 415
    ],
)
def test_the_first_refusal(head: RequestHead, status: int) -> None:
    assert refusal(head).status == status


@pytest.mark.parametrize("offset", [None, "", "x"])
def test_a_patch_says_where_it_begins(offset: str | None) -> None:
    error = refusal(patch(upload_offset=offset))
    assert isinstance(error, InvalidHeader)
    assert error.members == {"header": "Upload-Offset"}


# Anything at all


@given(heads, st.sets(st.sampled_from(["termination", "concatenation", "creation-with-upload", "checksum-trailer"])))
def test_any_head_is_an_intent_or_a_refusal(head: RequestHead, missing: set[str]) -> None:
    try:
        intent = parse_request(head, without(*missing))
    except TusError as error:
        reply_error(error)
    else:
        assert isinstance(intent, Intent)


@given(field_values, st.sampled_from(["upload-length", "upload-offset", "content-length"]))
def test_only_digits_make_a_size(value: str, name: str) -> None:
    fields = {**patch().headers, name: value}
    try:
        intent = parse_request(RequestHead(method="PATCH", headers=fields, resource="u"), EVERYTHING)
    except InvalidHeader:
        return
    assert isinstance(intent, Append)
    assert set(value.strip()) <= set("0123456789")
    assert int(value) in (intent.length, intent.offset, intent.body.length)
    assert min(intent.offset, intent.length or 0, intent.body.length or 0) >= 0


@given(field_values | field_values.map("final;".__add__))
def test_the_parts_are_never_empty_and_never_paths(value: str) -> None:
    try:
        intent = parse(post(upload_concat=value))
    except TusError:
        return
    assert isinstance(intent, Concatenate)
    assert intent.concat == value
    assert intent.parts
    assert all(part and not set(part) & set("/?# ") for part in intent.parts)
