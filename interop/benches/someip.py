"""SOME/IP services over UDP."""

import asyncio
import fcntl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from jumpstarter.driver import Driver
from jumpstarter_driver_someip.driver import SomeIp

from ports import free_udp_port

HEADER = struct.Struct("!HHLHHBBBB")
RESPONSE, NOTIFICATION, ERROR = 0x80, 0x02, 0x81

# opensomeip 0.1.5 calls methods and subscribes to events here, wherever its configuration says that the service is.
FIXED = ("127.0.0.1", 30490)
LOCK = Path("/tmp/effect-jumpstarter-someip.lock")

# The service with whose name it subscribes, and the methods with which it does.
ANY, SUBSCRIBE, UNSUBSCRIBE = 0xFFFF, 0x0001, 0x0002


class Service(asyncio.DatagramProtocol):
    """Answer each message with its payload backwards, and each subscription with three events.

    The method 0x0e01 does not exist, and 0x0bad has no answer.
    """

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        service, method, _, sender, session, protocol, interface, _, _ = HEADER.unpack(data[:16])
        payload = data[16:]

        def send(kind: int, code: int, content: bytes, method: int = method, session: int = session) -> None:
            head = (service, method, 8 + len(content), sender, session, protocol, interface, kind, code)
            self.transport.sendto(HEADER.pack(*head) + content, address)

        if (service, method) == (ANY, SUBSCRIBE):
            for number in range(1, 4):
                send(NOTIFICATION, 0, payload + bytes([number]), method=0x8010, session=number)
        elif method == 0x0E01:
            send(ERROR, 3, b"")
        elif method != 0x0BAD and (service, method) != (ANY, UNSUBSCRIBE):
            send(RESPONSE, 0, payload[::-1])


@asynccontextmanager
async def drivers(directory: Path) -> AsyncIterator[dict[str, Driver]]:
    """`someip` and `someip_closed` have a service that takes messages, and one whose methods they call."""
    loop = asyncio.get_running_loop()
    with LOCK.open("a") as turn:
        # Other runs of this bench on the machine wait for the fixed port.
        await asyncio.to_thread(fcntl.flock, turn, fcntl.LOCK_EX)
        service, _ = await loop.create_datagram_endpoint(Service, local_addr=("127.0.0.1", 0))
        fixed, _ = await loop.create_datagram_endpoint(Service, local_addr=FIXED)

        def endpoint() -> Driver:
            return SomeIp(
                host="127.0.0.1",
                port=free_udp_port(),
                multicast_port=free_udp_port(),
                remote_host="127.0.0.1",
                remote_port=service.get_extra_info("sockname")[1],
            )

        try:
            yield {"someip": endpoint(), "someip_closed": endpoint()}
        finally:
            service.close()
            fixed.close()
            # The loop closes them now, before the turn is another's.
            await asyncio.sleep(0)
