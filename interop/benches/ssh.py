"""A device with an SSH server that runs commands, behind the proxy that keeps the key of the device on the exporter."""

import socket
import subprocess
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import paramiko
from jumpstarter.driver import Driver
from jumpstarter_driver_network.driver import TcpNetwork
from jumpstarter_driver_ssh.driver import SSHWrapper
from jumpstarter_driver_ssh_mitm.driver import SSHMITM
from jumpstarter_driver_ssh_mount.driver import SSHMount


class Door(paramiko.ServerInterface):
    """Lets the owner of one key in, and runs what is asked for."""

    def __init__(self, key: paramiko.PKey) -> None:
        self.key = key

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return paramiko.AUTH_SUCCESSFUL if username == "root" and key == self.key else paramiko.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        def run() -> None:
            ran = subprocess.run(["sh", "-c", command.decode()], capture_output=True, check=False)
            channel.sendall(ran.stdout)
            channel.sendall_stderr(ran.stderr)
            channel.send_exit_status(ran.returncode)
            channel.close()

        threading.Thread(target=run, daemon=True).start()
        return True


def serve(listener: socket.socket, host_key: paramiko.PKey, client_key: paramiko.PKey) -> None:
    """Accept connections until the listener is closed."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        transport = paramiko.Transport(connection)
        transport.add_server_key(host_key)
        try:
            transport.start_server(server=Door(client_key))
        except (paramiko.SSHException, EOFError):
            transport.close()


@asynccontextmanager
async def drivers(directory: Path) -> AsyncIterator[dict[str, Driver]]:
    """`ssh`, whose child `tcp` is the proxy with the device's key, also below `mount`; `ssh_locked` has another key."""
    key, other = paramiko.RSAKey.generate(2048), paramiko.RSAKey.generate(2048)
    for name, private in (("key", key), ("other", other)):
        private.write_private_key_file(str(directory / name))
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, args=(listener, paramiko.RSAKey.generate(2048), key), daemon=True).start()
    device = TcpNetwork(host="127.0.0.1", port=listener.getsockname()[1])

    def proxied(name: str) -> Driver:
        proxy = SSHMITM(default_username="root", ssh_identity_file=str(directory / name), children={"tcp": device})
        return SSHWrapper(default_username="root", children={"tcp": proxy})

    try:
        ssh = proxied("key")
        yield {"ssh": ssh, "ssh_locked": proxied("other"), "mount": SSHMount(children={"ssh": ssh})}
    finally:
        # Closing alone does not wake the thread that accepts.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
