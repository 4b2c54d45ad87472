"""A SOME/IP service over UDP."""

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Thread

from jumpstarter.driver import Driver
from jumpstarter_driver_someip.driver import SomeIp

from ports import free_udp_port

HEADER = struct.Struct("!HHLHHBBBB")


def serve(server: socket.socket) -> None:
    """Answer each message with its payload backwards; the method 0x0bad has no answer."""
    while True:
        try:
            datagram, client = server.recvfrom(65536)
        except OSError:
            return
        service, method, _, sender, session, protocol, interface, _, _ = HEADER.unpack(datagram[:16])
        payload = datagram[16:][::-1]
        if method != 0x0BAD:
            head = HEADER.pack(service, method, 8 + len(payload), sender, session, protocol, interface, 0x80, 0)
            server.sendto(head + payload, client)


@asynccontextmanager
async def drivers(directory: Path) -> AsyncIterator[dict[str, Driver]]:
    """`someip` sends to the service."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    Thread(target=serve, args=(server,), daemon=True).start()
    try:
        yield {
            "someip": SomeIp(
                host="127.0.0.1",
                port=free_udp_port(),
                multicast_port=free_udp_port(),
                remote_host="127.0.0.1",
                remote_port=server.getsockname()[1],
            )
        }
    finally:
        server.close()
