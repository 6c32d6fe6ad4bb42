"""What the server has to do: every requirement has an id, which the tests name, and the sentence that it comes from.

Sources: the tus resumable upload protocol 1.0.0 (2016-03-25), of which everything is here that binds a server with
MUST, MUST NOT, SHALL or SHALL NOT, and the SHOULDs that Longshore keeps; and what Longshore promises beyond it. What
binds clients only is listed at the end, with the reason.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Level = Literal["MUST", "SHOULD", "PROMISE"]


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing that the server has to do."""

    id: str
    section: str
    text: str
    """The sentence, word for word where the source is the specification, but for its markup."""
    level: Level

    @property
    def source(self) -> str:
        """Who asks for it."""
        return "longshore" if self.level == "PROMISE" else "tus-1.0.0"


def _all(level: Level, section: str, texts: dict[str, str]) -> Iterable[Requirement]:
    return (Requirement(identifier, section, text, level) for identifier, text in texts.items())


_CORE = (
    *_all("MUST", "Core Protocol", {"core-implemented": "All Clients and Servers MUST implement the core protocol."}),
    *_all(
        "MUST",
        "Core Protocol / Headers / Upload-Offset",
        {"core-offset-value": "The value MUST be a non-negative integer."},
    ),
    *_all(
        "MUST",
        "Core Protocol / Headers / Upload-Length",
        {"core-length-value": "The value MUST be a non-negative integer."},
    ),
    *_all(
        "MUST",
        "Core Protocol / Headers / Tus-Version",
        {
            "core-version-list": "The Tus-Version response header MUST be a comma-separated list of protocol versions"
            " supported by the Server.",
            "core-version-order": "The list MUST be sorted by Server's preference where the first one is the most"
            " preferred one.",
        },
    ),
    *_all(
        "MUST",
        "Core Protocol / Headers / Tus-Resumable",
        {
            "core-resumable-included": "The Tus-Resumable header MUST be included in every request and response except"
            " for OPTIONS requests.",
            "core-resumable-value": "The value MUST be the version of the protocol used by the Client or the Server.",
            "core-unsupported-412": "If the version specified by the Client is not supported by the Server, it MUST"
            " respond with the 412 Precondition Failed status",
            "core-unsupported-version": "and MUST include the Tus-Version header into the response.",
            "core-unsupported-unprocessed": "In addition, the Server MUST NOT process the request.",
        },
    ),
    *_all(
        "MUST",
        "Core Protocol / Headers / Tus-Extension",
        {
            "core-extension-list": "The Tus-Extension response header MUST be a comma-separated list of the extensions"
            " supported by the Server.",
            "core-extension-omitted": "If no extensions are supported, the Tus-Extension header MUST be omitted.",
        },
    ),
    *_all(
        "MUST",
        "Core Protocol / Headers / Tus-Max-Size",
        {
            "core-max-size-value": "The Tus-Max-Size response header MUST be a non-negative integer indicating the"
            " maximum allowed size of an entire upload in bytes.",
        },
    ),
    *_all(
        "SHOULD",
        "Core Protocol / Headers / Tus-Max-Size",
        {"core-max-size-set": "The Server SHOULD set this header if there is a known hard limit."},
    ),
    *_all(
        "MUST",
        "Core Protocol / Headers / X-HTTP-Method-Override",
        {
            "core-override-interpreted": "The X-HTTP-Method-Override request header MUST be a string which MUST be"
            " interpreted as the request's method by the Server, if the header is presented.",
            "core-override-actual-ignored": "The actual method of the request MUST be ignored.",
        },
    ),
    *_all(
        "MUST",
        "Core Protocol / Requests / HEAD",
        {
            "core-head-offset": "The Server MUST always include the Upload-Offset header in the response for a HEAD"
            " request, even if the offset is 0, or the upload is already considered completed.",
            "core-head-length": "If the size of the upload is known, the Server MUST include the Upload-Length header"
            " in the response.",
            "core-head-no-store": "The Server MUST prevent the client and/or proxies from caching the response by"
            " adding the Cache-Control: no-store header to the response.",
        },
    ),
    *_all(
        "SHOULD",
        "Core Protocol / Requests / HEAD",
        {
            "core-head-not-found": "If the resource is not found, the Server SHOULD return either the 404 Not Found,"
            " 410 Gone or 403 Forbidden status without the Upload-Offset header.",
        },
    ),
    *_all(
        "MUST",
        "Core Protocol / Requests / PATCH",
        {
            "core-patch-offset-equal": "The Upload-Offset header's value MUST be equal to the current offset of the"
            " resource.",
            "core-patch-conflict": "If the offsets do not match, the Server MUST respond with the 409 Conflict status"
            " without modifying the upload resource.",
            "core-patch-204": "The Server MUST acknowledge successful PATCH requests with the 204 No Content status.",
            "core-patch-offset-included": "It MUST include the Upload-Offset header containing the new offset.",
            "core-patch-offset-sum": "The new offset MUST be the sum of the offset before the PATCH request and the"
            " number of bytes received and processed or stored during the current PATCH request.",
        },
    ),
    *_all(
        "SHOULD",
        "Core Protocol / Requests / PATCH",
        {
            "core-patch-accepted": "The Server SHOULD accept PATCH requests against any upload URL and apply the bytes"
            " contained in the message at the given offset specified by the Upload-Offset header.",
            "core-patch-415": "All PATCH requests MUST use Content-Type: application/offset+octet-stream, otherwise"
            " the server SHOULD return a 415 Unsupported Media Type status.",
            "core-patch-404": "If the server receives a PATCH request against a non-existent resource it SHOULD return"
            " a 404 Not Found status.",
            "core-patch-network-errors": "Both Client and Server, SHOULD attempt to detect and handle network errors"
            " predictably.",
            "core-patch-timeout": "A timeout SHOULD be handled by closing the underlying connection.",
            "core-patch-stores-much": "The Server SHOULD always attempt to store as much of the received data as"
            " possible.",
        },
    ),
    *_all(
        "MUST",
        "Core Protocol / Requests / OPTIONS",
        {
            "core-options-version": "A successful response indicated by the 204 No Content or 200 OK status MUST"
            " contain the Tus-Version header.",
            "core-options-ignores-resumable": "The Client SHOULD NOT include the Tus-Resumable header in the request"
            " and the Server MUST ignore the header.",
        },
    ),
)

