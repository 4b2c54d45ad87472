"""Jumpstarter's Python client under the benchmark; packages/core/benchmark/clientProcess.ts is its counterpart.

python interop/bench_client.py ADDRESS

The address of an exporter in a lab is the configuration of a client there, `NAME.yaml`, under whose lease `NAME` it is.
"""

import asyncio
import hashlib
import json
import os
import resource
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

# Its progress bar is drawn on standard output.
os.environ["TERM"] = "dumb"

from anyio import EndOfStream, from_thread
from anyio.abc import ObjectStream
from jumpstarter.client import client_from_path
from jumpstarter.config.client import ClientConfigV1Alpha1
from jumpstarter_driver_opendal.adapter import AsyncFileStream
from opendal import AsyncOperator

PAGE = resource.getpagesize()


class HashingStream(ObjectStream[bytes]):
    """A sink that keeps nothing but the digest."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self.size = 0

    async def receive(self) -> bytes:
        raise EndOfStream

    async def send(self, item: bytes) -> None:
        self.digest.update(item)
        self.size += len(item)

    async def send_eof(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


def check(condition: bool, text: str) -> None:
    """Fail the work, and with it the run."""
    if not condition:
        raise AssertionError(text)


class Works:
    """The works, by name."""

    def __init__(self, client: Any, connect: Callable[[str], Any], lease_of: Callable[[bool], Any]) -> None:
        self.bench = client.children["bench"]
        self.connect_to = connect
        self.lease_of = lease_of

    async def unary(self, count: int, inFlight: int) -> None:
        async def loop(start: int) -> None:
            for i in range(start, count, inFlight):
                check(await self.bench.call_async("identity", i) == i, "another answer than the argument")

        await asyncio.gather(*(loop(start) for start in range(inFlight)))

    async def items(self, count: int) -> None:
        expected = 0
        async for item in self.bench.streamingcall_async("count", count):
            check(item == expected, f"item {item} where {expected} was due")
            expected += 1
        check(expected == count, f"{expected} items of {count}")

    async def receive(self, chunk: int, bytes: int) -> None:
        await self.bench.call_async("prepare", chunk, bytes)
        size = 0
        async with self.bench.stream_async("source") as stream:
            async for data in stream:
                size += len(data)
        check(size == bytes, f"{size} bytes of {bytes}")

    async def send(self, chunk: int, bytes: int) -> None:
        data = os.urandom(chunk)
        async with self.bench.stream_async("sink") as stream:
            for _ in range(bytes // chunk):
                await stream.send(data)
            await stream.send_eof()
            report = await stream.receive()
        check(int(report) == bytes, f"the exporter counted {report} bytes of {bytes}")

    async def upload(self, path: str, sha256: str, encoding: str | None = None) -> None:
        operator = AsyncOperator("fs", root=os.path.dirname(path))
        name = os.path.basename(path)
        stream = AsyncFileStream(file=await operator.open(name, "rb"), metadata=await operator.stat(name))
        async with self.bench.resource_async(stream, encoding) as handle:
            digest = await self.bench.call_async("consume", handle)
        check(digest == sha256, "the exporter's digest is another")

    async def uploads(self, path: str, sha256: str, count: int) -> None:
        await asyncio.gather(*(self.upload(path, sha256) for _ in range(count)))

    async def download(self, chunk: int, bytes: int) -> None:
        sink = HashingStream()
        async with self.bench.resource_async(sink) as handle:
            digest = await self.bench.call_async("produce", handle, chunk, bytes)
        check(sink.size == bytes, f"{sink.size} bytes of {bytes}")
        check(sink.digest.hexdigest() == digest, "the digests differ")

    async def streams(self, count: int) -> None:
        everybody = asyncio.Barrier(count)

        async def one(number: int) -> None:
            async with self.bench.stream_async("echo") as stream:
                await everybody.wait()
                await stream.send(str(number).encode())
                check(await stream.receive() == str(number).encode(), "another echo")

        await asyncio.gather(*(one(number) for number in range(count)))

    async def firstAnswer(self, creates: bool) -> Callable[[], Any]:
        undo = AsyncExitStack()
        bench = (await undo.enter_async_context(self.lease_of(creates))).children["bench"]
        check(await bench.call_async("identity", 1) == 1, "another answer than the argument")
        return undo.aclose

    async def connections(self, address: str, count: int) -> None:
        async with AsyncExitStack() as stack:

            async def one() -> None:
                client = await stack.enter_async_context(self.connect_to(address))
                check(await client.children["bench"].call_async("identity", 1) == 1, "another answer")

            await asyncio.gather(*(one() for _ in range(count)))

    async def connect(self, address: str, drivers: int) -> None:
        async with self.connect_to(address) as client:
            found = sum(1 + len(child.children) for name, child in client.children.items() if name != "bench")
        check(found == drivers, f"{found} drivers of {drivers}")


class Memory:
    """Samples the resident memory of this process."""

    def __init__(self) -> None:
        self.peak = self.start = self.now()
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    @staticmethod
    def now() -> int:
        """Resident bytes now; the highest so far where there is no /proc."""
        try:
            with open("/proc/self/statm") as file:
                return int(file.read().split()[1]) * PAGE
        except OSError:
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    def watch(self) -> None:
        while not self.done.wait(0.05):
            self.peak = max(self.peak, self.now())

    def growth(self) -> int:
        """How far it went up, at most."""
        self.done.set()
        self.thread.join()
        return max(self.peak, self.now()) - self.start


def cpu() -> float:
    """Processor seconds this process has used."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def serve(address: str, portal: Any, stack: ExitStack) -> None:
    """Do one work for each line."""

    @asynccontextmanager
    async def lease_of(creates: bool) -> AsyncIterator[Any]:
        config = ClientConfigV1Alpha1.from_file(address)
        lease_name = Path(address).stem
        exporter, name = (f"{lease_name}-spare", None) if creates else (None, lease_name)
        async with config.lease_async(None, exporter, name, timedelta(days=1), portal) as lease:
            async with lease.connect_async(stack) as client:
                yield client

    @asynccontextmanager
    async def connect(address: str) -> AsyncIterator[Any]:
        if address.endswith(".yaml"):
            async with lease_of(False) as client:
                yield client
        else:
            async with client_from_path(address, portal, stack, allow=[], unsafe=True, insecure=True) as client:
                yield client

    def say(message: Any) -> None:
        print(json.dumps(message), flush=True)

    loop = asyncio.get_running_loop()
    async with connect(address) as client:
        works = Works(client, connect, lease_of)
        say({"pid": os.getpid()})
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            request = json.loads(line)
            work = getattr(works, request.pop("work"))
            try:
                memory, before, start = Memory(), cpu(), time.perf_counter()
                undo = await work(**request)
                seconds, used = time.perf_counter() - start, cpu() - before
                if undo is not None:
                    await undo()
                say({"seconds": seconds, "cpu": used, "growth": memory.growth()})
            except Exception as error:
                say({"error": f"{type(error).__name__}: {error}"})


async def main() -> None:
    """Serve in the one event loop there is: the blocking API would add a thread and a wait to every call."""
    async with from_thread.BlockingPortal() as portal:
        with ExitStack() as stack:
            await serve(sys.argv[1], portal, stack)


asyncio.run(main())
