"""A DoIP entity (ISO 13400) on a loopback address, and the control unit behind it."""

import os
import socket
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Thread

from jumpstarter.driver import Driver
from jumpstarter_driver_doip.driver import DoIP
from jumpstarter_driver_uds_doip.driver import UdsDoip

from control_unit import ControlUnit

ENTITY = 0x1001
DISCOVERY = 13400
IDENTIFICATION = b"WVWZZZ1JZXW000001" + struct.pack("!H", ENTITY) + bytes(range(6)) + bytes(6) + b"\x00"


def message(kind: int, payload: bytes) -> bytes:
    return struct.pack("!BBHL", 2, 0xFD, kind, len(payload)) + payload


def loopback() -> str:
    """An address that other runs of the tests on this machine do not use: the port of the protocol is fixed."""
    pid = os.getpid()
    return f"127.{pid >> 8 & 0x7F}.{pid & 0xFF}.2" if sys.platform == "linux" else "127.0.0.1"


class Entity:
    """Serves one client after the other over TCP, and requests over UDP."""

    def __init__(self) -> None:
        self.address = loopback()
        self.unit = ControlUnit()
        self.tcp = socket.create_server((self.address, 0))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((self.address, DISCOVERY))
        self.port = self.tcp.getsockname()[1]
        for serve in (self.accept, self.discover):
            Thread(target=serve, daemon=True).start()

    def close(self) -> None:
        for listening in (self.tcp, self.udp):
            try:
                listening.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            listening.close()

    def discover(self) -> None:
        while True:
            try:
                datagram, client = self.udp.recvfrom(1024)
            except OSError:
                return
            if len(datagram) < 8:
                return
            kind = struct.unpack("!H", datagram[2:4])[0]
            answers = {
                0x0001: (0x0004, IDENTIFICATION),
                0x0002: (0x0004, IDENTIFICATION),
                0x0003: (0x0004, IDENTIFICATION),
                0x4001: (0x4002, struct.pack("!BBBL", 0, 8, 1, 4096)),
                0x4003: (0x4004, b"\x01"),
            }
            if kind in answers:
                self.udp.sendto(message(*answers[kind]), client)

    def accept(self) -> None:
        while True:
            try:
                client, _ = self.tcp.accept()
            except OSError:
                return
            Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client: socket.socket) -> None:
        with client, client.makefile("rb") as read:
            while len(header := read.read(8)) == 8:
                kind, size = struct.unpack("!HL", header[2:])
                for answer in self.answers(kind, read.read(size)):
                    client.sendall(answer)

    def answers(self, kind: int, payload: bytes) -> list[bytes]:
        if kind == 0x0005:
            return [message(0x0006, payload[:2] + struct.pack("!HBL", ENTITY, 0x10, 0))]
        if kind == 0x0007:
            return [message(0x0008, struct.pack("!H", ENTITY))]
        if kind == 0x8001:
            back = payload[2:4] + payload[:2]
            if payload[2:4] != struct.pack("!H", ENTITY):
                return [message(0x8003, back + b"\x03")]
            answer = self.unit.answer(payload[4:])
            return [message(0x8002, back + b"\x00"), *([message(0x8001, back + answer)] if answer is not None else [])]
        return []


@asynccontextmanager
async def drivers(directory: Path) -> AsyncIterator[dict[str, Driver]]:
    """`doip` and `uds_doip` reach the entity; `doip_stranger` sends to an address that the entity does not know."""
    entity = Entity()
    try:
        yield {
            "doip": DoIP(ecu_ip=entity.address, ecu_logical_address=ENTITY, tcp_port=entity.port),
            "doip_stranger": DoIP(ecu_ip=entity.address, ecu_logical_address=0x2002, tcp_port=entity.port),
            "uds_doip": UdsDoip(ecu_ip=entity.address, ecu_logical_address=ENTITY, tcp_port=entity.port),
        }
    finally:
        entity.close()
