"""SOME/IP services over UDP."""

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
RESPONSE, NOTIFICATION, ERROR = 0x80, 0x02, 0x81

# opensomeip 0.1.5 calls methods and subscribes to events here, wherever its configuration says that the service is.
FIXED = ("127.0.0.1", 30490)

# The service with whose name it subscribes, and the methods with which it does.
ANY, SUBSCRIBE, UNSUBSCRIBE = 0xFFFF, 0x0001, 0x0002


def serve(server: socket.socket) -> None:
    """Answer each message with its payload backwards, and each subscription with three events.

    The method 0x0e01 does not exist, and 0x0bad has no answer.
    """
    while True:
        try:
            datagram, client = server.recvfrom(65536)
        except OSError:
            return
        service, method, _, sender, session, protocol, interface, _, _ = HEADER.unpack(datagram[:16])
        payload = datagram[16:]

        def send(kind: int, code: int, content: bytes, method: int = method, session: int = session) -> None:
            head = (service, method, 8 + len(content), sender, session, protocol, interface, kind, code)
            server.sendto(HEADER.pack(*head) + content, client)

        if (service, method) == (ANY, SUBSCRIBE):
            for number in range(1, 4):
                send(NOTIFICATION, 0, payload + bytes([number]), method=0x8010, session=number)
        elif method == 0x0E01:
            send(ERROR, 3, b"")
        elif method != 0x0BAD and (service, method) != (ANY, UNSUBSCRIBE):
            send(RESPONSE, 0, payload[::-1])


def listen(address: tuple[str, int], *, shared: bool = False) -> socket.socket:
    """Serve at an address, which other runs of this bench may share."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    if shared:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    server.bind(address)
    Thread(target=serve, args=(server,), daemon=True).start()
    return server


@asynccontextmanager
async def drivers(directory: Path) -> AsyncIterator[dict[str, Driver]]:
    """`someip` and `someip_closed` have a service that takes messages, and one whose methods they call."""
    service = listen(("127.0.0.1", 0))
    fixed = listen(FIXED, shared=True)

    def endpoint() -> Driver:
        return SomeIp(
            host="127.0.0.1",
            port=free_udp_port(),
            multicast_port=free_udp_port(),
            remote_host="127.0.0.1",
            remote_port=service.getsockname()[1],
        )

    try:
        yield {"someip": endpoint(), "someip_closed": endpoint()}
    finally:
        service.close()
        fixed.close()