_CREATION = (
    *_all(
        "SHOULD",
        "Creation",
        {"creation-implemented": "The Client and the Server SHOULD implement the upload creation extension."},
    ),
    *_all(
        "MUST",
        "Creation",
        {
            "creation-advertised": "If the Server supports this extension, it MUST add creation to the Tus-Extension"
            " header.",
        },
    ),
    *_all(
        "MUST",
        "Creation / Headers / Upload-Defer-Length",
        {
            "creation-defer-value": "Its value MUST be 1.",
            "creation-defer-omitted": "If the length of an upload is not deferred, this header MUST be omitted.",
        },
    ),
    *_all(
        "MUST",
        "Creation / Headers / Upload-Metadata",
        {
            "creation-metadata-pairs": "The Upload-Metadata request and response header MUST consist of one or more"
            " comma-separated key-value pairs.",
            "creation-metadata-space": "The key and value MUST be separated by a space.",
            "creation-metadata-key": "The key MUST NOT contain spaces and commas and MUST NOT be empty.",
            "creation-metadata-base64": "The key SHOULD be ASCII encoded and the value MUST be Base64 encoded.",
            "creation-metadata-unique": "All keys MUST be unique.",
        },
    ),
    *_all(
        "SHOULD",
        "Creation / Headers / Upload-Metadata",
        {
            "creation-metadata-smuggling": "Since metadata can contain arbitrary binary values, Servers SHOULD"
            " carefully validate metadata values or sanitize them before using them as header values to avoid header"
            " smuggling.",
        },
    ),
    *_all(
        "MUST",
        "Creation / Requests / POST",
        {
            "creation-length-included": "The request MUST include one of the following headers: a) Upload-Length to"
            " indicate the size of an entire upload in bytes. b) Upload-Defer-Length: 1 if upload size is not known at"
            " the time.",
            "creation-length-fixed": "Once set the length MUST NOT be changed.",
            "creation-head-deferred": "As long as the length of the upload is not known, the Server MUST set"
            " Upload-Defer-Length: 1 in all responses to HEAD requests.",
            "creation-defer-advertised": "If the Server supports deferring length, it MUST add creation-defer-length to"
            " the Tus-Extension header.",
            "creation-head-metadata": "If an upload contains additional metadata, responses to HEAD requests MUST"
            " include the Upload-Metadata header and its value as specified by the Client during the creation.",
            "creation-too-large": "If the length of the upload exceeds the maximum, which MAY be specified using the"
            " Tus-Max-Size header, the Server MUST respond with the 413 Request Entity Too Large status.",
            "creation-201": "The Server MUST acknowledge a successful upload creation with the 201 Created status.",
            "creation-location": "The Server MUST set the Location header to the URL of the created resource.",
        },
    ),
    *_all(
        "SHOULD",
        "Creation / Requests / POST",
        {
            "creation-defer-400": "If the Upload-Defer-Length header contains any other value than 1 the server should"
            " return a 400 Bad Request status.",
        },
    ),
    *_all(
        "MUST",
        "Creation With Upload",
        {
            "creation-upload-advertised": "If the Server supports this extension, it MUST advertise this by including"
            " creation-with-upload in the Tus-Extension header.",
            "creation-upload-depends": "Therefore, if the Server does not offer the Creation extension, it MUST NOT"
            " offer the Creation With Upload extension either.",
            "creation-upload-offset": "The Server SHOULD accept as many bytes as possible and MUST include the"
            " Upload-Offset header in the response",
            "creation-upload-offset-value": "and MUST set its value to the offset of the upload after applying the"
            " accepted bytes.",
        },
    ),
    *_all(
        "SHOULD",
        "Creation With Upload",
        {"creation-upload-accepts": "The Server SHOULD accept as many bytes as possible"},
    ),
)

