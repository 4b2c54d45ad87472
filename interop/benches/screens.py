"""A VNC server that only says its version."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from jumpstarter.driver import Driver
from jumpstarter_driver_network.driver import TcpNetwork
from jumpstarter_driver_vnc.driver import Vnc

from ports import free_port


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"RFB 003.008\n")
    await writer.drain()
    await reader.read()
    writer.close()


@asynccontextmanager
async def drivers(directory: Path) -> AsyncIterator[dict[str, Driver]]:
    """`screen` has the server as its child `tcp`; the server of `screen_gone` does not run."""
    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield {
            "screen": Vnc(children={"tcp": TcpNetwork(host="127.0.0.1", port=port)}, default_encrypt=True),
            "screen_gone": Vnc(children={"tcp": TcpNetwork(host="127.0.0.1", port=free_port())}),
        }
