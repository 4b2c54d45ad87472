"""A unit that speaks XCP on TCP, with 64 KiB of memory."""

import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Thread

from jumpstarter.driver import Driver
from jumpstarter_driver_xcp.driver import Xcp

UNKNOWN = b"\xfe\x20"
OUT_OF_RANGE = b"\xfe\x22"
OK = b"\xff"
NAME = b"engine"


class Unit:
    """Serves one client after the other."""

    def __init__(self) -> None:
        self.memory = bytearray(0x10000)
        self.memory[0x1000:0x1008] = b"calib-07"
        self.memory[0x2000:0x2004] = b"\xff\x00\xff\x00"
        self.address = 0
        self.reading: bytes | None = None
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        Thread(target=self.accept, daemon=True).start()

    def close(self) -> None:
        try:
            self.server.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.server.close()

    def accept(self) -> None:
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client: socket.socket) -> None:
        counter = 0
        with client, client.makefile("rb") as read:
            while len(header := read.read(4)) == 4:
                size = struct.unpack("<HH", header)[0]
                answer = self.answer(read.read(size))
                client.sendall(struct.pack("<HH", len(answer), counter) + answer)
                counter = counter + 1 & 0xFFFF

    def read(self, address: int, size: int) -> bytes:
        return OK + self.memory[address : address + size] if address + size <= len(self.memory) else OUT_OF_RANGE

    def answer(self, packet: bytes) -> bytes:
        command, data = packet[0], packet[1:]
        match command:
            case 0xFF:  # CONNECT: calibration, Intel byte order, packets of 255 bytes
                return OK + struct.pack("<BBBHBB", 0x01, 0x00, 255, 255, 1, 1)
            case 0xFE:  # DISCONNECT
                return OK
            case 0xFD:  # GET_STATUS
                return OK + struct.pack("<BBBH", 0, 0, 0, 0)
            case 0xFA:  # GET_ID
                self.reading = NAME
                return OK + struct.pack("<BHL", 0, 0, len(NAME))
            case 0xF6:  # SET_MTA
                self.reading, self.address = None, struct.unpack("<L", data[3:7])[0]
                return OK
            case 0xF5:  # UPLOAD
                if self.reading is not None:
                    return OK + self.reading[: data[0]]
                self.address += data[0]
                return self.read(self.address - data[0], data[0])
            case 0xF4:  # SHORT_UPLOAD
                return self.read(struct.unpack("<L", data[3:7])[0], data[0])
            case 0xF3:  # BUILD_CHECKSUM: the sum of the bytes
                size = struct.unpack("<L", data[3:7])[0]
                total = sum(self.memory[self.address : self.address + size])
                self.address += size
                return OK + struct.pack("<BHL", 0x01, 0, total)
            case 0xF0:  # DOWNLOAD
                self.memory[self.address : self.address + data[0]] = data[1 : 1 + data[0]]
                self.address += data[0]
                return OK
            case _:
                return UNKNOWN


CONFIG = """\
c = get_config()
c.Transport.layer = "ETH"
c.Transport.Eth.host = "127.0.0.1"
c.Transport.Eth.port = {port}
c.Transport.Eth.protocol = "TCP"
"""


class OpenXcp(Xcp):
    """The published driver forgets to open pyXCP's connection before it uses it."""

    def _ensure_master(self) -> None:
        closed = self._master is None
        super()._ensure_master()
        if closed:
            self._master.__enter__()


@asynccontextmanager
async def drivers(directory: Path) -> AsyncIterator[dict[str, Driver]]:
    """`xcp` reaches the unit; `xcp_published`, as it is published, does not."""
    unit = Unit()
    # The driver names its configuration with an option that pyXCP does not have, so that only this variable works.
    config = directory / "pyxcp_conf.py"
    config.write_text(CONFIG.format(port=unit.port))
    os.environ["PYXCP_CONFIG"] = str(config)
    try:
        place = {"host": "127.0.0.1", "port": unit.port}
        yield {"xcp": OpenXcp(**place), "xcp_published": Xcp(**place)}
    finally:
        unit.close()
