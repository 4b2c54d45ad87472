"""Drives every part of exporter.py with upstream's own Python client; run it after changing the probe."""

import asyncio
import base64
import bz2
import gzip
import hashlib
import json
import lzma
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import grpc
from anyio import BrokenResourceError, EndOfStream
from anyio.from_thread import BlockingPortal
from google.protobuf import empty_pb2
from jumpstarter.client import client_from_path
from jumpstarter.client.core import DriverError, DriverInvalidArgument, DriverMethodNotImplemented
from jumpstarter.common import ExporterStatus, LogSource
from jumpstarter.config.tls import TLSConfigV1Alpha1
from jumpstarter.streams.encoding import zstd
from jumpstarter_protocol import jumpstarter_pb2, jumpstarter_pb2_grpc

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from interop.client import LocalBytes, ProbeClient  # noqa: E402
from interop.probe import SOURCE_SIZE, pattern  # noqa: E402

CHECKS: list[Callable[[Any], Awaitable[None]]] = []


def check(function: Callable[[Any], Awaitable[None]]) -> Callable[[Any], Awaitable[None]]:
    """Register a check; it gets the root client."""
    CHECKS.append(function)
    return function


@contextmanager
def exporter(*args: str) -> Iterator[dict[str, Any]]:
    """Run exporter.py and yield what it printed; it must end by itself when its standard input ends."""
    command = [sys.executable, str(HERE / "exporter.py"), *args]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.stdin.close()
            started = time.monotonic()
            assert process.wait(10) == 0, process.returncode
            assert time.monotonic() - started < 5


@asynccontextmanager
async def connect(address: str, **options: Any) -> AsyncIterator[Any]:
    """The root client of an exporter."""
    async with BlockingPortal() as portal:
        with ExitStack() as stack:
            async with client_from_path(address, portal, stack, allow=[], unsafe=True, **options) as client:
                yield client


@contextmanager
def raises(kind: type[Exception], text: str, code: grpc.StatusCode | None = None) -> Iterator[None]:
    """Expect an exception with a text, and a gRPC status when it keeps one."""
    try:
        yield
    except kind as e:
        assert text in str(e), f"{text!r} not in {e!r}"
        assert code is None or e.code() == code, e
    else:
        raise AssertionError(f"{kind.__name__} not raised")


async def until(probe: ProbeClient, event: str) -> list[str]:
    """Wait for a lifecycle event."""
    with anyio.fail_after(5):
        while event not in (events := await probe.call_async("events")):
            await anyio.sleep(0.01)
    return events


async def items(client: Any, method: str, *args: Any) -> list[Any]:
    """All items of a streaming call."""
    return [item async for item in client.streamingcall_async(method, *args)]


async def drain(stream: Any) -> bytes:
    """Everything until the end of a byte stream."""
    return b"".join([chunk async for chunk in stream])


