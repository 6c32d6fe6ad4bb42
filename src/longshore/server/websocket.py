"""uvicorn's WebSocket protocol, so that a peer that takes nothing any more cannot keep its connection.

It also knows when a handshake has been refused.

uvicorn closes such a connection in an orderly way, which waits for the peer: one that is stopped, or whose network has
gone, would hold it, and all that is still to be sent, for good.
"""

import logging

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

logger = logging.getLogger("uvicorn.error.websocket")
"""uvicorn tells of every handshake, which is for the access log."""


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """The same, but cut off where it would be waited for."""

    closing_time = 10.0
    """Seconds that a peer has to take what is still to be sent, the close frame last."""

    def handle_connect(self, event: object) -> None:
        """Begin the handshake."""
        self.logger = logger
        super().handle_connect(event)  # type: ignore[arg-type]

    async def send(self, message: ASGISendEvent) -> None:
        """Send; a close frame also where the peer has stopped reading, and then the peer has not long.

        A handshake that the application has refused with a response of its own is over with that. uvicorn would have
        it open, and log as an error that the application leaves it so.
        """
        closes = message["type"] == "websocket.close"
        if closes:
            self.writable.set()
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = True
        if closes and self.close_timer is not None:
            self.close_timer.cancel()
            self.close_timer = self.loop.call_later(self.closing_time, self.transport.abort)

    def shutdown(self) -> None:
        """Close because the server stops."""
        super().shutdown()
        self.loop.call_later(self.closing_time, self.transport.abort)

    def keepalive_timeout(self) -> None:
        """Give the peer up: it has not answered a ping."""
        super().keepalive_timeout()
        self.transport.abort()
