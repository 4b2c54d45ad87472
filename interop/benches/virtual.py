"""Virtual machines and simulated boards. QEMU is the real one, where there is one; Renode is a program of the bench."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from jumpstarter.driver import Driver
from jumpstarter_driver_qemu.driver import Qemu
from jumpstarter_driver_renode.driver import Renode

from program import write_program

# A monitor that obeys everything but what it does not know, and a serial port that says hello, and then what it hears.
RENODE = f"""#!{sys.executable}
import os, pty, re, socket, sys, threading, tty
server = socket.create_server(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])))
monitor, _ = server.accept()
prompt = "(monitor) "
monitor.sendall(prompt.encode())
def speak(board):
    while True:
        os.write(board, os.read(board, 4096))
for line in monitor.makefile():
    line = line.strip()
    answer = ""
    if line == "quit":
        break
    if found := re.match(r'mach create "(.*)"', line):
        prompt = f"({{found[1]}}) "
    elif found := re.match(r'emulation CreateUartPtyTerminal "term" "(.*)"', line):
        board, port = pty.openpty()
        tty.setraw(port)
        os.symlink(os.ttyname(port), found[1])
        threading.Thread(target=speak, args=(board,), daemon=True).start()
    elif found := re.match(r'sysbus Load(\\w+) @?"(.*)"', line):
        answer = f"loaded {{os.path.getsize(found[2])}} bytes as {{found[1]}}"
    elif line == "version":
        answer = "Renode, version 1.16"
    elif line == "frobnicate":
        answer = "Unknown command: frobnicate"
    monitor.sendall(f"{{answer}}\\n{{prompt}}".encode())
"""


@asynccontextmanager
async def drivers(directory: Path) -> AsyncIterator[dict[str, Driver]]:
    """`qemu`; `renode`, whose monitor is open, and `renode_closed`, whose is not."""
    tools = directory / "simulators"
    tools.mkdir()
    write_program(tools / "renode", RENODE)
    os.environ["PATH"] = f"{tools}:{os.environ['PATH']}"
    yield {
        "qemu": Qemu(arch="x86_64", mem="64M", smp=1),
        "renode": Renode(platform="platforms/boards/bench.repl", allow_raw_monitor=True),
        "renode_closed": Renode(platform="platforms/boards/bench.repl", uart="sysbus.uart7"),
    }
