"""The serial channels of a Tegra board behind the demultiplexer of NVIDIA, for which a program of the bench stands in."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from jumpstarter.driver import Driver
from jumpstarter_driver_pyserial.nvdemux.driver import NVDemuxSerial

from program import write_program

# It has one channel, a pseudo terminal that sends back what it receives.
DEMUXER = f"""#!{sys.executable}
import os, pty, tty
channel, line = pty.openpty()
tty.setraw(line)
print(os.ttyname(line) + "\\tCCPLEX: 0", flush=True)
while True:
    os.write(channel, os.read(channel, 4096))
"""


@asynccontextmanager
async def drivers(directory: Path) -> AsyncIterator[dict[str, Driver]]:
    """`channel` is on the board; `channel_gone` is one that the board does not have."""
    device = directory / "tegra"
    device.touch()
    program = write_program(directory / "nv_tcu_demuxer", DEMUXER)
    channels = {
        "channel": NVDemuxSerial(demuxer_path=program, device=str(device), target="CCPLEX: 0"),
        "channel_gone": NVDemuxSerial(demuxer_path=program, device=str(device), target="BPMP: 1", timeout=0.2),
    }
    try:
        yield channels
    finally:
        for channel in channels.values():
            channel.close()
