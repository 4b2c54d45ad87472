"""An ADB server without devices."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from jumpstarter.driver import Driver
from jumpstarter_driver_adb.driver import AdbServer


@asynccontextmanager
async def drivers(directory: Path) -> AsyncIterator[dict[str, Driver]]:
    """`adb` is the server, on a port of its own."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    driver = AdbServer(port=port)
    try:
        yield {"adb": driver}
    finally:
        driver.kill_server()
