"""CAN buses of python-can, which live in the memory of this process, with all that speaks over them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import can
import isotp
from jumpstarter.driver import Driver
from jumpstarter_driver_can.driver import Can, IsoTpPython
from jumpstarter_driver_uds_can.driver import UdsCan

from control_unit import ControlUnit

VIRTUAL = "virtual"


class Notifier(can.Notifier):
    """Ends soon: it waits for a frame for less than a second before it sees that it was stopped."""

    def __init__(self, bus: can.BusABC, listeners: list) -> None:
        super().__init__(bus, listeners, timeout=0.05)


class SilentBus(can.BusABC):
    """A bus that breaks when it is used."""

    def __init__(self, channel: str) -> None:
        super().__init__(channel)
        self.channel_info = channel

    def send(self, msg: can.Message, timeout: float | None = None) -> None:
        raise can.CanOperationError("the transceiver is in its bus-off state")

    def _recv_internal(self, timeout: float | None) -> tuple[can.Message | None, bool]:
        raise can.CanOperationError("the transceiver is in its bus-off state")


def broken_bus() -> Can:
    """A driver whose bus breaks."""
    driver = Can(channel="broken", interface=VIRTUAL)
    driver.bus.shutdown()
    driver.bus = SilentBus("broken")
    return driver


def channel(send: int, receive: int) -> IsoTpPython:
    """One end of an ISO-TP channel between two identifiers."""
    address = isotp.Address(isotp.AddressingMode.Normal_11bits, txid=send, rxid=receive)
    return IsoTpPython(channel="isotp", interface=VIRTUAL, address=address)


@asynccontextmanager
async def drivers(directory: Path) -> AsyncIterator[dict[str, Driver]]:
    """Two ends of a bus, two ends of an ISO-TP channel, and a control unit that speaks UDS; `uds_silent` has no unit."""
    can.Notifier = Notifier
    bus = can.Bus(channel="uds", interface=VIRTUAL)
    notifier = can.Notifier(bus, [])
    address = isotp.Address(isotp.AddressingMode.Normal_11bits, txid=0x7E8, rxid=0x7E0)
    stack = isotp.NotifierBasedCanStack(bus, notifier, address=address)
    stack.start()
    unit = ControlUnit()
    unit.serve(lambda: stack.recv(block=True, timeout=0.1), stack.send)
    try:
        yield {
            "can": Can(channel="can", interface=VIRTUAL),
            "can_peer": Can(channel="can", interface=VIRTUAL),
            "can_broken": broken_bus(),
            "isotp": channel(0x700, 0x708),
            "isotp_peer": channel(0x708, 0x700),
            "uds": UdsCan(channel="uds", interface=VIRTUAL, txid=0x7E0, rxid=0x7E8),
            "uds_silent": UdsCan(channel="nobody", interface=VIRTUAL, txid=0x7E0, rxid=0x7E8, request_timeout=0.2),
        }
    finally:
        unit.stop()
        stack.stop()
        notifier.stop()
        bus.shutdown()
