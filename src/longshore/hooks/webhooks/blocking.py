"""A hook that asks the receiver: the request waits for the answer, or goes on without (`post_receive`)."""

import time
from collections.abc import Callable, Collection
from typing import Final, Literal
from uuid import uuid4

from longshore.hooks.webhooks.answers import BadAnswer, Response, changes_of, read_response, refusal_of
from longshore.hooks.webhooks.failures import FailureLog
from longshore.hooks.webhooks.payload import BLOCKING_TYPES, hook_payload, without_credentials
from longshore.hooks.webhooks.sender import ANSWER_LIMIT, Received, ReceiverFailed, Sender
from longshore.ports.hooks import Changes, HookEvent
from longshore.protocol.errors import Unavailable

_GRACE: Final = 1.0
"""Seconds that it may take, beyond the sender's time limit, to find out what an answer means."""


class WebhookUnavailable(Unavailable):
    """The receiver, whose consent is needed, does not answer; clients try again."""

    code = "webhook-unavailable"
    title = "The receiver of the webhook does not answer"


class WebhookHook:
    """An in-process hook with those of `pre_create`, `pre_finish`, `pre_terminate`, `post_receive` that are wanted."""

    def __init__(
        self,
        sender: Sender,
        *,
        events: Collection[str],
        on_failure: Literal["refuse", "allow"] = "refuse",
        forward_headers: Collection[str] = (),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the hook types to ask about (`pre-create` …; others are none of this hook's business).

        `on_failure` says what becomes of a request where the receiver fails: `refuse` it for now, or `allow` it.
        `forward_headers` are header fields to pass on although they hold credentials. How long an answer may take is
        the sender's time limit; whoever calls the hook must not be less patient.
        """
        self._sender = sender
        # Whoever calls hooks goes by this, and must not be less patient than the sender is.
        self.time_limit = sender.time_limit + _GRACE
        self._allows = on_failure == "allow"
        self._kept_headers = frozenset(name.lower() for name in forward_headers)
        self._log = FailureLog(sender.receiver, monotonic)
        # A method that nobody asked for must not be there: whoever calls hooks goes by that.
        for hook_type in set(events).intersection(BLOCKING_TYPES):
            name = hook_type.replace("-", "_")
            setattr(self, name, getattr(self, f"_{name}"))

    async def _pre_create(self, event: HookEvent) -> Changes:
        return await self._consent("pre-create", event, lambda response: response.rejects_upload)

    async def _pre_finish(self, event: HookEvent) -> Changes:
        return await self._consent("pre-finish", event, lambda response: False)

    async def _pre_terminate(self, event: HookEvent) -> Changes:
        return await self._consent("pre-terminate", event, lambda response: response.rejects_termination)

    async def _post_receive(self, event: HookEvent) -> None:
        try:
            response = await self._ask("post-receive", event)
            refusal = refusal_of(response) if response.stops_upload else None
        except (ReceiverFailed, BadAnswer) as error:
            self._log.note(f"post-receive failed, {error}", "the upload goes on")
            return
        if refusal is not None:
            event.stop(refusal)

    async def _consent(self, hook_type: str, event: HookEvent, rejects: Callable[[Response], bool]) -> Changes:
        """Ask, and raise the receiver's refusal, or `WebhookUnavailable` where it fails."""
        try:
            response = await self._ask(hook_type, event)
            refusal = refusal_of(response) if rejects(response) else None
            changes = changes_of(response) if refusal is None else Changes()
        except (ReceiverFailed, BadAnswer) as error:
            return self._go_without(hook_type, str(error))
        if refusal is not None:
            raise refusal
        # Only before its creation can an upload be changed.
        return changes if hook_type == "pre-create" else Changes(answer=changes.answer)

    async def _ask(self, hook_type: str, event: HookEvent) -> Response:
        request = without_credentials(event.request, self._kept_headers)
        payload = hook_payload(hook_type, event.upload, request)
        received = await self._sender.send(payload, f"req_{uuid4().hex}")
        return read_response(_body(received))

    def _go_without(self, hook_type: str, reason: str) -> Changes:
        self._log.note(f"{hook_type} failed, {reason}", f"the upload is {'allowed' if self._allows else 'refused'}")
        if not self._allows:
            raise WebhookUnavailable
        return Changes()


def _body(received: Received) -> bytes:
    if not 200 <= received.status < 300:
        raise ReceiverFailed(f"it answered {received.status}")
    if received.body is None:
        raise ReceiverFailed(f"its answer broke off, or is larger than {ANSWER_LIMIT} bytes")
    return received.body
