"""A Noyito relay board on a pseudo terminal that the bench answers for."""

import os
import pty
import threading
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from jumpstarter.driver import Driver
from jumpstarter_driver_noyito_relay.driver import NoyitoPowerSerial


def serve(board: int, channels: dict[int, bool]) -> None:
    """Do what the commands of a board with two relays say, until the terminal is closed."""
    while True:
        try:
            command = os.read(board, 4)
        except OSError:
            return
        if command == b"\xff":
            lines = [f"CH{channel}: {'ON' if on else 'OFF'}\r\n" for channel, on in channels.items()]
            # The driver waits two seconds for an answer that has fewer bytes.
            os.write(board, "".join(lines).ljust(32, "\n").encode())
        elif len(command) == 4 and command[0] == 0xA0 and command[3] == sum(command[:3]) & 0xFF:
            channels[command[1]] = command[2] == 1


@asynccontextmanager
async def drivers(directory: Path) -> AsyncIterator[dict[str, Driver]]:
    """`relay` and `relay_pair` switch one and both relays; `relay_gone` is not plugged in."""
    board, line = pty.openpty()
    tty.setraw(line)
    port = os.ttyname(line)
    # Without an open end of its own, a terminal is closed when a driver closes it.
    thread = threading.Thread(target=serve, args=(board, {1: False, 2: False}), daemon=True)
    thread.start()
    try:
        yield {
            "relay": NoyitoPowerSerial(port=port),
            "relay_pair": NoyitoPowerSerial(port=port, all_channels=True),
            "relay_gone": NoyitoPowerSerial(port=str(directory / "no-such-port")),
        }
    finally:
        os.close(line)
        thread.join(timeout=1)
        os.close(board)
