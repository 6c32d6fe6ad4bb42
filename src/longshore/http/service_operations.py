"""What can be asked besides files and accounts, for the OpenAPI document: events, probes and metrics."""

from typing import Final, Literal

from pydantic import BaseModel, Field

from longshore.http.events import UpgradeRequired
from longshore.http.operations import Answer, Content, Operation, Parameter, json_of
from longshore.http.subscribing import InvalidSubscription, OriginNotAllowed
from longshore.hub.messages import TYPES
from longshore.hub.places import NoPlaceLeft, TooManySubscriptions
from longshore.protocol.errors import Forbidden

_CheckResult = Literal["ok", "failed"]


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"]


class Readiness(BaseModel):
    """Whether the server can do its work."""

    status: Literal["ready", "unready"]
    checks: dict[str, _CheckResult] = Field(description="How each check went.")


_SUBSCRIBING: Final = (
    "As a WebSocket (subprotocol `longshore.v1`; browsers offer their token as another one, `bearer.` and it), or"
    " as server-sent events with `Accept: text/event-stream`. Messages are CloudEvents 1.0 in JSON. The first one tells"
    " the position; `after` has everything behind that event told first. A WebSocket is closed with 4401 when the token"
    " ends, and with 1013 where the client cannot keep up: go on after the last event."
)

_TYPES: Final = f"Only events of these types: {', '.join(f'`{name}`' for name in sorted(TYPES))}."

_REPEATED: Final = {"type": "array", "items": {"type": "string"}}


def event_operation() -> Operation:
    """Subscribing to events."""
    return Operation(
        method="GET",
        path="/events",
        id="subscribe",
        tag="events",
        summary="Be told what happens to uploads",
        description=_SUBSCRIBING,
        parameters=(
            Parameter(name="type", where="query", description=_TYPES, schema=_REPEATED),
            Parameter(name="upload", where="query", description="Only events of these uploads.", schema=_REPEATED),
            Parameter(
                name="after",
                where="query",
                description="The id of the last event that is known.",
                schema={"type": "string", "pattern": "^[0-9]{1,18}$"},
            ),
            Parameter(name="Last-Event-ID", description="The same, as browsers send it."),
        ),
        answers={
            101: Answer(description="A WebSocket."),
            200: Answer(description="A stream.", content=Content(media_types=("text/event-stream",))),
        },
        errors=(InvalidSubscription, OriginNotAllowed, UpgradeRequired, TooManySubscriptions, NoPlaceLeft),
    )


def probe_operations() -> list[Operation]:
    """Whether the server is there, and well."""
    return [
        Operation(
            method="GET",
            path="/healthz",
            id="isAlive",
            tag="operation",
            summary="See whether the process answers",
            answers={200: json_of(Alive, "It does.")},
            access="open",
        ),
        Operation(
            method="GET",
            path="/readyz",
            id="isReady",
            tag="operation",
            summary="See whether the server can do its work",
            answers={200: json_of(Readiness, "It can."), 503: json_of(Readiness, "It cannot.")},
            access="open",
        ),
    ]


def metrics_operation(*, is_public: bool) -> Operation:
    """What is counted."""
    return Operation(
        method="GET",
        path="/metrics",
        id="readMetrics",
        tag="operation",
        summary="Read the metrics, as Prometheus does",
        answers={200: Answer(description="The metrics.", content=Content(media_types=("text/plain",)))},
        errors=() if is_public else (Forbidden,),
        access="open" if is_public else "token",
    )