_EXPIRATION = (
    *_all(
        "MUST",
        "Expiration",
        {
            "expiration-advertised": "In order to indicate this behavior to the Client, the Server MUST add expiration"
            " to the Tus-Extension header.",
        },
    ),
    *_all(
        "MUST",
        "Expiration / Headers / Upload-Expires",
        {
            "expiration-patch": "This header MUST be included in every PATCH response if the upload is going to"
            " expire.",
            "expiration-post": "If the expiration is known at the creation, the Upload-Expires header MUST be included"
            " in the response to the initial POST request.",
            "expiration-format": "The value of the Upload-Expires header MUST be in RFC 7231 datetime format.",
        },
    ),
    *_all(
        "SHOULD",
        "Expiration / Headers / Upload-Expires",
        {
            "expiration-gone": "If a Client does attempt to resume an upload which has since been removed by the"
            " Server, the Server SHOULD respond with the 404 Not Found or 410 Gone status. The latter one SHOULD be"
            " used if the Server is keeping track of expired uploads.",
        },
    ),
)

_CHECKSUM = (
    *_all(
        "MUST",
        "Checksum",
        {
            "checksum-advertised": "If supported, the Server MUST add checksum to the Tus-Extension header.",
            "checksum-verified": "Once the entire request has been received, the Server MUST verify the uploaded chunk"
            " against the provided checksum using the specified algorithm.",
            "checksum-discarded": "In the first two cases the uploaded chunk MUST be discarded,",
            "checksum-not-updated": "and the upload and its offset MUST NOT be updated.",
            "checksum-sha1": "The Server MUST support at least the SHA1 checksum algorithm identified by sha1.",
            "checksum-names": "The names of the checksum algorithms MUST only consist of ASCII characters with the"
            " modification that uppercase characters are excluded.",
            "checksum-algorithm-included": "The Tus-Checksum-Algorithm header MUST be included in the response to an"
            " OPTIONS request.",
            "checksum-trailer-advertised": "If the Server can handle trailers, this behavior MUST be announced by"
            " adding checksum-trailer to the Tus-Extension header.",
        },
    ),
    *_all(
        "MUST",
        "Checksum / Headers / Tus-Checksum-Algorithm",
        {
            "checksum-algorithm-list": "The Tus-Checksum-Algorithm response header MUST be a comma-separated list of"
            " the checksum algorithms supported by the server.",
        },
    ),
    *_all(
        "MUST",
        "Checksum / Headers / Upload-Checksum",
        {
            "checksum-syntax": "The header MUST consist of the name of the used checksum algorithm and the Base64"
            " encoded checksum separated by a space.",
        },
    ),
)

_TERMINATION = (
    *_all(
        "MUST",
        "Termination",
        {
            "termination-advertised": "If this extension is supported by the Server, it MUST be announced by adding"
            " termination to the Tus-Extension header.",
        },
    ),
    *_all(
        "MUST",
        "Termination / Requests / DELETE",
        {
            "termination-204": "When receiving a DELETE request for an existing upload the Server SHOULD free"
            " associated resources and MUST respond with the 204 No Content status confirming that the upload was"
            " terminated.",
        },
    ),
    *_all(
        "SHOULD",
        "Termination / Requests / DELETE",
        {
            "termination-frees": "the Server SHOULD free associated resources",
            "termination-gone": "For all future requests to this URL, the Server SHOULD respond with the 404 Not Found"
            " or 410 Gone status.",
        },
    ),
)

