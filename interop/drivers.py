"""A Python exporter with published drivers, each with the peer that it needs, for the tests of the catalogue.

    python drivers.py BENCH...

A bench is a module of `benches`: its `drivers(directory)` is an async context manager with the drivers of the bench by name, and it ends
what it started. Only the named benches are imported. Prints one JSON line when it is ready, and ends when its standard input ends or on
SIGTERM.
"""

import argparse
import asyncio
import importlib
import json
import logging
import os
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from jumpstarter.common import ExporterStatus
from jumpstarter.driver import Driver
from jumpstarter.exporter.session import Session
from jumpstarter_driver_composite.driver import Composite

from standard_input import watch


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benches", nargs="+", metavar="BENCH")
    parser.add_argument("--verbose", action="store_true", help="write the exporter's log to standard error")
    return parser.parse_args()


async def main(names: list[str], directory: Path) -> None:
    """Serve until told to stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    watch(stop, loop)
    unix_path = str(directory / "exporter.sock")
    async with AsyncExitStack() as stack:
        children: dict[str, Driver] = {}
        for name in names:
            bench = importlib.import_module(f"benches.{name}")
            children.update(await stack.enter_async_context(bench.drivers(directory)))
        with Session(labels={"jumpstarter.dev/name": "drivers"}, root_device=Composite(children=children)) as session:
            session.update_status(ExporterStatus.LEASE_READY)
            async with session.serve_port_async(f"unix://{unix_path}"):
                print(json.dumps({"unix": unix_path, "pid": os.getpid()}), flush=True)
                await stop.wait()


if __name__ == "__main__":
    arguments = parse_args()
    logging.getLogger().setLevel(logging.INFO)
    logging.getLogger().addHandler(logging.StreamHandler(sys.stderr) if arguments.verbose else logging.NullHandler())
    with TemporaryDirectory(prefix="jmp-drivers-", ignore_cleanup_errors=True) as name:
        asyncio.run(main(arguments.benches, Path(name)))
