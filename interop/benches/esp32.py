"""An ESP32 whose flash memory is a file, where esptool would find a chip on the serial port."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

import esptool.cmds
from jumpstarter.driver import Driver
from jumpstarter_driver_esp32.driver import Esp32Flasher
from jumpstarter_driver_pyserial.driver import PySerial

SIZE = 4 * 1024 * 1024


class Chip:
    """What esptool knows of a chip that it has connected to."""

    IS_STUB = True

    def __init__(self, memory: Path) -> None:
        self.memory = memory

    def get_chip_description(self) -> str:
        return "ESP32-D0WD-V3 (revision v3.1)"

    def get_chip_features(self) -> list[str]:
        return ["Wi-Fi", "BT"]

    def read_mac(self) -> tuple[int, ...]:
        return (0x24, 0x6F, 0x28, 0x0A, 0x0B, 0x0C)

    def hard_reset(self) -> None:
        """Nothing runs."""


def write_flash(chip: Chip, images: list[tuple[int, BinaryIO]]) -> None:
    content = bytearray(chip.memory.read_bytes())
    for address, image in images:
        data = image.read()
        content[address : address + len(data)] = data
    chip.memory.write_bytes(content)


def read_flash(chip: Chip, address: int, size: int, output: str) -> None:
    Path(output).write_bytes(chip.memory.read_bytes()[address : address + size])


def erase_flash(chip: Chip) -> None:
    chip.memory.write_bytes(b"\xff" * SIZE)


@asynccontextmanager
async def drivers(directory: Path) -> AsyncIterator[dict[str, Driver]]:
    """`esp32`, whose memory is the file `esp32.bin`, and `esp32_gone`, whose port has no chip."""
    memory = directory / "esp32.bin"
    erase_flash(Chip(memory))

    def detect_chip(port: str, **options: object) -> Chip:
        if port != "loop://":
            raise esptool.FatalError(f"Could not open {port}, the port is busy or doesn't exist.")
        return Chip(memory)

    esptool.cmds.detect_chip = detect_chip
    esptool.cmds.write_flash = write_flash
    esptool.cmds.read_flash = read_flash
    esptool.cmds.erase_flash = erase_flash
    yield {
        "esp32": Esp32Flasher(children={"serial": PySerial(url="loop://")}),
        "esp32_gone": Esp32Flasher(
            children={"serial": PySerial(url=str(directory / "no-such-port"), check_present=False)}
        ),
    }