_CONCATENATION = (
    *_all(
        "MUST",
        "Concatenation",
        {
            "concat-advertised": "If the Server supports this extension, it MUST add concatenation to the"
            " Tus-Extension header.",
            "concat-length-sum": "The length of the final upload MUST be the sum of the length of all partial uploads.",
            "concat-order": "The partial uploads MUST be concatenated as per the order specified in the list.",
            "concat-no-length": "The Client MUST NOT include the Upload-Length header in the final upload creation.",
            "concat-unfinished-advertised": "The Client MAY send the concatenation request while the partial uploads"
            " are still in progress. This feature MUST be explicitly announced by the Server by adding"
            " concatenation-unfinished to the Tus-Extension header.",
            "concat-metadata-not-transferred": "When creating a new final upload the partial uploads' metadata SHALL"
            " NOT be transferred to the new final upload.",
            "concat-final-403": "The Server MUST respond with the 403 Forbidden status to PATCH requests against a"
            " final upload URL",
            "concat-final-unmodified": "and MUST NOT modify the final or its partial uploads.",
            "concat-finished-offset": "After successful concatenation, the Upload-Offset and Upload-Length MUST be set"
            " and their values MUST be equal.",
            "concat-partial-offset": "The response to a HEAD request for a partial upload MUST contain the"
            " Upload-Offset header.",
            "concat-length-known": "The Upload-Length header MUST be included if the length of the final resource can"
            " be calculated at the time of the request.",
            "concat-echoed": "Response to HEAD request against partial or final upload MUST include the Upload-Concat"
            " header and its value as received in the upload creation request.",
        },
    ),
    *_all(
        "SHOULD",
        "Concatenation",
        {
            "concat-partials-unprocessed": "The Server SHOULD NOT process these partial uploads until they are"
            " concatenated to form a final upload.",
            "concat-unfinished-offset": "The response to a HEAD request for a final upload SHOULD NOT contain the"
            " Upload-Offset header unless the concatenation has been successfully finished.",
        },
    ),
    *_all(
        "MUST",
        "Concatenation / Headers / Upload-Concat",
        {
            "concat-partial-value": "If the upload is a partial one, the header value MUST be partial.",
            "concat-final-value": "In the case of a final upload, its value MUST be final followed by a semicolon and a"
            " space-separated list of partial upload URLs that will be concatenated.",
            "concat-urls": "The partial uploads URLs MAY be absolute or relative and MUST NOT contain spaces as defined"
            " in RFC 3986.",
        },
    ),
)

