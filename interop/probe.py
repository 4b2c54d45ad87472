"""A driver whose methods show every behaviour the interop tests look at."""

import asyncio
import dataclasses
import errno
import gc
import hashlib
import ipaddress
import json
import logging
import os
import re
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import field
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio
from anyio import BrokenResourceError, EndOfStream, create_memory_object_stream
from anyio.abc import ObjectStream
from jumpstarter.common import ExporterStatus
from jumpstarter.driver import Driver, export, exportstream
from jumpstarter.exporter.session import Session
from pydantic import BaseModel, validate_call

CHUNK = 65536
SOURCE_SIZE = 1 << 20
PATTERN = bytes(i * 31 % 256 for i in range(256)) * (CHUNK // 256 + 1)


def pattern(offset: int, size: int) -> bytes:
    """Bytes `offset` to `offset + size` of the endless test pattern; byte i is `i * 31 % 256`."""
    start = offset % 256
    return (PATTERN * (size // CHUNK + 1))[start : start + size]


def failure(kind: str, message: str) -> BaseException:
    """An exception of one of the families that upstream maps to a gRPC status."""
    match kind:
        case "not_implemented":
            return NotImplementedError(message)
        case "value_error":
            return ValueError(message)
        case "timeout":
            return TimeoutError(message)
        case "connection":
            return ConnectionError(message)
        case "connection_reset":
            return ConnectionResetError(errno.ECONNRESET, message)
        case "os_error":
            return OSError(message)
        case "file_not_found":
            return FileNotFoundError(errno.ENOENT, message)
        case "runtime":
            return RuntimeError(message)
        case "key_error":
            return KeyError(message)
        case "type_error":
            return TypeError(message)
        case "cancelled":
            return asyncio.CancelledError(message)
        case _:
            return AssertionError(f"unknown kind of failure: {kind}")


class Colour(Enum):
    """An enum with string and number members."""

    RED = "red"
    TWO = 2


@dataclasses.dataclass
class Point:
    """A plain dataclass."""

    x: int
    y: float


class Reading(BaseModel):
    """A pydantic model."""

    voltage: float
    label: str | None = None


@dataclasses.dataclass(kw_only=True)
class ScriptedStream(ObjectStream[bytes]):
    """A byte stream made of functions; what is left out waits forever, accepts everything, or does nothing."""

    on_receive: Callable[[], Awaitable[bytes]] | None = None
    on_send: Callable[[bytes], Awaitable[None]] | None = None
    on_eof: Callable[[], Awaitable[None]] | None = None

    async def receive(self) -> bytes:
        if self.on_receive is None:
            await anyio.sleep_forever()
        return await self.on_receive()

    async def send(self, item: bytes) -> None:
        if self.on_send is not None:
            await self.on_send(item)

    async def send_eof(self) -> None:
        if self.on_eof is not None:
            await self.on_eof()

    async def aclose(self) -> None:
        pass


@dataclasses.dataclass(kw_only=True)
class ProbeDriver(Driver):
    """Records the life of every call, generator, byte stream and resource it serves."""

    _events: list[str] = field(init=False, default_factory=list)
    _bytes: Counter = field(init=False, default_factory=Counter)
    _open: int = field(init=False, default=0)

    @classmethod
    def client(cls) -> str:
        return "interop.client.ProbeClient"

    def record(self, event: str) -> None:
        """Append a lifecycle event."""
        self._events.append(event)

    @contextmanager
    def track(self, name: str) -> Generator[None]:
        """Record `name:open` and `name:closed`, with `name:cancelled` or `name:error:TYPE` in between."""
        self._open += 1
        self.record(f"{name}:open")
        try:
            yield
        except (asyncio.CancelledError, GeneratorExit):
            self.record(f"{name}:cancelled")
            raise
        except BaseException as e:
            self.record(f"{name}:error:{type(e).__name__}")
            raise
        finally:
            self._open -= 1
            self.record(f"{name}:closed")

    # Bookkeeping

    @export
    async def events(self) -> list[str]:
        """Lifecycle events since the start or the last `clear_events`."""
        return list(self._events)

    @export
    async def clear_events(self) -> None:
        """Forget the recorded events and byte counts."""
        self._events.clear()
        self._bytes.clear()

    @export
    async def open_count(self) -> int:
        """How many tracked operations are open now."""
        return self._open

    @export
    async def bytes_count(self, name: str) -> int:
        """How many bytes the named byte stream or resource method has moved."""
        return self._bytes[name]

    @export
    async def set_status(self, name: str, message: str = "") -> None:
        """Change the status of the exporter's session; a controller is told nothing."""
        # Drivers have no way to their session, and `jmp run` makes it itself.
        for session in [o for o in gc.get_objects() if issubclass(type(o), Session) and o.mapping.get(self.uuid) is self]:
            session.update_status(ExporterStatus[name], message)

    @export
    async def pid(self) -> int:
        """The id of the exporter's process."""
        return os.getpid()

    @export
    async def log(self, level: str, message: str) -> None:
        """Emit one log record; `level` is a Python level name."""
        self.logger.log(logging.getLevelNamesMapping()[level], "%s", message)

    def unexported(self) -> str:
        """A method without export marker."""
        return "unreachable"

    # Values

    @export
    def echo(self, *args: Any) -> list[Any]:
        """The arguments as a list (a synchronous method)."""
        return list(args)

    @export
    async def identity(self, value: Any) -> Any:
        """The argument."""
        return value

    @export
    async def describe(self, value: Any) -> str:
        """How Python sees the argument."""
        return repr(value)

    @export
    async def depth(self, value: Any) -> int:
        """How many lists or dicts lie around the innermost value."""
        levels = 0
        while isinstance(value, (list, dict)):
            levels += 1
            value = next(iter(value if isinstance(value, list) else value.values()), None)
        return levels

    @export
    @validate_call(validate_return=True)
    async def typed(self, /, count: int, name: str) -> dict[str, Any]:
        """Arguments checked by pydantic."""
        return {"count": count, "name": name}

    @export
    async def values(self) -> dict[str, Any]:
        """One value for each rule of the value encoding."""
        return {
            "none": None,
            "true": True,
            "false": False,
            "zero": 0,
            "int": 42,
            "negative": -7,
            "float": 1.5,
            "minus_zero": -0.0,
            "two_53": 2**53,
            "two_53_plus_1": 2**53 + 1,
            "max_float": 1.7976931348623157e308,
            "min_float": 5e-324,
            "big_int": 10**30,
            "nan": float("nan"),
            "inf": float("inf"),
            "minus_inf": float("-inf"),
            "empty_string": "",
            "unicode": "é ü 漢字 \U0001f600 \u0000 \u2028",
            "bytes": "é".encode(),
            "bytearray": bytearray(b"abc"),
            "empty_list": [],
            "empty_dict": {},
            "nested_empty": [[], {}, [[]], {"a": {}, "b": []}],
            "nested_none": [None, [None], {"a": None}],
            "mixed": [1, "two", None, True, {"k": [1.5]}],
            "special_keys": {"__proto__": "p", "constructor": "c", "toString": 1, "": "empty"},
            "odd_keys": {2: "int", True: "bool", None: "none", 2.5: "float"},
            "uuid": UUID("12345678-1234-5678-1234-567812345678"),
            "datetime_utc": datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC),
            "datetime_naive": datetime(2024, 1, 2, 3, 4, 5, 678000),
            "date": date(2024, 1, 2),
            "time": time_of_day(3, 4, 5),
            "timedelta": timedelta(hours=1, seconds=2.5),
            "decimal": Decimal("1.50"),
            "path": Path("/a/b"),
            "ip": ipaddress.ip_address("10.0.0.1"),
            "regex": re.compile("a+"),
            "complex": 1 + 2j,
            "enum_string": Colour.RED,
            "enum_number": Colour.TWO,
            "tuple": (1, "a"),
            "set": {7},
            "frozenset": frozenset(["x"]),
            "generator": (i for i in range(3)),
            "dataclass": Point(1, 2.5),
            "model": Reading(voltage=5.0),
        }

    @export
    async def nan(self) -> float:
        """Not a number, which upstream sends as null."""
        return float("nan")

    @export
    async def not_utf8(self) -> bytes:
        """Bytes that cannot be encoded."""
        return b"\xff"

    @export
    async def unencodable(self) -> object:
        """An object that cannot be encoded."""
        return object()

    @export
    async def huge_int(self) -> int:
        """An integer beyond the range of a double."""
        return 10**400

    @export
    async def big(self, n: int) -> str:
        """A string of n characters."""
        return "x" * int(n)

    @export
    async def nested(self, depth: int) -> Any:
        """`depth` lists around null."""
        value: Any = None
        for _ in range(int(depth)):
            value = [value]
        return value

    @export
    async def nested_struct(self, depth: int) -> Any:
        """`depth` dicts around null."""
        value: Any = None
        for _ in range(int(depth)):
            value = {"k": value}
        return value

    # Failures and time

    @export
    async def fail(self, kind: str, message: str = "") -> None:
        """Raise an exception of the given family."""
        raise failure(kind, message)

    @export
    def fail_sync(self, kind: str, message: str = "") -> None:
        """Raise from a worker thread."""
        raise failure(kind, message)

    @export
    async def hang(self) -> None:
        """Never return."""
        with self.track("hang"):
            await anyio.sleep_forever()

    @export
    async def sleep(self, seconds: float) -> float:
        """Return after a while."""
        with self.track("sleep"):
            await anyio.sleep(seconds)
        return seconds

    @export
    def sleep_sync(self, seconds: float) -> float:
        """Block a worker thread; cancellation cannot stop it."""
        with self.track("sleep_sync"):
            time.sleep(seconds)
        return seconds

    # Streaming calls

    @export
    async def count(self, n: int, delay: float = 0) -> AsyncGenerator[int, None]:
        """Yield 0 to n-1."""
        with self.track("count"):
            for i in range(int(n)):
                if delay:
                    await anyio.sleep(delay)
                yield i

    @export
    def count_sync(self, n: int) -> Generator[int, None, None]:
        """Yield 0 to n-1 from a synchronous generator."""
        yield from range(int(n))

    @export
    async def fail_after(self, n: int, kind: str, message: str = "") -> AsyncGenerator[int, None]:
        """Yield 0 to n-1, then raise."""
        with self.track("fail_after"):
            for i in range(int(n)):
                yield i
            raise failure(kind, message)

    @export
    async def forever(self, delay: float = 0.01) -> AsyncGenerator[int, None]:
        """Count until cancelled."""
        with self.track("forever"):
            i = 0
            while True:
                yield i
                i += 1
                await anyio.sleep(delay)

    @export
    async def silent(self) -> AsyncGenerator[int, None]:
        """Yield nothing and never end."""
        with self.track("silent"):
            await anyio.sleep_forever()
            yield 0

    @export
    async def flood(self, n: int, size: int) -> AsyncGenerator[str, None]:
        """Yield n strings as fast as the client takes them; `bytes_count("flood")` tells how far it got."""
        with self.track("flood"):
            for _ in range(int(n)):
                self._bytes["flood"] += int(size)
                yield "x" * int(size)

    # Resources

    async def _read(self, name: str, stream: ObjectStream[bytes], limit: int | None = None, delay: float = 0) -> dict:
        """Read a resource to its end, or until `limit` bytes have come."""
        digest, size = hashlib.sha256(), 0
        async for chunk in stream:
            digest.update(chunk)
            size += len(chunk)
            self._bytes[name] += len(chunk)
            if limit is not None and size >= limit:
                return {"size": size, "sha256": digest.hexdigest()}
            if delay:
                await anyio.sleep(delay)
        self.record(f"{name}:eof:{size}")
        return {"size": size, "sha256": digest.hexdigest()}

    async def _write(self, name: str, stream: ObjectStream[bytes], size: int, chunk: int) -> str:
        """Write `size` bytes of the pattern and return their sha256."""
        digest, offset = hashlib.sha256(), 0
        while offset < size:
            data = pattern(offset, min(chunk, size - offset))
            await stream.send(data)
            digest.update(data)
            offset += len(data)
            self._bytes[name] += len(data)
        return digest.hexdigest()

    @export
    async def consume(self, handle: Any) -> dict:
        """Read everything."""
        with self.track("consume"):
            async with self.resource(handle) as stream:
                return await self._read("consume", stream)

    @export
    async def consume_partial(self, handle: Any, nbytes: int) -> dict:
        """Stop reading once nbytes have come."""
        with self.track("consume_partial"):
            async with self.resource(handle) as stream:
                return await self._read("consume_partial", stream, limit=int(nbytes))

    @export
    async def consume_slow(self, handle: Any, delay: float = 0.01) -> dict:
        """Read everything, pausing after each chunk."""
        with self.track("consume_slow"):
            async with self.resource(handle) as stream:
                return await self._read("consume_slow", stream, delay=delay)

    @export
    async def consume_fail(self, handle: Any, after: int) -> None:
        """Raise once `after` bytes have come."""
        with self.track("consume_fail"):
            async with self.resource(handle) as stream:
                result = await self._read("consume_fail", stream, limit=int(after))
                raise RuntimeError(f"consumer failed after {result['size']} bytes")

    @export
    async def produce(self, handle: Any, size: int, chunk: int = CHUNK) -> str:
        """Write `size` bytes of the pattern and return their sha256."""
        with self.track("produce"):
            async with self.resource(handle) as stream:
                return await self._write("produce", stream, int(size), int(chunk))

    @export
    async def produce_fail(self, handle: Any, size: int) -> None:
        """Write `size` bytes of the pattern, then raise."""
        with self.track("produce_fail"):
            async with self.resource(handle) as stream:
                await self._write("produce_fail", stream, int(size), CHUNK)
                raise RuntimeError(f"producer failed after {int(size)} bytes")

    @export
    async def transform(self, handle: Any) -> int:
        """Read chunks and write them back upper-cased: both directions of one resource."""
        with self.track("transform"):
            async with self.resource(handle) as stream:
                size = 0
                async for chunk in stream:
                    size += len(chunk)
                    await stream.send(chunk.upper())
                return size

    @export
    async def ignore(self, handle: Any) -> None:
        """Return without opening the resource."""
        self.record("ignore")

    # Byte streams

    @asynccontextmanager
    async def _serve(self, name: str, **functions: Any) -> AsyncIterator[ScriptedStream]:
        with self.track(name):
            yield ScriptedStream(**functions)

    def _counted(self, name: str, delay: float = 0) -> Callable[[bytes], Awaitable[None]]:
        async def on_send(item: bytes) -> None:
            self._bytes[name] += len(item)
            if delay:
                await anyio.sleep(delay)

        return on_send

    @exportstream
    @asynccontextmanager
    async def connect(self) -> AsyncIterator[ObjectStream[bytes]]:
        """The stream clients open by default: the same as `bytes_echo`."""
        async with self.bytes_echo() as stream:
            yield stream

    @exportstream
    @asynccontextmanager
    async def bytes_echo(self) -> AsyncIterator[ObjectStream[bytes]]:
        """Send back what arrives; end after the client's end."""
        tx, rx = create_memory_object_stream[bytes](32)

        async def on_send(item: bytes) -> None:
            self._bytes["bytes_echo"] += len(item)
            await tx.send(item)

        async def on_eof() -> None:
            self.record("bytes_echo:eof")
            await tx.aclose()

        with tx, rx:
            async with self._serve("bytes_echo", on_receive=rx.receive, on_send=on_send, on_eof=on_eof) as stream:
                yield stream

    @exportstream
    @asynccontextmanager
    async def source_fixed(self) -> AsyncIterator[ObjectStream[bytes]]:
        """Send 1 MiB of the pattern in chunks of 64 KiB, then end."""
        chunks = iter([pattern(offset, CHUNK) for offset in range(0, SOURCE_SIZE, CHUNK)])

        async def on_receive() -> bytes:
            data = next(chunks, None)
            if data is None:
                raise EndOfStream
            self._bytes["source_fixed"] += len(data)
            return data

        async with self._serve("source_fixed", on_receive=on_receive) as stream:
            yield stream

    @exportstream
    @asynccontextmanager
    async def source_endless(self) -> AsyncIterator[ObjectStream[bytes]]:
        """Send chunks of 64 KiB for ever; `bytes_count("source_endless")` shows back-pressure."""

        async def on_receive() -> bytes:
            self._bytes["source_endless"] += CHUNK
            await anyio.lowlevel.checkpoint()
            return PATTERN[:CHUNK]

        async with self._serve("source_endless", on_receive=on_receive) as stream:
            yield stream

    @asynccontextmanager
    async def _sink(self, name: str, delay: float) -> AsyncIterator[ObjectStream[bytes]]:
        ended, reports, digest = anyio.Event(), [b""], hashlib.sha256()
        count, size = self._counted(name, delay), 0

        async def on_send(item: bytes) -> None:
            nonlocal size
            digest.update(item)
            size += len(item)
            await count(item)

        async def on_eof() -> None:
            self.record(f"{name}:eof:{size}")
            reports[0] = json.dumps({"size": size, "sha256": digest.hexdigest()}).encode()
            ended.set()

        async def on_receive() -> bytes:
            await ended.wait()
            if not reports:
                raise EndOfStream
            return reports.pop()

        async with self._serve(name, on_receive=on_receive, on_send=on_send, on_eof=on_eof) as stream:
            yield stream

    @exportstream
    @asynccontextmanager
    async def sink(self) -> AsyncIterator[ObjectStream[bytes]]:
        """Swallow what arrives; after the client's end send `{"size", "sha256"}` as JSON and end."""
        async with self._sink("sink", 0) as stream:
            yield stream

    @exportstream
    @asynccontextmanager
    async def sink_slow(self) -> AsyncIterator[ObjectStream[bytes]]:
        """Like `sink`, with a pause of 20 ms after each chunk."""
        async with self._sink("sink_slow", 0.02) as stream:
            yield stream

    @exportstream
    @asynccontextmanager
    async def sink_stuck(self) -> AsyncIterator[ObjectStream[bytes]]:
        """Take one chunk and never another."""
        async with self._serve("sink_stuck", on_send=self._counted("sink_stuck", float("inf"))) as stream:
            yield stream

    @exportstream
    @asynccontextmanager
    async def fail_open(self) -> AsyncIterator[ObjectStream[bytes]]:
        """Fail while opening."""
        self.record("fail_open")
        raise ConnectionRefusedError("nope")
        yield

    @exportstream
    @asynccontextmanager
    async def fail_mid(self) -> AsyncIterator[ObjectStream[bytes]]:
        """Send one chunk, then raise an ordinary exception."""
        async with self._serve("fail_mid", on_receive=self._first_then(RuntimeError("mid-stream failure"))) as stream:
            yield stream

    @exportstream
    @asynccontextmanager
    async def broken_mid(self) -> AsyncIterator[ObjectStream[bytes]]:
        """Send one chunk, then break like a lost transport."""
        async with self._serve("broken_mid", on_receive=self._first_then(BrokenResourceError())) as stream:
            yield stream

    @staticmethod
    def _first_then(error: Exception) -> Callable[[], Awaitable[bytes]]:
        chunks = [b"first"]

        async def on_receive() -> bytes:
            if chunks:
                return chunks.pop()
            raise error

        return on_receive

    @exportstream
    @asynccontextmanager
    async def idle(self) -> AsyncIterator[ObjectStream[bytes]]:
        """Never send, accept everything."""

        async def on_eof() -> None:
            self.record("idle:eof")

        async with self._serve("idle", on_send=self._counted("idle"), on_eof=on_eof) as stream:
            yield stream

    @exportstream
    @asynccontextmanager
    async def closing(self) -> AsyncIterator[ObjectStream[bytes]]:
        """End at once, still accept everything."""

        async def on_receive() -> bytes:
            raise EndOfStream

        async with self._serve("closing", on_receive=on_receive, on_send=self._counted("closing")) as stream:
            yield stream
