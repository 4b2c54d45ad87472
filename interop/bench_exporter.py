"""The Python exporter of the benchmark: the same driver as packages/core/benchmark/driver.ts.

python interop/bench_exporter.py --unix PATH [--drivers N]

Prints one JSON line when it is ready, and ends when its standard input ends. `jmp run` serves the driver as well.
"""

import argparse
import asyncio
import hashlib
import json
import os
import random
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.streams.stapled
from anyio import EndOfStream, create_memory_object_stream
from anyio.abc import ObjectStream
from jumpstarter.common import ExporterStatus
from jumpstarter.driver import Driver, export, exportstream
from jumpstarter.exporter.session import Session
from jumpstarter_driver_composite.driver import Composite
from jumpstarter_driver_power.driver import MockPower

GROUP = 50
BLOCK = (random.Random(1).randbytes(16_384) + bytes(49_152)) * 16


@dataclass(kw_only=True)
class Source(ObjectStream[bytes]):
    """Says a number of bytes and ends."""

    chunk: bytes
    left: int

    async def receive(self) -> bytes:
        if self.left == 0:
            raise EndOfStream
        data = self.chunk[: self.left]
        self.left -= len(data)
        return data

    async def send(self, item: bytes) -> None:
        pass

    async def send_eof(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


@dataclass(kw_only=True)
class Sink(ObjectStream[bytes]):
    """Counts what it hears, and says the count after the end."""

    size: int = 0
    ended: anyio.Event = field(default_factory=anyio.Event)
    reported: bool = False

    async def receive(self) -> bytes:
        await self.ended.wait()
        if self.reported:
            raise EndOfStream
        self.reported = True
        return str(self.size).encode()

    async def send(self, item: bytes) -> None:
        self.size += len(item)

    async def send_eof(self) -> None:
        self.ended.set()

    async def aclose(self) -> None:
        pass


@dataclass(kw_only=True)
class BenchDriver(Driver):
    """What the benchmark calls."""

    _source: tuple[int, int] = field(init=False, default=(0, 0))

    @classmethod
    def client(cls) -> str:
        return "jumpstarter.client.DriverClient"

    @export
    async def identity(self, value: Any) -> Any:
        """The argument."""
        return value

    @export
    async def count(self, n: int) -> AsyncGenerator[int, None]:
        """Yield 0 to n-1."""
        for i in range(int(n)):
            yield i

    @export
    async def prepare(self, chunk: int, size: int) -> None:
        """What `source` will say: `size` bytes in chunks."""
        self._source = (int(chunk), int(size))

    @exportstream
    @asynccontextmanager
    async def source(self) -> AsyncIterator[ObjectStream[bytes]]:
        """Say what was prepared."""
        chunk, size = self._source
        yield Source(chunk=BLOCK[:chunk], left=size)

    @exportstream
    @asynccontextmanager
    async def sink(self) -> AsyncIterator[ObjectStream[bytes]]:
        """Count what is said."""
        yield Sink()

    @exportstream
    @asynccontextmanager
    async def echo(self) -> AsyncIterator[ObjectStream[bytes]]:
        """Say what is heard."""
        tx, rx = create_memory_object_stream[bytes](32)
        async with anyio.streams.stapled.StapledObjectStream(tx, rx) as stream:
            yield stream

    @export
    async def consume(self, handle: Any) -> str:
        """Read a resource to its end and return the sha256."""
        digest = hashlib.sha256()
        async with self.resource(handle) as stream:
            async for chunk in stream:
                digest.update(chunk)
        return digest.hexdigest()

    @export
    async def produce(self, handle: Any, chunk: int, size: int) -> str:
        """Write `size` bytes in chunks and return the sha256."""
        digest = hashlib.sha256()
        data, left = BLOCK[: int(chunk)], int(size)
        async with self.resource(handle) as stream:
            while left > 0:
                piece = data[:left]
                await stream.send(piece)
                digest.update(piece)
                left -= len(piece)
        return digest.hexdigest()


def make_tree(drivers: int) -> Driver:
    """The driver of the benchmark, and as many more in groups."""
    children: dict[str, Driver] = {"bench": BenchDriver()}
    for start in range(0, drivers, GROUP):
        size = min(GROUP, drivers - start) - 1
        children[f"group{start // GROUP}"] = Composite(children={f"power{i}": MockPower() for i in range(size)})
    return Composite(children=children)


async def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--unix", required=True)
    parser.add_argument("--drivers", type=int, default=0)
    options = parser.parse_args()
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def watch() -> None:
        while os.read(0, 4096):
            pass
        loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=watch, daemon=True).start()
    with Session(root_device=make_tree(options.drivers)) as session:
        session.update_status(ExporterStatus.LEASE_READY, "")
        async with session.serve_port_async(f"unix://{options.unix}"):
            print(json.dumps({"pid": os.getpid()}), flush=True)
            await stop.wait()


if __name__ == "__main__":
    asyncio.run(main())
