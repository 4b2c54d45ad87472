"""Drivers of hardware that they reach through a program, with programs of the bench in its place."""

import os
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from jumpstarter.driver import Driver
from jumpstarter_driver_probe_rs.driver import ProbeRs
from jumpstarter_driver_pyserial.driver import PySerial
from jumpstarter_driver_ridesx.driver import RideSXDriver, RideSXPowerDriver
from jumpstarter_driver_ustreamer.driver import UStreamer

from program import write_program

# Prints its arguments where it writes, and words of memory where it reads.
PROBE_RS = f"""#!{sys.executable}
import os, sys
command, *rest = sys.argv[1:]
if os.environ.get("PROBE_RS_CHIP") == "none":
    sys.exit("no probe")
if command == "read":
    width, address, words = rest
    digits = int(width[1:]) // 4
    print(" ".join(f"{{int(address, 16) + i:0{{digits}}x}}" for i in range(int(words))))
elif command == "download":
    print("wrote", os.path.getsize(rest[0]), "bytes")
else:
    print("ran", command)
"""

# Keeps what is flashed and erased in files beside it, and answers for one board.
FASTBOOT = f"""#!{sys.executable}
import pathlib, shutil, sys
home = pathlib.Path(__file__).parent
match sys.argv[1:]:
    case ["devices", "-l"]:
        print("cafe0001 fastboot usb:1-1")
    case ["-s", "cafe0001", "flash", partition, file]:
        shutil.copy(file, home / f"{{partition}}.flashed")
    case ["-s", "cafe0001", "erase", "misc"]:
        print("Erasing 'misc' OKAY")
    case ["-s", "cafe0001", "continue"]:
        pass
    case other:
        sys.exit(f"fastboot: error: {{other}}")
"""

# Serves the pictures of a camera on a Unix socket, as µStreamer does.
USTREAMER = """#!{python}
import http.server, json, socketserver, sys
JPEG = bytes([0xFF, 0xD8, 1, 2, 3, 0xFF, 0xD9])
STATE = {{"ok": True, "result": {{
    "encoder": {{"type": "CPU", "quality": 80}},
    "source": {{"online": True, "desired_fps": 30, "captured_fps": 29, "resolution": {{"width": 640, "height": 480}}}},
}}}}
class Camera(http.server.BaseHTTPRequestHandler):
    def answer(self, kind, body):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        if self.path == "/state":
            self.answer("application/json", json.dumps(STATE).encode())
        elif self.path == "/snapshot":
            self.answer("image/jpeg", JPEG)
        elif self.path == "/stream":
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace;boundary=boundarydonotcross")
            self.end_headers()
            try:
                for number in range(1_000_000):
                    head = f"--boundarydonotcross\\r\\nContent-Type: image/jpeg\\r\\nContent-Length: {{len(JPEG) + 1}}\\r\\n\\r\\n"
                    self.wfile.write(head.encode() + JPEG + bytes([number % 256]) + b"\\r\\n")
            except OSError:
                pass
        else:
            self.send_error(404)
    def address_string(self):
        return "unix"
    def log_message(self, *_):
        pass
class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
Server(sys.argv[sys.argv.index("--unix") + 1], Camera).serve_forever()
"""


class Controller:
    """The control port of a RideSX board: acknowledges each command, and keeps it."""

    def __init__(self) -> None:
        import pty
        import tty

        self.master, self.line = pty.openpty()
        tty.setraw(self.line)
        self.port = os.ttyname(self.line)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                said = os.read(self.master, 4096)
            except OSError:
                return
            for _ in range(said.count(b"\r")):
                os.write(self.master, b"ok\r\nCMD >> ")

    def close(self) -> None:
        os.close(self.line)
        os.close(self.master)


@asynccontextmanager
async def drivers(directory: Path) -> AsyncIterator[dict[str, Driver]]:
    """`probe`, `probe_gone`, `ridesx` with `ridesx_power`, and `camera`. Flashed partitions are files of `tools`."""
    tools = directory / "programs"
    tools.mkdir()
    probe_rs = write_program(tools / "probe-rs", PROBE_RS)
    write_program(tools / "fastboot", FASTBOOT)
    camera = write_program(tools / "ustreamer", USTREAMER.format(python=sys.executable))
    os.environ["PATH"] = f"{tools}:{os.environ['PATH']}"
    controller = Controller()
    serial = PySerial(url=controller.port)
    try:
        yield {
            "probe": ProbeRs(probe_rs_path=probe_rs),
            "probe_gone": ProbeRs(probe_rs_path=probe_rs, chip="none"),
            "ridesx": RideSXDriver(storage_dir=str(directory / "images"), children={"serial": serial}),
            "ridesx_power": RideSXPowerDriver(children={"serial": serial}),
            "camera": UStreamer(executable=camera),
        }
    finally:
        controller.close()
