"""Boards that are flashed by copying a file to their USB drive: the drives are directories."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import jumpstarter_driver_pi_pico.driver as pi_pico
import jumpstarter_driver_stlink_msd.driver as stlink
from jumpstarter.driver import Driver
from jumpstarter_driver_opendal.driver import MockStorageMuxFlasher

INFO = "UF2 Bootloader v3.0\nModel: Raspberry Pi RP2\nBoard-ID: RPI-RP2\n"
DETAILS = "# DAPLink Firmware\nVersion: 0221\nBuild: Oct 13 2025\n"


@asynccontextmanager
async def drivers(directory: Path) -> AsyncIterator[dict[str, Driver]]:
    """`pico` and `stlink` with their drives, the directories of these names; `stlink_gone` has none; `mux` is a storage mux."""
    pico_drive, stlink_drive = directory / "pico", directory / "stlink"
    pico_drive.mkdir()
    stlink_drive.mkdir()
    (pico_drive / "INFO_UF2.TXT").write_text(INFO)
    (stlink_drive / "DETAILS.TXT").write_text(DETAILS)
    # The drivers look for drives among the mounted file systems, which a test cannot add to.
    pi_pico.find_all_bootloader_mounts = lambda: [pico_drive] if pico_drive.exists() else []
    stlink.find_stlink_mount = lambda name: stlink_drive if name is None else None
    stlink.find_all_stlink_mounts = lambda: [stlink_drive]
    yield {
        "pico": pi_pico.PiPicoFlasher(),
        "stlink": stlink.StlinkMsdFlasher(),
        "stlink_gone": stlink.StlinkMsdFlasher(volume_name="NOD_F767ZI"),
        "mux": MockStorageMuxFlasher(),
    }
