"""A D-Bus daemon of a session."""

import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from jumpstarter.driver import Driver
from jumpstarter_driver_network.driver import DbusNetwork


@asynccontextmanager
async def drivers(directory: Path) -> AsyncIterator[dict[str, Driver]]:
    """`dbus` reaches the daemon."""
    address = f"unix:path={directory / 'bus'}"
    daemon = subprocess.Popen(
        ["dbus-daemon", "--session", "--nofork", "--nopidfile", f"--address={address}", "--print-address=1"],
        stdout=subprocess.PIPE,
    )
    try:
        # The line says that the daemon listens.
        os.environ["DBUS_SESSION_BUS_ADDRESS"] = daemon.stdout.readline().decode().strip()
        yield {"dbus": DbusNetwork(kind="session")}
    finally:
        daemon.terminate()
        daemon.wait()
