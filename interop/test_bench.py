"""What a team tests with `jumpstarter-testing`: pytest runs this within `jmp shell`, whose exporter has the drivers of drive.py."""

import hashlib
import os
import socket
from pathlib import Path

from jumpstarter_driver_network.adapters import TcpPortforwardAdapter
from jumpstarter_testing.pytest import JumpstarterTest

IMAGE = 64 * 1024 * 1024


def sha256(path: Path) -> str:
    """The digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class TestBench(JumpstarterTest):
    """The drivers of a board."""

    def test_power(self, client):
        client.power.on()
        assert [reading.voltage for reading in client.power.read()] == [5]
        client.power.cycle(wait=0)
        client.power.off()

    def test_console(self, client):
        with client.console.pexpect() as session:
            session.expect_exact("login: ", timeout=10)
            session.sendline("root")
            session.expect_exact("welcome\r\n# ", timeout=10)
            session.sendline("uname")
            session.expect("([A-Za-z]+)\r\n", timeout=10)
            assert session.match.group(1) == b"Zephyr"

    def test_flash(self, client, tmp_path):
        image, dump = tmp_path / "image", tmp_path / "dump"
        image.write_bytes(os.urandom(1024 * 1024) * (IMAGE // 1024 // 1024))
        client.flasher.flash(str(image), target="large")
        client.flasher.dump(str(dump), target="large")
        assert dump.stat().st_size == IMAGE
        assert sha256(dump) == sha256(image)

    def test_files(self, client):
        data = os.urandom(1_000_000)
        client.storage.create_dir("logs/")
        client.storage.write_bytes("logs/boot", data)
        assert list(client.storage.list("logs/")) == ["logs/", "logs/boot"]
        assert client.storage.read_bytes("logs/boot") == data

    def test_port(self, client):
        with TcpPortforwardAdapter(client=client.echo) as address, socket.create_connection(address) as connection:
            connection.sendall(b"through a port")
            connection.shutdown(socket.SHUT_WR)
            assert connection.makefile("rb").read() == b"through a port"
