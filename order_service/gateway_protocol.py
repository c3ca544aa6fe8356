"""HTTP as uvicorn speaks it, and what ASGI leaves out: a response can cut off a client that does not read."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from notifier.sse import ABORT


class GatewayProtocol(HttpToolsProtocol):
    """Offers the ASGI extension `orders.abort`."""

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self.scope["extensions"] = {ABORT: {"abort": self.transport.abort}}
