"""What an exporter serves to a device or runs for a client: commands, files over HTTP and TFTP, and tests over SSH."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from jumpstarter.driver import Driver
from jumpstarter_driver_http.driver import HttpServer
from jumpstarter_driver_network.driver import TcpNetwork
from jumpstarter_driver_shell.driver import Shell
from jumpstarter_driver_tftp.driver import Tftp
from jumpstarter_driver_tmt.driver import TMT

from ports import free_udp_port


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say hello as an SSH server would, and hang up."""
    writer.write(b"SSH-2.0-bench\r\n")
    await writer.drain()
    writer.close()


@asynccontextmanager
async def drivers(directory: Path) -> AsyncIterator[dict[str, Driver]]:
    """`shell`, `http`, `tftp` and `tmt`, and `http_taken`, whose port has another server."""
    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    methods: dict[str, str | dict[str, str | int]] = {
        "greet": 'echo "hello $1 from $PLACE"; echo oops >&2; exit 3',
        "count": "for i in 1 2 3; do echo $i; sleep 0.1; done",
        "slow": {"command": "sleep 60", "timeout": 1},
    }
    async with server:
        yield {
            "shell": Shell(methods=methods, cwd=str(directory)),
            "http": HttpServer(root_dir=str(directory / "www"), host="127.0.0.1", port=0),
            "http_taken": HttpServer(root_dir=str(directory / "www"), host="127.0.0.1", port=port),
            "tftp": Tftp(root_dir=str(directory / "boot"), host="127.0.0.1", port=free_udp_port()),
            "tmt": TMT(
                reboot_cmd="j power cycle",
                default_username="root",
                default_password="secret",
                children={"ssh": TcpNetwork(host="127.0.0.1", port=port)},
            ),
        }
