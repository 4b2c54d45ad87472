"""Drivers that need root or the hardware of the exporter's machine, on a bench that stands in for its pins, tools and kernel."""

import os
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import gpiod
import jumpstarter_driver_gpiod.driver as pins
import jumpstarter_driver_iscsi.driver as iscsi
from jumpstarter.driver import Driver
from jumpstarter_driver_dut_network.driver import DutNetwork

from program import write_program

# Answers for an interface with one address, and is silent about the rest.
IP = '#!/bin/sh\ncase "$*" in "-o -4 addr show"*) echo "7: br9 inet 192.168.100.1/24 scope global br9";; esac\n'
NFT = '#!/bin/sh\ncase "$*" in *list*) echo "table ip jumpstarter { }";; esac\n'
SUDO = '#!/bin/sh\nwhile [ "${1#-}" != "$1" ]; do shift; done\nexec "$@"\n'
TCPDUMP = """#!/bin/sh
echo "tcpdump: verbose output suppressed, use -v[v]... for full protocol decode" >&2
echo "listening on br9, link-type EN10MB (Ethernet), snapshot length 262144 bytes" >&2
i=0
while :; do i=$((i + 1)); echo "packet $i of $*"; sleep 0.05; done
"""
# Writes the file by which the driver knows that it runs, and a lease.
DNSMASQ = f"""#!{sys.executable}
import pathlib, os, signal, sys
state = pathlib.Path(next(a for a in sys.argv if a.startswith("--conf-file=")).partition("=")[2]).parent
signal.signal(signal.SIGHUP, lambda *_: None)
(state / "dnsmasq.leases").write_text("1764450000 AA:BB:CC:00:11:22 192.168.100.101 board *\\n")
(state / "dnsmasq.pid").write_text(str(os.getpid()))
while True:
    signal.pause()
"""


class Line:
    """The pins that a driver requested. All drivers of one number share the level."""

    levels: dict[int, gpiod.line.Value] = {}
    changed = threading.Condition()

    def __init__(self, number: int) -> None:
        self.number = number
        self.seen = self.get_value(number)

    def get_value(self, number: int) -> gpiod.line.Value:
        return Line.levels.get(number, gpiod.line.Value.INACTIVE)

    def set_value(self, number: int, value: gpiod.line.Value) -> None:
        with Line.changed:
            Line.levels[number] = value
            Line.changed.notify_all()

    def wait_edge_events(self, timeout: float) -> bool:
        with Line.changed:
            return Line.changed.wait_for(lambda: self.get_value(self.number) != self.seen, min(timeout, threading.TIMEOUT_MAX))

    def read_edge_events(self) -> list[SimpleNamespace]:
        self.seen = self.get_value(self.number)
        rising = self.seen == gpiod.line.Value.ACTIVE
        kind = gpiod.EdgeEvent.Type.RISING_EDGE if rising else gpiod.EdgeEvent.Type.FALLING_EDGE
        return [SimpleNamespace(line_offset=self.number, event_type=kind)]

    def release(self) -> None:
        """Nothing is held."""


class Chip:
    """A chip with any number of pins."""

    def __init__(self, path: str) -> None:
        self.path = path

    def get_line_info(self, number: int) -> SimpleNamespace:
        return SimpleNamespace(name=f"pin{number}")

    def request_lines(self, config: dict[int, object], consumer: str) -> Line:
        return Line(next(iter(config)))

    def close(self) -> None:
        """Nothing is held."""


class Node:
    """An object of the kernel's target, as far as the driver uses it."""

    def __init__(self, *args: object, **options: object) -> None:
        self.args = args
        self.size = options.get("size", 0)

    def delete(self) -> None:
        """Nothing is held."""

    def set_attribute(self, name: str, value: str) -> None:
        """Every attribute is there."""


class File(Node):
    @property
    def udev_path(self) -> object:
        return self.args[1]


class Disk(Node):
    lun = 0


class Group(Node):
    enable = False
    luns: tuple[Disk, ...] = ()
    network_portals: tuple[Node, ...] = ()


class Root(Node):
    targets: tuple[Node, ...] = ()
    storage_objects: tuple[Node, ...] = ()
    fabric_modules = (SimpleNamespace(name="iscsi"),)


@asynccontextmanager
async def drivers(directory: Path) -> AsyncIterator[dict[str, Driver]]:
    """`output`, `input` and `switch` on one pin, `network`, `network_blind` without tcpdump, and `iscsi`."""
    tools = directory / "tools-of-root"
    tools.mkdir()
    for name, text in (("ip", IP), ("nft", NFT), ("sudo", SUDO), ("tcpdump", TCPDUMP), ("dnsmasq", DNSMASQ)):
        write_program(tools / name, text)
    os.environ["PATH"] = f"{tools}:{os.environ['PATH']}"
    pins.gpiod = SimpleNamespace(Chip=Chip, LineSettings=gpiod.LineSettings, line=gpiod.line, EdgeEvent=gpiod.EdgeEvent)
    for name, stand_in in (
        ("RTSRoot", Root),
        ("Target", Node),
        ("TPG", Group),
        ("NetworkPortal", Node),
        ("LUN", Disk),
        ("FileIOStorageObject", File),
    ):
        setattr(iscsi, name, stand_in)
    network = DutNetwork(interface="br9", nat_mode="disabled", state_dir=str(directory / "br9"), enable_tcpdump=True)
    blind = DutNetwork(interface="br8", nat_mode="disabled", state_dir=str(directory / "br8"), dhcp_enabled=False)
    try:
        yield {
            "output": pins.DigitalOutput(line=7),
            "input": pins.DigitalInput(line=7),
            "switch": pins.PowerSwitch(line=7),
            "network": network,
            "network_blind": blind,
            "iscsi": iscsi.ISCSI(root_dir=str(directory / "disks"), host="127.0.0.1"),
        }
    finally:
        network.cleanup()
        blind.cleanup()