def sha256(data: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(data).hexdigest()


@check
async def tree(root: Any) -> None:
    report = await root.stub.GetReport(empty_pb2.Empty())
    assert report.labels["jumpstarter.dev/name"] == "interop"
    names = [r.labels.get("jumpstarter.dev/name", "") for r in report.reports]
    drivers = "power sync_power storage mux flasher echo tcp refused serial nested inner power alias probe"
    assert names == ["", *drivers.split()], names
    assert report.reports[0].labels["interop.example/board"] == "probe"
    assert report.reports[0].description == "Interop board"
    assert report.reports[1].methods_description["on"] == "Switch the board on"
    inner = root.children["nested"].children["inner"].children["power"]
    assert inner.uuid == root.children["alias"].uuid
    assert root.children["probe"].labels["jumpstarter.dev/client"] == "interop.client.ProbeClient"


@check
async def power(root: Any) -> None:
    for name in ("power", "sync_power", "alias"):
        client = root.children[name]
        assert await client.call_async("on") is None
        readings = await items(client, "read")
        assert readings == [{"voltage": 0.0, "current": 0.0}, {"voltage": 5.0, "current": 2.0}], readings


@check
async def values(root: Any) -> None:
    probe = root.children["probe"]
    v = await probe.call_async("values")
    assert v["none"] is None and v["nan"] is None and v["inf"] is None and v["minus_inf"] is None
    assert v["two_53_plus_1"] == 2.0**53 and str(v["minus_zero"]) == "-0.0" and v["big_int"] == 1e30
    assert v["bytes"] == "é" and v["uuid"] == "12345678-1234-5678-1234-567812345678"
    assert v["datetime_utc"] == "2024-01-02T03:04:05Z" and v["datetime_naive"] == "2024-01-02T03:04:05.678000"
    assert v["date"] == "2024-01-02" and v["time"] == "03:04:05" and v["timedelta"] == "PT1H2.5S"
    assert (v["decimal"], v["path"], v["ip"], v["regex"], v["complex"]) == ("1.50", "/a/b", "10.0.0.1", "a+", "1+2j")
    assert (v["enum_string"], v["enum_number"], v["tuple"], v["set"]) == ("red", 2, [1, "a"], [7])
    assert v["generator"] == [0, 1, 2] and v["dataclass"] == {"x": 1, "y": 2.5}
    assert v["model"] == {"voltage": 5.0, "label": None}
    assert v["odd_keys"] == {"2": "int", "true": "bool", "None": "none", "2.5": "float"}, v["odd_keys"]
    assert v["special_keys"]["__proto__"] == "p" and v["nested_empty"] == [[], {}, [[]], {"a": {}, "b": []}]
    assert await probe.call_async("echo", 1, "a", None, [{}]) == [1.0, "a", None, [{}]]
    assert await probe.call_async("identity", {"a": [True]}) == {"a": [True]}
    assert await probe.call_async("describe", 5) == "5.0"
    assert await probe.call_async("typed", 5, "x") == {"count": 5.0, "name": "x"}
    assert await probe.call_async("nan") is None
    assert len(await probe.call_async("big", 100_000)) == 100_000
    assert await probe.call_async("nested", 3) == [[[None]]]
    assert await probe.call_async("nested_struct", 2) == {"k": {"k": None}}
    assert await probe.call_async("depth", [[{"a": []}]]) == 4
    with raises(DriverInvalidArgument, "should be a valid integer"):
        await probe.call_async("typed", 5.5, "x")
    for method in ("not_utf8", "unencodable"):
        with raises(DriverInvalidArgument, "Unable to serialize" if method == "unencodable" else "invalid utf-8"):
            await probe.call_async(method)
    with raises(DriverError, ""):
        await probe.call_async("huge_int")


@check
async def failures(root: Any) -> None:
    probe = root.children["probe"]
    expected = {
        "not_implemented": (DriverMethodNotImplemented, "UNIMPLEMENTED: no"),
        "value_error": (DriverInvalidArgument, "INVALID_ARGUMENT: no"),
        "timeout": (DriverError, "DEADLINE_EXCEEDED: no"),
        "connection": (DriverError, "UNKNOWN: no"),
        "connection_reset": (DriverError, "UNKNOWN: [Errno 104] no"),
        "os_error": (DriverError, "UNKNOWN: no"),
        "file_not_found": (DriverError, "UNKNOWN: [Errno 2] no"),
        "runtime": (DriverError, "UNKNOWN: no"),
        "key_error": (DriverError, "UNKNOWN: 'no'"),
        "type_error": (DriverError, "UNKNOWN: no"),
    }
    for kind, (error, text) in expected.items():
        for method in ("fail", "fail_sync"):
            with raises(error, text):
                await probe.call_async(method, kind, "no")
        with raises(error, text.split(": ", 1)[1]):
            await items(probe, "fail_after", 0, kind, "no")
    with raises(DriverError, "UNKNOWN: <no details>"):
        await probe.call_async("fail", "runtime")
    for method, text in {
        "missing": "not found on driver",
        "unexported": "marker_drivercall",
        "count": "marker",
    }.items():
        with raises(DriverMethodNotImplemented, text):
            await probe.call_async(method)
    got = []
    with raises(DriverError, "late"):
        async for item in probe.streamingcall_async("fail_after", 3, "runtime", "late"):
            got.append(item)
    assert got == [0, 1, 2], got


@check
async def streaming(root: Any) -> None:
    probe = root.children["probe"]
    assert await items(probe, "count", 5) == [0, 1, 2, 3, 4]
    assert await items(probe, "count", 2, 0.01) == [0, 1]
    assert await items(probe, "count_sync", 3) == [0, 1, 2]
    assert [len(s) for s in await items(probe, "flood", 20, 1000)] == [1000] * 20
    for method in ("forever", "silent"):
        call = probe.stub.StreamingDriverCall(
            jumpstarter_pb2.StreamingDriverCallRequest(uuid=str(probe.uuid), method=method)
        )
        if method == "forever":
            await call.read()
        await until(probe, f"{method}:open")
        call.cancel()
        assert f"{method}:cancelled" in await until(probe, f"{method}:closed")


async def wait_cancelled(call: Any) -> None:
    """Wait for a call that gets cancelled."""
    with suppress(asyncio.CancelledError):
        await call


@check
async def cancellation(root: Any) -> None:
    probe = root.children["probe"]
    call = probe.stub.DriverCall(jumpstarter_pb2.DriverCallRequest(uuid=str(probe.uuid), method="hang"))
    async with anyio.create_task_group() as group:
        group.start_soon(wait_cancelled, call)
        await until(probe, "hang:open")
        assert await probe.call_async("open_count") == 1
        call.cancel()
    assert "hang:cancelled" in await until(probe, "hang:closed")
    assert await probe.call_async("open_count") == 0
    assert await probe.call_async("sleep", 0.01) == 0.01
    assert await probe.call_async("sleep_sync", 0.01) == 0.01


@check
async def resources(root: Any) -> None:
    probe: ProbeClient = root.children["probe"]
    data = os.urandom(300_000)
    whole = {"size": len(data), "sha256": sha256(data)}
    assert await probe.upload("consume", data) == whole
    assert await probe.upload("consume", b"") == {"size": 0, "sha256": sha256(b"")}
    assert await probe.upload("consume_slow", data) == whole
    assert await probe.upload("consume_partial", data, 100_000) == {"size": 131072, "sha256": sha256(data[:131072])}
    with raises(DriverError, "consumer failed after 131072 bytes"):
        await probe.upload("consume_fail", data, 100_000)
    assert f"consume:eof:{len(data)}" in await probe.call_async("events")
    for encoding, compress in {
        "gzip": gzip.compress,
        "xz": lzma.compress,
        "bz2": bz2.compress,
        "zstd": zstd.compress,
    }.items():
        assert await probe.upload("consume", compress(data), encoding=encoding) == whole, encoding
    for size, chunk in ((0, 1), (10, 3), (300_000, 65536), (3_000_000, 1_000_000)):
        digest, received = await probe.download("produce", size, chunk)
        assert received == pattern(0, size) and digest == sha256(received), (size, chunk)
    with raises(DriverError, "producer failed after 100 bytes"):
        await probe.download("produce_fail", 100)
    local = LocalBytes(data=b"abc" * 1000)
    async with probe.resource_async(local) as handle:
        assert await probe.call_async("transform", handle) == 3000
    assert bytes(local.received) == b"ABC" * 1000
    with raises(DriverInvalidArgument, "union_tag"):
        await probe.call_async("consume", {"kind": "nonsense"})
    stream = probe.stub.Stream(metadata=[("request", json.dumps({"kind": "resource", "uuid": str(probe.uuid)}))])
    handle = json.loads(dict(await stream.initial_metadata())["resource"])
    assert await probe.call_async("ignore", handle) is None
    stream.cancel()


@check
async def byte_streams(root: Any) -> None:
    probe = root.children["probe"]
    for name in ("bytes_echo", "connect"):
        async with probe.stream_async(name) as stream:
            await stream.send(b"hello")
            assert await stream.receive() == b"hello"
            await stream.send(b"last")
            await stream.send_eof()
            assert await drain(stream) == b"last"
    async with probe.stream_async("source_fixed") as stream:
        assert await drain(stream) == pattern(0, SOURCE_SIZE)
    async with probe.stream_async("source_endless") as stream:
        assert await stream.receive() == pattern(0, 65536)
    for name in ("sink", "sink_slow"):
        async with probe.stream_async(name) as stream:
            for _ in range(3):
                await stream.send(b"x" * 1000)
            await stream.send_eof()
            assert json.loads(await drain(stream)) == {"size": 3000, "sha256": sha256(b"x" * 3000)}
        assert f"{name}:eof:3000" in await probe.call_async("events")
    async with probe.stream_async("fail_open") as stream:
        with raises(BrokenResourceError, ""):
            try:
                await stream.receive()
            except BrokenResourceError as e:
                assert e.__cause__.details() == "Unexpected <class 'ConnectionRefusedError'>: nope", e.__cause__
                assert e.__cause__.code() == grpc.StatusCode.UNKNOWN
                raise
    async with probe.stream_async("fail_mid") as stream:
        assert await stream.receive() == b"first"
        with raises((EndOfStream, BrokenResourceError), ""):
            await stream.receive()
    async with probe.stream_async("broken_mid") as stream:
        assert await stream.receive() == b"first"
        with anyio.move_on_after(0.2) as scope:
            await stream.receive()
        assert scope.cancelled_caught
    async with probe.stream_async("closing") as stream:
        assert await drain(stream) == b""
    for name in ("idle", "sink_stuck"):
        async with probe.stream_async(name) as stream:
            await stream.send(b"abc")
            await until(probe, f"{name}:open")
    await until(probe, "idle:eof")


@check
async def network(root: Any) -> None:
    probe = root.children["probe"]
    for name in ("echo", "serial"):
        async with root.children[name].stream_async("connect") as stream:
            await stream.send(b"ping")
            assert await stream.receive() == b"ping"
    async with root.children["tcp"].stream_async("connect") as stream:
        await stream.send(b"hello")
        assert await stream.receive() == b"hello"
        await stream.send_eof()
        assert await drain(stream) == b"bye"
    assert "tcp:eof:5" in await probe.call_async("events")
    assert (await root.children["tcp"].call_async("address")).startswith("tcp://127.0.0.1:")
    async with root.children["refused"].stream_async("connect") as stream:
        with raises(BrokenResourceError, ""):
            await stream.receive()


@check
async def storage(root: Any) -> None:
    opendal = root.children["storage"]
    data = os.urandom(200_000)
    fd = await opendal.call_async("open", "a.bin", "wb")
    async with opendal.resource_async(LocalBytes(data=data)) as handle:
        await opendal.call_async("file_write", fd, handle)
    await opendal.call_async("file_close", fd)
    assert await opendal.call_async("hash", "a.bin", "sha256") == sha256(data)
    assert (await opendal.call_async("stat", "a.bin"))["content_length"] == len(data)
    fd = await opendal.call_async("open", "a.bin", "rb")
    local = LocalBytes()
    async with opendal.resource_async(local) as handle:
        await opendal.call_async("file_read", fd, handle)
    assert bytes(local.received) == data
    assert "a.bin" in await items(opendal, "list", "/")
    for name, write, read in (("mux", "write", "read"), ("flasher", "flash", "dump")):
        client, local = root.children[name], LocalBytes()
        async with client.resource_async(LocalBytes(data=data)) as handle:
            await client.call_async(write, handle)
        async with client.resource_async(local) as handle:
            await client.call_async(read, handle)
        assert bytes(local.received) == data, name


@check
async def logs_and_status(root: Any) -> None:
    probe = root.children["probe"]
    call = probe.stub.LogStream(empty_pb2.Empty())
    for level in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
        await probe.call_async("log", level, f"hello {level}")
        with anyio.fail_after(5):
            while (entry := await call.read()).message != f"hello {level}":
                pass
        assert entry.severity == level and entry.source == LogSource.DRIVER, entry
    call.cancel()
    assert await probe.get_status_async() == ExporterStatus.LEASE_READY
    await probe.call_async("set_status", "AFTER_LEASE_HOOK", "busy")
    status = await probe.stub.GetStatus(jumpstarter_pb2.GetStatusRequest())
    assert (status.status, status.message, status.status_version) == (ExporterStatus.AFTER_LEASE_HOOK, "busy", 2)
    await probe.call_async("set_status", "LEASE_READY")
    ended = await probe.stub.EndSession(jumpstarter_pb2.EndSessionRequest())
    assert (ended.success, ended.message) == (False, "No active lease context")


async def all_checks(address: str) -> None:
    """Every check on one connection each."""
    for function in CHECKS:
        async with connect(address) as root:
            await root.children["probe"].call_async("clear_events")
            with anyio.fail_after(30):
                await function(root)
        print("ok", function.__name__)


async def transports(ready: dict[str, Any]) -> None:
    """The same tree on every port."""
    ca = base64.b64encode(ready["tls"]["ca"].encode()).decode()
    for name, address, options in (
        ("tcp", ready["tcp"], {"insecure": True}),
        ("tls", ready["tls"]["address"], {"tls_config": TLSConfigV1Alpha1(ca=ca)}),
        ("passphrase", ready["passphraseTcp"], {"insecure": True, "passphrase": "secret"}),
    ):
        async with connect(address, **options) as root:
            assert await root.children["probe"].call_async("echo", name) == [name]
            async with root.children["echo"].stream_async("connect") as stream:
                await stream.send(b"x")
                assert await stream.receive() == b"x"
        print("ok", name)
    async with grpc.aio.insecure_channel(ready["passphraseTcp"]) as channel:
        with raises(grpc.aio.AioRpcError, "invalid or missing passphrase", grpc.StatusCode.UNAUTHENTICATED):
            await jumpstarter_pb2_grpc.ExporterServiceStub(channel).GetReport(empty_pb2.Empty())


async def old_exporter(ready: dict[str, Any]) -> None:
    """No status calls, another status, a chosen socket."""
    async with connect(ready["unix"]) as root:
        assert await root.children["probe"].get_status_async() is None
        assert await root.children["probe"].end_session_async() is False
    print("ok old exporter")


if __name__ == "__main__":
    with exporter("--tcp", "--tls", "--passphrase", "secret") as started:
        anyio.run(all_checks, started["unix"])
        anyio.run(transports, started)
    with exporter("--no-status", "--status", "AVAILABLE") as started:
        anyio.run(old_exporter, started)
    print("all ok")
