"""mitmproxy, and a server behind it."""

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from jumpstarter.driver import Driver
from jumpstarter_driver_mitmproxy.driver import MitmproxyDriver
from jumpstarter_driver_network.driver import TcpNetwork

from ports import free_port


class Origin(BaseHTTPRequestHandler):
    """The server that the device means to reach."""

    def do_GET(self) -> None:
        body = json.dumps({"version": "1.0", "path": self.path}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@asynccontextmanager
async def drivers(directory: Path) -> AsyncIterator[dict[str, Driver]]:
    """`proxy`, and the address of the server in `origin`."""
    # The driver starts the programs that are installed beside this Python.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    server = ThreadingHTTPServer(("127.0.0.1", 0), Origin)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield {
            "proxy": MitmproxyDriver(
                listen={"port": free_port()}, web={"port": free_port()}, directories={"data": str(directory / "proxy")}
            ),
            "origin": TcpNetwork(host="127.0.0.1", port=server.server_address[1]),
        }
    finally:
        server.shutdown()
        server.server_close()
