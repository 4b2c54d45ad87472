"""A Python exporter of one pretended board, for the examples: `power`, `serial` and `flasher`.

Switched on, the board says its boot loader's prompt on a serial port, and answers there from then on. Prints the path of
its Unix socket when it is ready, and ends when its standard input ends or on SIGTERM.
"""

import asyncio
import os
import pty
import signal
import sys
import tty
from collections.abc import Callable
from dataclasses import dataclass

from jumpstarter.common import ExporterStatus
from jumpstarter.driver import export
from jumpstarter.exporter.session import Session
from jumpstarter_driver_composite.driver import Composite
from jumpstarter_driver_opendal.driver import MockFlasher
from jumpstarter_driver_power.driver import MockPower
from jumpstarter_driver_pyserial.driver import PySerial

PROMPT = b"=> "
ANSWERS = {b"version": b"U-Boot 2026.01\r\n"}


@dataclass(kw_only=True)
class BoardPower(MockPower):
    """A supply with a board behind it."""

    boot: Callable[[], None]

    @export
    async def on(self) -> None:
        """Switch the board on."""
        await super().on()
        self.boot()


def start_board(loop: asyncio.AbstractEventLoop) -> tuple[Callable[[], None], str]:
    """A boot loader behind a pseudo-terminal: what boots it, and the device of its serial port."""
    board, port = pty.openpty()
    # No echo, and no line ends made up by the terminal.
    tty.setraw(port)
    line = b""

    def hear() -> None:
        nonlocal line
        *lines, line = (line + os.read(board, 4096)).split(b"\n")
        for said in lines:
            os.write(board, ANSWERS.get(said, b"Unknown command\r\n") + PROMPT)

    loop.add_reader(board, hear)
    return lambda: os.write(board, b"U-Boot 2026.01\r\n" + PROMPT), os.ttyname(port)


async def main() -> None:
    """Serve until told to stop."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_reader(sys.stdin, stop.set)
    boot, port = start_board(loop)
    root = Composite(
        children={"power": BoardPower(boot=boot), "serial": PySerial(url=port), "flasher": MockFlasher()}
    )
    with Session(root_device=root) as session:
        session.update_status(ExporterStatus.LEASE_READY)
        async with session.serve_unix_async() as path:
            print(path, flush=True)
            await stop.wait()


asyncio.run(main())
