"""Peers behind sockets that are not TCP: each sends back what it receives."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import websockets
from jumpstarter.driver import Driver
from jumpstarter_driver_network.driver import TcpNetwork, UdpNetwork, UnixNetwork, WebsocketNetwork

from ports import free_port


class Datagrams(asyncio.DatagramProtocol):
    """Answer each datagram with one."""

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self.transport.sendto(data, address)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def answer(connection: websockets.ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


@asynccontextmanager
async def drivers(directory: Path) -> AsyncIterator[dict[str, Driver]]:
    """`udp`, `unix` and `websocket`; nobody listens for `tcp_gone`, `unix_gone` and `websocket_gone`."""
    loop = asyncio.get_running_loop()
    datagrams, _ = await loop.create_datagram_endpoint(Datagrams, local_addr=("127.0.0.1", 0))
    path = directory / "echo.sock"
    nowhere = free_port()
    try:
        async with await asyncio.start_unix_server(echo, path), websockets.serve(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            yield {
                "udp": UdpNetwork(host="127.0.0.1", port=datagrams.get_extra_info("sockname")[1]),
                "unix": UnixNetwork(path=str(path)),
                "websocket": WebsocketNetwork(url=f"ws://127.0.0.1:{port}"),
                "tcp_gone": TcpNetwork(host="127.0.0.1", port=nowhere),
                "unix_gone": UnixNetwork(path=str(directory / "gone.sock")),
                "websocket_gone": WebsocketNetwork(url=f"ws://127.0.0.1:{nowhere}"),
            }
    finally:
        datagrams.close()
