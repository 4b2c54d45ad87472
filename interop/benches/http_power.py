"""A power switch behind an HTTP server that the bench answers for."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from jumpstarter.driver import Driver
from jumpstarter_driver_http_power.driver import HttpEndpointConfig, HttpPower


class Switch(BaseHTTPRequestHandler):
    """`POST /on` and `POST /off` switch a load of 5 V and 2 A; `GET /meter` measures it."""

    on = False

    def answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def do_POST(self) -> None:
        if self.path not in ("/on", "/off"):
            return self.answer(404, "no such switch")
        Switch.on = self.path == "/on"
        return self.answer(200, "ok")

    def do_GET(self) -> None:
        self.answer(200, json.dumps({"meters": [{"volts": 5 if Switch.on else 0, "amps": 2 if Switch.on else 0}]}))

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@asynccontextmanager
async def drivers(directory: Path) -> AsyncIterator[dict[str, Driver]]:
    """`http_power` switches the load; `http_power_dead` has nobody to ask."""
    # The exporter runs synchronous streaming calls on its event loop, so a peer has to live elsewhere.
    server = ThreadingHTTPServer(("127.0.0.1", 0), Switch)
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    dead = HttpEndpointConfig(url="http://127.0.0.1:9/", method="POST")
    try:
        yield {
            "http_power": HttpPower(
                power_on=HttpEndpointConfig(url=f"{url}/on", method="POST"),
                power_off=HttpEndpointConfig(url=f"{url}/off", method="POST"),
                power_read=HttpEndpointConfig(
                    url=f"{url}/meter", voltage_path="meters.0.volts", current_path="meters.0.amps"
                ),
            ),
            "http_power_dead": HttpPower(power_on=dead, power_off=dead),
        }
    finally:
        server.shutdown()
        server.server_close()
