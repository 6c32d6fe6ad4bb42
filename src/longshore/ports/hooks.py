"""What hooks are told and what they may answer: the operator's say in what happens to uploads.

The names are tusd's where tusd has them; `inspect`, `pre_rename` and `post_expire` are our own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from longshore.events import RequestInfo
from longshore.protocol.errors import TusError
from longshore.protocol.upload import Upload

PreHook = Literal["pre_create", "inspect", "pre_finish", "pre_rename", "pre_terminate"]
"""Asked before something happens; may refuse it."""

PostHook = Literal["post_create", "post_receive", "post_finish", "post_terminate", "post_expire"]
"""Told after something has been committed; what comes of it changes nothing."""

HookName = PreHook | PostHook


class Content(Protocol):
    """The bytes of an upload, as far as they have arrived."""

    @property
    def size(self) -> int:
        """How many bytes there are."""

    async def read(self, start: int, end: int) -> bytes:
        """The bytes from start up to, and without, end; fewer where there are no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HookEvent:
    """What a hook is told."""

    upload: Upload
    """As it is (`post_*`), or as it would be (`pre_*`)."""
    request: RequestInfo = field(default_factory=RequestInfo)
    content: Content | None = None
    """For `inspect`, `pre_finish`, and `pre_rename` of what is completed; of `inspect` the first bytes are promised."""
    stop: Callable[[TusError], None] = lambda refusal: None
    """For `post_receive`: end the transfer, remove the upload, and answer with this refusal. Any thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a hook wants the successful reply to have beyond what the protocol puts there."""

    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a pre-hook may answer instead of None. Only `pre_create` may change the upload."""

    upload_id: str | None = None
    """Another id: 1 to 128 letters, digits, `_` and `-`."""
    metadata: Mapping[str, bytes] | None = None
    """All of the metadata anew."""
    answer: Answer | None = None


class HookRefused(TusError):
    """A hook does not allow it, with a status of its choosing (400 to 499; default 403).

    tus-js-client and Uppy try again after 409, 423 and 5xx, and give up on other 4xx (Uppy retries 429 as well).
    """

    code = "refused-by-hook"
    title = "Refused"

    def __init__(
        self,
        detail: str = "",
        *,
        status: int = 403,
        code: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        body: bytes | None = None,
        **members: str | int | None,
    ) -> None:
        super().__init__(detail, headers=headers, **members)
        self.status = status
        self.code = code or self.code
        self.body = body


class Hooks(Protocol):
    """The hooks of a server, as the service sees them: one, whatever it is made of."""

    @property
    def inspect_size(self) -> int:
        """How many of an upload's first bytes `inspect` wants to see; 0 where nobody inspects."""

    def handles(self, name: HookName) -> bool:
        """Whether there is anybody to ask or tell."""

    async def ask(self, name: PreHook, event: HookEvent) -> Changes:
        """Ask every hook in turn. Raises the `TusError` of the first that refuses; within a bounded time.

        A hook that fails or takes too long counts as a refusal that passes: `protocol.errors.Unavailable`.
        """

    def tell(self, name: PostHook, event: HookEvent) -> None:
        """Tell every hook, in the background; in order for one upload. Event loop only; never blocks, never raises."""
