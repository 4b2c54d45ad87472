"""Virtual phones: one in a cloud of the bench, and one whose emulator and ADB are programs of the bench."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import jumpstarter_driver_corellium.driver as corellium
import websockets
from jumpstarter.driver import Driver
from jumpstarter_driver_adb.driver import AdbServer
from jumpstarter_driver_androidemulator.driver import AndroidEmulator
from jumpstarter_driver_corellium.corellium.types import Device, Instance, Project

from ports import free_port
from program import write_program

# Runs until ADB ends it. Its window is the file `window`.
EMULATOR = f"""#!{sys.executable}
import os, pathlib, signal, sys
home = pathlib.Path(__file__).parent
(home / "emulator.pid").write_text(str(os.getpid()))
(home / "window").write_text(str("-no-window" not in sys.argv))
signal.pause()
"""

# Its server greets on the port; a device is there while the emulator runs.
ADB = f"""#!{sys.executable}
import os, pathlib, signal, socket, subprocess, sys
home = pathlib.Path(__file__).parent
port = int(os.environ.get("ANDROID_ADB_SERVER_PORT", "5037"))
pid = home / "emulator.pid"
match sys.argv[1:]:
    case ["start-server"]:
        serve = (
            "import socket\\n"
            f"server = socket.create_server(('127.0.0.1', {{port}}))\\n"
            "while True:\\n    peer, _ = server.accept(); peer.sendall(b'OKAY'); peer.close()\\n"
        )
        quiet = {{"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}}
        server = subprocess.Popen([sys.executable, "-c", serve], **quiet)
        (home / f"server-{{port}}.pid").write_text(str(server.pid))
    case ["kill-server"]:
        file = home / f"server-{{port}}.pid"
        if file.exists():
            os.kill(int(file.read_text()), signal.SIGTERM)
            file.unlink()
    case ["devices", "-l"]:
        print("List of devices attached")
        if pid.exists():
            print("emulator-5554 device product:sdk model:bench")
    case ["-s", "emulator-5554", "emu", "kill"]:
        os.kill(int(pid.read_text()), signal.SIGTERM)
        pid.unlink()
"""

# It cannot list devices.
BROKEN_ADB = '#!/bin/sh\n[ "$1" != devices ]\n'


class Cloud:
    """The instances of the project `bench`, which has one model."""

    instances: dict[str, str] = {}
    console = ""

    def __init__(self, host: str, token: str) -> None:
        self.host = host

    def get_project(self, reference: str) -> Project | None:
        return Project(id="p1", name=reference) if reference == "bench" else None

    def get_device(self, model: str) -> Device:
        return Device(name=model, type="iot", flavor=model, description="", model=model, peripherals=False, quotas={})

    def create_instance(self, name: str, project: Project, device: Device, **options: str) -> Instance:
        Cloud.instances[name] = "on"
        return Instance(id=name, state="on")

    def get_instance(self, reference: str) -> Instance | None:
        state = Cloud.instances.get(reference)
        return None if state is None else Instance(id=reference, state=state)

    def set_instance_state(self, instance: Instance, state: str) -> None:
        Cloud.instances[instance.id] = state

    def destroy_instance(self, instance: Instance) -> None:
        del Cloud.instances[instance.id]

    def get_instance_console_id(self, instance: Instance, name: str) -> str:
        return "port-0"

    def get_instance_console_url(self, instance: Instance, console: str) -> str:
        return Cloud.console


async def echo(connection: websockets.ServerConnection) -> None:
    """Send back what comes."""
    async for message in connection:
        await connection.send(message)


@asynccontextmanager
async def drivers(directory: Path) -> AsyncIterator[dict[str, Driver]]:
    """`phone` and `phone_lost`, whose project is not there, in the cloud, `android`, and `adb_broken`."""
    tools = directory / "android"
    tools.mkdir()
    emulator = write_program(tools / "emulator", EMULATOR)
    write_program(tools / "adb", ADB)
    os.environ["PATH"] = f"{tools}:{os.environ['PATH']}"
    os.environ |= {"CORELLIUM_API_HOST": "cloud.example", "CORELLIUM_API_TOKEN": "none"}
    corellium.ApiClient = Cloud
    async with websockets.serve(echo, "127.0.0.1", 0) as server:
        Cloud.console = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        android = AndroidEmulator(avd_name="bench", emulator_path=emulator, adb_server_port=free_port())
        try:
            yield {
                "phone": corellium.Corellium(project_id="bench", device_name="phone", device_flavor="kronos"),
                "phone_lost": corellium.Corellium(project_id="nope", device_name="phone", device_flavor="kronos"),
                "android": android,
                "adb_broken": AdbServer(adb_path=write_program(tools / "broken-adb", BROKEN_ADB), port=free_port()),
            }
        finally:
            android.children["power"].close()
            android.children["adb"].close()
