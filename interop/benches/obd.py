"""An ELM327 adapter on a pseudo terminal, in a vehicle that idles."""

import os
import pty
import threading
import time
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import obd.elm327
from jumpstarter.driver import Driver
from jumpstarter_driver_obd.driver import OBD

# What one control unit answers: the commands it supports (status, engine speed), its status, 1840 revolutions a minute.
ANSWERS = {
    b"0100": b"7E8 06 41 00 80 10 00 00",
    b"0101": b"7E8 06 41 01 81 07 65 04",
    b"010C": b"7E8 04 41 0C 1C C0",
    b"04": b"7E8 01 44",
}
ADAPTER = {b"ATZ": b"ELM327 v1.5", b"ATRV": b"12.4V", b"ATDPN": b"A6"}


def serve(adapter: int, echo: bool = True) -> None:
    """Answer the lines of a client, until the terminal is closed."""
    line = b""
    while True:
        try:
            received = os.read(adapter, 64)
        except OSError:
            return
        line += received
        while b"\r" in line:
            command, _, line = line.partition(b"\r")
            word = command.replace(b" ", b"").upper()
            if word == b"ATE0":
                echo = False
            known = ADAPTER.get(word, b"OK") if word.startswith(b"AT") else ANSWERS.get(word, b"NO DATA")
            os.write(adapter, (command + b"\r" if echo else b"") + known + b"\r\r>")


@asynccontextmanager
async def drivers(directory: Path) -> AsyncIterator[dict[str, Driver]]:
    """`obd` reaches the vehicle."""
    # python-obd gives a real adapter a second after each of four commands.
    obd.elm327.time = SimpleNamespace(sleep=lambda seconds: time.sleep(seconds / 10))
    adapter, line = pty.openpty()
    tty.setraw(line)
    thread = threading.Thread(target=serve, args=(adapter,), daemon=True)
    thread.start()
    try:
        yield {"obd": OBD(port=os.ttyname(line))}
    finally:
        os.close(line)
        thread.join(timeout=1)
        os.close(adapter)
