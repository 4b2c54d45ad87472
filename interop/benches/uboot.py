"""U-Boot on a scripted console, and a board that flashes itself from the exporter's servers."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from jumpstarter.driver import Driver, export
from jumpstarter_driver_flashers.driver import BaseFlasher
from jumpstarter_driver_http.driver import HttpServer
from jumpstarter_driver_power.driver import MockPower
from jumpstarter_driver_pyserial.driver import PySerial
from jumpstarter_driver_tftp.driver import Tftp
from jumpstarter_driver_uboot.driver import UbootConsole
from ports import free_udp_port
from scripted_board import Board

MANIFEST = """
apiVersion: jumpstarter.dev/v1alpha1
kind: FlashBundleManifest
metadata: {{ name: scripted }}
spec:
  manufacturer: Acme
  link: null
  bootcmd: bootz 0x80200000 - 0x83000000
  default_target: emmc
  targets: {{ emmc: "{emmc}" }}
  kernel: {{ file: kernel.bin, address: "0x80200000" }}
  dtb:
    default: rev-a
    address: "0x83000000"
    variants: {{ rev-a: {{ file: rev-a.dtb }}, rev-b: {{ file: rev-b.dtb }} }}
  preflash_commands: [echo ready]
"""


@dataclass(kw_only=True)
class BoardPower(MockPower):
    """A supply with a board behind it."""

    switch: Callable[[bool], None]

    @export
    async def on(self) -> None:
        self.switch(True)

    @export
    async def off(self) -> None:
        self.switch(False)


class ScriptedFlasher(BaseFlasher):
    """A flasher whose bundle is a directory, as it is once it has been downloaded."""

    def _download_to_cache(self) -> str:
        return self.cache_dir


@asynccontextmanager
async def drivers(directory: Path) -> AsyncIterator[dict[str, Driver]]:
    """`uboot` with `power` and `serial`; `flasher` with the same board; its memory is the file `emmc` in `directory`.

    The port of `serial_gone` is not there.
    """
    bundle = directory / "bundle"
    bundle.mkdir()
    for name in ("kernel.bin", "rev-a.dtb", "rev-b.dtb"):
        (bundle / name).write_bytes(name.encode() * 100)
    (bundle / "manifest.yaml").write_text(MANIFEST.format(emmc=directory / "emmc"))
    tftp_port = free_udp_port()
    board = Board(directory, tftp_port)
    power = BoardPower(switch=board.switch)
    serial = PySerial(url=board.port)
    uboot = UbootConsole(children={"power": power, "serial": serial})
    try:
        yield {
            "uboot": uboot,
            "serial_gone": PySerial(url=str(directory / "no-such-port"), check_present=False),
            "flasher": ScriptedFlasher(
                cache_dir=str(bundle),
                children={
                    "power": power,
                    "serial": serial,
                    "uboot": uboot,
                    "tftp": Tftp(root_dir=str(directory / "tftp"), host="127.0.0.1", port=tftp_port),
                    "http": HttpServer(root_dir=str(directory / "http"), host="127.0.0.1", port=0),
                },
            ),
        }
    finally:
        board.close()