_LONGSHORE = (
    *_all(
        "PROMISE",
        "Protocol / Extensions",
        {
            "ls-extensions": "Extensions: creation, creation-with-upload, creation-defer-length, expiration, checksum,"
            " checksum-trailer, termination, concatenation, concatenation-unfinished. Tus-Extension advertises exactly"
            " what the configured store can do.",
        },
    ),
    *_all(
        "PROMISE",
        "Protocol / Version and method",
        {
            "ls-version-412": "Tus-Resumable missing or unsupported on anything but OPTIONS, GET, and a plain HEAD of a"
            " file: 412 with Tus-Version, nothing processed.",
            "ls-override-any": "X-HTTP-Method-Override replaces any method.",
        },
    ),
    *_all(
        "PROMISE",
        "Protocol / URLs",
        {
            "ls-files-slash": "/files and /files/ are the same, without a redirect.",
            "ls-post-elsewhere": "POST to /files/x fails.",
        },
    ),
    *_all(
        "PROMISE",
        "Protocol / OPTIONS and CORS",
        {
            "ls-options": "OPTIONS on /files and /files/{id}: 200, Tus-Version, Tus-Extension, Tus-Max-Size (if set),"
            " Tus-Checksum-Algorithm.",
            "ls-cors-preflight": "CORS preflight for browsers, with every tus header allowed and exposed, no cookies"
            " involved.",
            "ls-cors-origins": "Origins configurable, default any; an origin that is not allowed gets no CORS headers.",
            "ls-cors-everywhere": "CORS headers on every response, errors and GET included.",
        },
    ),
    *_all(
        "PROMISE",
        "Protocol / POST",
        {
            "ls-post-location": "Location is a root-relative path including the mount prefix, so it is right behind any"
            " TLS proxy.",
            "ls-post-public-url": "Location is absolute when LONGSHORE_PUBLIC_URL is set.",
            "ls-post-expires": "POST: 201 with Upload-Expires.",
            "ls-post-offset": "Upload-Offset when a body came.",
            "ls-post-one-length": "Exactly one of Upload-Length and Upload-Defer-Length: 1.",
            "ls-post-too-large": "Too large: 413.",
            "ls-post-zero": "Length 0 is complete at once.",
            "ls-post-type": "A body with another Content-Type than application/offset+octet-stream: 415 and nothing"
            " created.",
            "ls-post-expect": "Expect: 100-continue is refused before the body when the create is refused.",
        },
    ),
    *_all(
        "PROMISE",
        "Protocol / Upload-Metadata",
        {
            "ls-metadata-strict": "Strict: unique non-empty ASCII keys, valid base64.",
            "ls-metadata-size": "Upload-Metadata has a size limit with its own code.",
            "ls-metadata-echoed": "Echoed by HEAD exactly as sent.",
            "ls-metadata-empty": "An empty header and keys without a value are valid.",
        },
    ),
    *_all(
        "PROMISE",
        "Protocol / HEAD",
        {
            "ls-head": "HEAD: 200, Cache-Control: no-store, Upload-Offset, Upload-Length or Upload-Defer-Length,"
            " Upload-Metadata, Upload-Concat as received, Upload-Expires.",
            "ls-head-404": "Unknown: 404.",
            "ls-head-410": "Expired or terminated: 410.",
            "ls-head-transient": "Anything transient: 423, never 5xx or 429.",
        },
    ),
    *_all(
        "PROMISE",
        "Protocol / PATCH",
        {
            "ls-patch-204": "PATCH: 204 with new Upload-Offset and Upload-Expires.",
            "ls-patch-415": "415 wrong type.",
            "ls-patch-409": "409 with the right Upload-Offset in the response.",
            "ls-patch-403": "403 on a final upload.",
            "ls-patch-413": "413 when Content-Length exceeds what is left, before anything is written.",
            "ls-patch-413-chunked": "A chunked body that overruns: 413 and the upload is not completed.",
            "ls-patch-empty": "Empty PATCH at the end: 204, and completion happens only once.",
            "ls-patch-length": "A deferred length may come with any PATCH, also an empty one.",
            "ls-patch-length-conflict": "A second, different length is 400, and so is one below the offset.",
        },
    ),
    *_all(
        "PROMISE",
        "Protocol / Checksums",
        {
            "ls-checksum-algorithms": "Checksums: md5, sha1, sha256, sha512, crc32.",
            "ls-checksum-460": "Mismatch 460 and the offset stays where it was.",
            "ls-checksum-killed": "The offset stays where it was also when the process is killed halfway.",
            "ls-checksum-unknown": "Unknown algorithm 400 before the body is read.",
            "ls-checksum-trailer": "A checksum as a trailer too.",
        },
    ),
    *_all(
        "PROMISE",
        "Protocol / Concatenation",
        {
            "ls-concat-urls": "Final with absolute or relative URLs in order.",
            "ls-concat-twice": "The same partial twice.",
            "ls-concat-unfinished": "Unfinished partials: the final becomes complete when the last one does.",
            "ls-concat-too-large": "Sum over the maximum 413.",
            "ls-concat-unknown": "Unknown 404.",
            "ls-concat-head": "The final's HEAD follows the specification.",
            "ls-concat-expiry": "Partials expire like unfinished uploads.",
            "ls-concat-unannounced": "Partials are never announced as finished files.",
        },
    ),
    *_all(
        "PROMISE",
        "Protocol / Expiration",
        {
            "ls-expiry-sliding": "Sliding from the last activity, default 7 days for unfinished uploads.",
            "ls-expiry-finished": "Finished uploads do not expire unless LONGSHORE_FINISHED_TTL is set.",
            "ls-expiry-sweep": "A sweep in the server removes bytes.",
            "ls-expiry-tombstone": "It keeps a tombstone (410) for as long again.",
        },
    ),
    *_all(
        "PROMISE",
        "Protocol / DELETE",
        {
            "ls-delete": "DELETE: 204, then 410; bytes gone.",
            "ls-delete-running": "During a running PATCH it ends that one.",
        },
    ),
    *_all(
        "PROMISE",
        "Protocol / GET",
        {
            "ls-get": "GET on a completed upload returns its bytes with Content-Length.",
            "ls-get-disposition": "With a safe Content-Disposition.",
            "ls-get-unfinished": "An unfinished one 409.",
            "ls-get-no-version": "GET needs no Tus-Resumable.",
            "ls-get-range": "Range as RFC 9110 has it, one or several; what cannot be followed is ignored, what lies"
            " outside is 416.",
            "ls-get-conditions": "ETag and Last-Modified are strong; If-Match, If-None-Match, If-Modified-Since,"
            " If-Unmodified-Since and If-Range as RFC 9110 has them.",
            "ls-get-inline": "What a browser could run is always an attachment; pictures, sound, films and plain text"
            " are shown with ?inline=1.",
            "ls-get-link": "A link that is no good is a 404 or 410, and no challenge.",
            "ls-head-plain": "HEAD of a completed upload without Tus-Resumable answers as GET does, without the body.",
        },
    ),
    *_all(
        "PROMISE",
        "Protocol / Ids and errors",
        {
            "ls-ids": "Ids: at least 128 random bits, URL-safe.",
            "ls-errors": "Error bodies: problem+json with code.",
            "ls-errors-head": "Error bodies are empty on HEAD.",
        },
    ),
    *_all(
        "PROMISE",
        "Locks",
        {
            "ls-lock-poll": "A status poll does not disturb a healthy transfer.",
            "ls-lock-stale": "PATCH at any other offset answers 409 at once and leaves the holder alone.",
            "ls-lock-takeover": "PATCH at the offset where the holder stands takes over; the holder answers 400 with"
            " code upload-taken-over.",
            "ls-lock-stalled-head": "If the holder has received nothing for the stall threshold, HEAD asks it to stop"
            " and waits until its bytes are committed.",
        },
    ),
    *_all(
        "PROMISE",
        "Mistakes of other servers",
        {
            "ls-refused-unwritten": "A PATCH that is refused has not written its body.",
            "ls-overlong-harmless": "A PATCH past the length leaves no garbage that corrupts the retry.",
            "ls-never-freezes": "Two PATCHes on one upload do not hold up the others.",
            "ls-head-no-metadata": "HEAD does not need file name metadata.",
            "ls-unbuffered": "The body is not buffered in memory.",
            "ls-cut-kept": "What arrived before the socket was cut is kept.",
            "ls-download-unlocked": "Downloads hold up nobody.",
            "ls-large-patch": "No small limit on the size of a PATCH.",
        },
    ),
    *_all(
        "PROMISE",
        "Wire",
        {"ls-wire": "A request is answered the same in whatever pieces it arrives."},
    ),
)

