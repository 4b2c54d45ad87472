"""A board behind a pseudo terminal: U-Boot, and a small Linux that U-Boot starts, as far as the tests talk to them.

The shell of the small Linux is a real one. What it would need hardware for are scripts of the bench.
"""

import os
import pty
import re
import select
import shlex
import socket
import struct
import subprocess
import sys
import threading
import time
import tty
from pathlib import Path

from program import write_program

# A command, and the mark after which its exit code is printed.
MARKED = re.compile(r"^(?P<command>.*); echo (?P<mark>exit\d+)=\$\?$", re.DOTALL)

CURL = f"""#!{sys.executable}
import sys, urllib.error, urllib.request
arguments = sys.argv[1:]
request = urllib.request.Request(next(a for a in arguments if a.startswith("http")))
for flag, value in zip(arguments, arguments[1:]):
    if flag == "-H":
        request.add_header(*value.split(": ", 1))
output = open(arguments[arguments.index("-o") + 1], "wb") if "-o" in arguments else sys.stdout.buffer
try:
    output.write(urllib.request.urlopen(request, timeout=10).read())
except urllib.error.HTTPError as error:
    print(f"curl: (22) The requested URL returned error: {{error.code}}", file=sys.stderr)
    sys.exit(22)
"""
# Writes who it logs in as, where from and where to, instead of an image. It knows one user.
FLS = """#!/bin/sh
[ "$FLS_REGISTRY_USERNAME:$FLS_REGISTRY_PASSWORD" = "robot:it's \\"a\\" secret" ] || {
    echo "denied: $FLS_REGISTRY_PASSWORD"; exit 3
}
while [ $# -gt 2 ]; do shift; done
printf '%s from %s' "$FLS_REGISTRY_USERNAME" "$1" > "$2"
"""
# Direct writes need a block device.
DD = '#!/bin/sh\nfor a; do shift; [ "$a" = oflag=direct ] || set -- "$@" "$a"; done\nexec /bin/dd "$@"\n'


def tftp_get(host: str, port: int, name: str) -> bytes | None:
    """A file of a TFTP server, or None where it has none."""
    content = b""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.sendto(struct.pack("!H", 1) + name.encode() + b"\0octet\0", (host, port))
        while True:
            packet, peer = client.recvfrom(65536)
            opcode, block = struct.unpack("!HH", packet[:4])
            if opcode != 3:
                return None
            content += packet[4:]
            client.sendto(struct.pack("!HH", 4, block), peer)
            if len(packet) < 4 + 512:
                return content


class Board(threading.Thread):
    """Reads the terminal until it is closed. `switch` is its power button, `port` the path of its serial line."""

    def __init__(self, directory: Path, tftp_port: int = 69) -> None:
        super().__init__(daemon=True)
        self.directory = directory
        self.tftp_port = tftp_port
        # This end of the line stays open, or the terminal would be gone when the last driver closes its own.
        self.master, self.line = pty.openpty()
        tty.setraw(self.line)
        self.port = os.ttyname(self.line)
        self.state = "off"
        self.echoes = True
        self.environment: dict[str, str] = {}
        self.deadline = 0.0
        self.loaded: dict[str, bytes] = {}
        self.tools = directory / "tools"
        self.tools.mkdir()
        for name in ("udhcpc", "date", "reboot", "sync"):
            write_program(self.tools / name, "#!/bin/sh\n")
        write_program(self.tools / "curl", CURL)
        write_program(self.tools / "fls", FLS)
        write_program(self.tools / "dd", DD)
        self.start()

    def close(self) -> None:
        self.state = "closed"
        os.close(self.line)
        self.join(timeout=2)
        os.close(self.master)

    def say(self, text: str) -> None:
        os.write(self.master, text.replace("\n", "\r\n").encode())

    def switch(self, on: bool) -> None:
        self.state = "off"
        if on:
            self.environment = {"autoload": "yes", "bootdelay": "2"}
            self.echoes = True
            self.deadline = time.monotonic() + 2
            self.say("\nU-Boot 2026.01\n\nHit any key to stop autoboot:  2 ")
            self.state = "countdown"

    def run(self) -> None:
        line = ""
        while self.state != "closed":
            readable, _, _ = select.select([self.master], [], [], 0.05)
            if not readable:
                if self.state == "countdown" and time.monotonic() > self.deadline:
                    self.boot()
                continue
            try:
                text = os.read(self.master, 4096).decode()
            except OSError:
                return
            for character in text:
                if self.state == "off":
                    continue
                if self.state == "countdown":
                    self.state = "prompt"
                    self.say("\b\b\b 0 \n=> ")
                elif character in "\r\n":
                    self.say("\n" if self.echoes else "")
                    complete, line = line, ""
                    self.obey(complete)
                else:
                    line += character
                    if self.echoes and character != "\x1b":
                        self.say(character)

    def obey(self, line: str) -> None:
        marked = MARKED.match(line)
        command = marked["command"] if marked else line
        if self.state == "prompt":
            if re.match(r"boot|reset", command):
                return self.boot()
            output, code = self.uboot(command)
            prompt = "=> "
        else:
            output, code = self.shell(command)
            prompt = "# "
            if command == "reboot":
                return self.switch(True)
        self.say(output + (f"{marked['mark']}={code}\n" if marked else "") + prompt)
        return None

    def boot(self) -> None:
        self.state = "linux"
        self.say("Starting kernel ...\n[    0.000000] Booting Linux\n# ")

    def uboot(self, command: str) -> tuple[str, int]:
        """What a command of U-Boot prints, and its exit code."""
        match shlex.split(command, comments=True):
            case []:
                return "", 0
            case ["version"]:
                return "U-Boot 2026.01\n\ngcc 15.2.1\n", 0
            case ["printenv", name]:
                value = self.environment.get(name)
                return (f'## Error: "{name}" not defined\n', 1) if value is None else (f"{name}={value}\n", 0)
            case ["setenv", name, *value]:
                self.environment.pop(name, None)
                if value:
                    self.environment[name] = " ".join(value)
                return "", 0
            case ["dhcp"]:
                self.environment |= {"ipaddr": "127.0.0.1", "gatewayip": "127.0.0.1", "netmask": "255.0.0.0"}
                return "DHCP client bound to address 127.0.0.1 (4 ms)\n", 0
            case ["tftpboot", address, name]:
                content = tftp_get(self.environment.get("serverip", ""), self.tftp_port, name)
                if content is None:
                    return "TFTP error: 'File not found' (1)\nNot retrying...\n", 1
                self.loaded[address] = content
                return f"Bytes transferred = {len(content)} ({len(content):x} hex)\n", 0
            case [word, *_]:
                return f"Unknown command '{word}' - try 'help'\n", 1

    def shell(self, command: str) -> tuple[str, int]:
        """Runs a command of the small Linux in a directory of the bench."""
        if stty := re.fullmatch(r"stty (-?)echo", command):
            self.echoes = stty[1] == ""
            return "", 0
        environment = os.environ | {"PATH": f"{self.tools}:{os.environ['PATH']}"}
        ran = subprocess.run(
            ["bash", "-c", re.sub(r"/tmp/(?=flash\.|cacert\.)", f"{self.directory}/", command)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        return ran.stdout + ran.stderr, ran.returncode
