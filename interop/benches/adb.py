"""An ADB server without devices."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from jumpstarter.driver import Driver
from jumpstarter_driver_adb.driver import AdbServer

from ports import free_port


@asynccontextmanager
async def drivers(directory: Path) -> AsyncIterator[dict[str, Driver]]:
    """`adb` is the server, on a port of its own."""
    driver = AdbServer(port=free_port())
    try:
        yield {"adb": driver}
    finally:
        driver.kill_server()