CATALOGUE: tuple[Requirement, ...] = (
    *_CORE,
    *_CREATION,
    *_EXPIRATION,
    *_CHECKSUM,
    *_TERMINATION,
    *_CONCATENATION,
    *_LONGSHORE,
)

CLIENTS_ONLY: dict[str, str] = {
    "Once it is known the Client MUST set the Upload-Length header in the next PATCH request.": (
        "what the client knows, the server cannot tell; that it takes the length is ls-patch-length"
    ),
    "The Client MUST send a POST request against a known upload creation URL to request a new upload resource.": (
        "says what clients do; that POST works there is creation-201, that it works nowhere else is ls-post-elsewhere"
    ),
    "The Client MUST perform the actual upload using the core protocol.": "says what clients do",
    "The Client MUST include the Content-Type: application/offset+octet-stream header.": (
        "says what clients do; the refusal is ls-post-type"
    ),
    "Following RFC 7230 they MUST be announced using the Trailer header and are only allowed in chunked transfers.": (
        "says how clients send trailers; that they are understood is ls-checksum-trailer"
    ),
    "In order to create a new final upload, the Client MUST add the Upload-Concat header to the upload creation"
    " request.": "says what clients do",
    "The Upload-Concat request and response header MUST be set in both partial and final upload creation requests.": (
        "asks for it in requests, which servers do not send; of the responses only those to HEAD are told to have it"
    ),
    "Servers receiving an Upload-Secret header with any other request MUST respond with a 400 Bad Request status.": (
        "the Challenge extension is a later draft, not part of 1.0.0 as published"
    ),
}
"""What is left out of the catalogue, and why."""
