"""A connection from kernel to browser that sends small messages at once.

Jupyter's server (2.21) leaves Nagle's algorithm on: after one small message the next waits until
the browser has acknowledged the first, which takes it up to 40 ms. A slider has several such
messages for every move: "busy", the new picture, "idle".
"""

from typing import Any

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection


class PromptConnection(ZMQChannelsWebsocketConnection):
    """The connection of Jupyter's server, without Nagle's algorithm."""

    def connect(self) -> Any:
        self.websocket_handler.set_nodelay(True)
        return super().connect()
