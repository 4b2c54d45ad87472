"""Drives an exporter with Python's own clients and prints what they saw, as one JSON object on the last line.

python interop/drive.py ADDRESS [--passphrase SECRET]

The exporter has the drivers that packages/core/test/interop/pythonClient.test.ts hosts: `power`, `meterless`, `echo`,
`storage`, `flasher`, `careless`, `console`, `probe` and `nested.power`.
"""

import argparse
import bz2
import gzip
import hashlib
import json
import logging
import lzma
import os
import socket
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from anyio.from_thread import start_blocking_portal
from backports import zstd
from jumpstarter.client import client_from_path
from jumpstarter.streams.encoding import Compression
from jumpstarter_driver_network.adapters import TcpPortforwardAdapter

ENCODINGS: dict[str | None, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    None: (lambda data: data, lambda data: data),
    "gzip": (gzip.compress, gzip.decompress),
    "xz": (lzma.compress, lzma.decompress),
    "bz2": (bz2.compress, bz2.decompress),
    "zstd": (zstd.compress, zstd.decompress),
}


def attempt(action: Callable[[], Any]) -> dict[str, str]:
    """The class and the text of what an action raises."""
    try:
        action()
    except Exception as e:
        return {"class": type(e).__name__, "text": str(e)}
    return {"class": "", "text": ""}


def sha256(data: bytes) -> str:
    """The digest of some bytes in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


class Records(logging.Handler):
    """Keeps the log lines of the exporter."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith("exporter:"):
            self.lines.append(f"{record.name} {record.levelname} {record.getMessage()}")


def tree(client: Any) -> dict[str, Any]:
    """The client classes of a driver and its children."""
    return {"class": type(client).__name__, "children": {name: tree(c) for name, c in client.children.items()}}


def power(client: Any) -> dict[str, Any]:
    """Switches, reads and cycles a power supply."""
    client.on()
    readings = [[r.voltage, r.current] for r in client.read()]
    client.off()
    client.cycle(wait=0)
    return {"readings": readings}


def forward(client: Any) -> str:
    """Sends bytes through a local TCP port that is forwarded to a driver."""
    with TcpPortforwardAdapter(client=client) as address, socket.create_connection(address) as connection:
        connection.sendall(b"through a port")
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while data := connection.recv(65536):
            received += data
    return received.decode()


def storage(client: Any) -> dict[str, Any]:
    """Writes, lists, hashes and reads files."""
    data = os.urandom(1_000_000)
    client.create_dir("images/")
    client.write_bytes("images/a.bin", data)
    capability = client.capability()
    return {
        "same": client.read_bytes("images/a.bin") == data,
        "hash": client.hash("images/a.bin") == sha256(data),
        "size": client.stat("images/a.bin").content_length,
        "exists": [client.exists("images/a.bin"), client.exists("images/b.bin")],
        "capable": [capability.write_can_append, capability.write_total_max_size],
        "list": sorted(client.list("images/")),
    }


def flasher(client: Any, data: bytes) -> dict[str, Any]:
    """Flashes and dumps an image in every encoding."""
    results = {}
    with tempfile.TemporaryDirectory() as directory:
        for name, (compress, decompress) in ENCODINGS.items():
            compression = None if name is None else Compression(name)
            image, dump = Path(directory, "image"), Path(directory, "dump")
            image.write_bytes(compress(data))
            client.flash(str(image), target=str(name), compression=compression)
            client.dump(str(dump), target=str(name), compression=compression)
            results[str(name)] = sha256(decompress(dump.read_bytes()))
    return results


def careless(client: Any, data: bytes) -> int:
    """Flashes and dumps with a driver that opens neither, and answers how many bytes were dumped."""
    with tempfile.TemporaryDirectory() as directory:
        image, dump = Path(directory, "image"), Path(directory, "dump")
        image.write_bytes(data)
        client.flash(str(image))
        client.dump(str(dump))
        return dump.stat().st_size


def console(client: Any) -> list[str]:
    """Talks to a console with pexpect."""
    with client.pexpect() as session:
        session.expect_exact("login: ", timeout=10)
        session.sendline("root")
        session.expect_exact("welcome\r\n# ", timeout=10)
        session.sendline("uname")
        session.expect("([A-Za-z]+)\r\n", timeout=10)
        return [session.match.group(1).decode()]


def failures(client: Any) -> dict[str, Any]:
    """What each family of driver failures becomes, for calls and for streaming calls."""
    reasons = ["NotImplemented", "InvalidArgument", "Timeout", "Connection", "Device", "Other"]
    return {
        "calls": {reason: attempt(lambda reason=reason: client.call("fail", reason, "boom")) for reason in reasons},
        "streams": {
            reason: attempt(lambda reason=reason: list(client.streamingcall("fail_after", reason, "boom")))
            for reason in reasons
        },
        "long": attempt(lambda: client.call("fail", "Other", "é" * 500_000)),
        "long_stream": attempt(lambda: list(client.streamingcall("fail_after", "Other", "x" * 1_000_000))),
        "unknown": attempt(lambda: client.call("nope")),
        "unknown_stream": attempt(lambda: list(client.streamingcall("nope"))),
        "kind": attempt(lambda: client.call("fail_after", "Other", "boom")),
        "kind_stream": attempt(lambda: list(client.streamingcall("fail", "Other", "boom"))),
        "arguments": attempt(lambda: client.call("fail", "Other")),
    }


def main() -> None:
    """Connect, drive everything, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("--passphrase")
    options = parser.parse_args()
    records = Records()
    logging.getLogger().addHandler(records)
    logging.getLogger().setLevel(logging.INFO)

    with start_blocking_portal() as portal, ExitStack() as stack:
        connecting = client_from_path(
            options.address, portal, stack, allow=[], unsafe=True, insecure=True, passphrase=options.passphrase
        )
        with portal.wrap_async_context_manager(connecting) as client, client.log_stream():
            image = os.urandom(2_000_000)
            report = {
                "tree": tree(client),
                "power": power(client.power),
                "echo": forward(client.echo),
                "storage": storage(client.storage),
                "image": sha256(image),
                "flasher": flasher(client.flasher, image),
                "unread": attempt(lambda: list(client.meterless.read())),
                "careless": careless(client.careless, image),
                "console": console(client.console),
                "failures": failures(client.probe),
                "values": client.probe.call("identity", [None, True, 1, 2.5, "é", [], {}, {"__proto__": {"a": [None]}}]),
                "logs": records.lines,
            }
    # The clients show their progress on standard output, so the report has the last line to itself.
    print()
    json.dump(report, sys.stdout)


main()
