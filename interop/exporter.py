"""A Python exporter with real and probing drivers, for the interop tests of the TypeScript client.

Prints one JSON line when it is ready, and ends when its standard input ends or on SIGTERM.
"""

import argparse
import asyncio
import json
import logging
import os
import signal
import socket
import sys
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from jumpstarter.common import ExporterStatus
from jumpstarter.driver import Driver
from jumpstarter.exporter.auth import PassphraseInterceptor
from jumpstarter.exporter.session import Session
from jumpstarter_driver_composite.driver import Composite, Proxy
from jumpstarter_driver_network.driver import EchoNetwork, TcpNetwork
from jumpstarter_driver_opendal.driver import MockFlasher, MockStorageMux, Opendal
from jumpstarter_driver_power.driver import MockPower, SyncMockPower
from jumpstarter_driver_pyserial.driver import PySerial

from probe import ProbeDriver
from standard_input import watch


class OldSession(Session):
    """An exporter from before the status calls."""

    async def GetStatus(self, request, context):
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not implemented!")

    async def EndSession(self, request, context):
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not implemented!")


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--unix", metavar="PATH", help="socket path (default: in a temporary directory)")
    parser.add_argument("--tcp", action="store_true", help="also serve cleartext TCP")
    parser.add_argument("--tls", action="store_true", help="also serve TLS with a certificate made on the spot")
    parser.add_argument("--passphrase", metavar="SECRET", help="also serve a TCP port that asks for this passphrase")
    parser.add_argument("--status", metavar="NAME", default="LEASE_READY", help="initial exporter status")
    parser.add_argument("--no-status", action="store_true", help="answer GetStatus and EndSession with UNIMPLEMENTED")
    parser.add_argument("--verbose", action="store_true", help="write the exporter's log to standard error")
    return parser.parse_args()


def make_tls() -> tuple[grpc.ServerCredentials, str]:
    """Server credentials for localhost and the PEM of the authority that signed them."""
    now = datetime.now(UTC)

    def certificate(name: str, key: ec.EllipticCurvePublicKey, issuer: str) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
        )

    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = (
        certificate("interop authority", ca_key.public_key(), "interop authority")
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    server = (
        certificate("localhost", key.public_key(), "interop authority")
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return grpc.ssl_server_credentials([(private, server.public_bytes(pem))]), ca.public_bytes(pem).decode()


async def start_echo_server(probe: ProbeDriver) -> asyncio.Server:
    """A TCP server that echoes until the client's end, then says `bye` and closes."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with probe.track("tcp"):
            size = 0
            try:
                while data := await reader.read(65536):
                    size += len(data)
                    writer.write(data)
                    await writer.drain()
                probe.record(f"tcp:eof:{size}")
                writer.write(b"bye")
                await writer.drain()
            except ConnectionError:
                probe.record(f"tcp:reset:{size}")
            finally:
                writer.close()

    return await asyncio.start_server(handle, "127.0.0.1", 0)


def refused_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def make_tree(probe: ProbeDriver, storage_root: Path, echo_port: int) -> Driver:
    """The drivers clients see."""
    return Composite(
        labels={"interop.example/board": "probe"},
        description="Interop board",
        children={
            "power": MockPower(
                description="Main power",
                methods_description={"on": "Switch the board on", "off": "Switch the board off"},
            ),
            "sync_power": SyncMockPower(),
            "storage": Opendal(scheme="fs", kwargs={"root": str(storage_root)}),
            "mux": MockStorageMux(),
            "flasher": MockFlasher(),
            "echo": EchoNetwork(),
            "tcp": TcpNetwork(host="127.0.0.1", port=echo_port),
            "refused": TcpNetwork(host="127.0.0.1", port=refused_port(), enable_address=False),
            "serial": PySerial(url="loop://"),
            "nested": Composite(
                description="Two levels deep",
                children={"inner": Composite(children={"power": MockPower(labels={"interop.example/depth": "2"})})},
            ),
            "alias": Proxy(ref="nested.inner.power"),
            "probe": probe,
        },
    )


async def main(args: argparse.Namespace, directory: Path) -> None:
    """Serve until told to stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    watch(stop, loop)

    storage_root = directory / "storage"
    storage_root.mkdir()
    unix_path = args.unix or str(directory / "exporter.sock")
    probe = ProbeDriver(log_level="DEBUG")
    echo_server = await start_echo_server(probe)
    root = make_tree(probe, storage_root, echo_server.sockets[0].getsockname()[1])

    session_class = OldSession if args.no_status else Session
    with session_class(labels={"jumpstarter.dev/name": "interop"}, root_device=root) as session:
        session.update_status(ExporterStatus[args.status])

        ready: dict[str, object] = {"unix": unix_path, "pid": os.getpid(), "storage": str(storage_root)}
        credentials, ca = make_tls() if args.tls else (None, "")
        servers: dict[str, AbstractAsyncContextManager[int | None]] = {
            "unix": session.serve_port_async(f"unix://{unix_path}")
        }
        if args.tcp:
            servers["tcp"] = session.serve_tcp_async("127.0.0.1", 0)
        if args.tls:
            servers["tls"] = session.serve_tcp_async("127.0.0.1", 0, tls_credentials=credentials)
        if args.passphrase is not None:
            interceptors = [PassphraseInterceptor(args.passphrase)]
            servers["passphraseTcp"] = session.serve_tcp_async("127.0.0.1", 0, interceptors=interceptors)

        async def serve(name: str, server: AbstractAsyncContextManager[int | None], started: asyncio.Event) -> None:
            async with server as port:
                if name == "tls":
                    ready[name] = {"address": f"localhost:{port}", "ca": ca}
                elif name != "unix":
                    ready[name] = f"127.0.0.1:{port}"
                started.set()
                await stop.wait()

        async with asyncio.TaskGroup() as group:
            for name, server in servers.items():
                started = asyncio.Event()
                group.create_task(serve(name, server, started))
                await started.wait()
            print(json.dumps(ready), flush=True)

    echo_server.close()


if __name__ == "__main__":
    arguments = parse_args()
    logging.getLogger().setLevel(logging.INFO)
    logging.getLogger().addHandler(logging.StreamHandler(sys.stderr) if arguments.verbose else logging.NullHandler())
    with TemporaryDirectory(prefix="jmp-interop-", ignore_cleanup_errors=True) as name:
        asyncio.run(main(arguments, Path(name)))
