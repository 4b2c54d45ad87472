"""A control unit that answers diagnostic requests (ISO 14229), over whatever carries them."""

from collections.abc import Callable
from threading import Event, Thread

NEGATIVE = 0x7F
NOT_SUPPORTED = 0x11
OUT_OF_RANGE = 0x31
INVALID_KEY = 0x35
SEED = bytes([0x12, 0x34, 0x56, 0x78])


class ControlUnit:
    """Knows the identifiers 0xF190 and 0xF18C, one trouble code, one security level and one routine."""

    def __init__(self) -> None:
        self.values = {0xF190: b"WVWZZZ1JZXW000001", 0xF18C: b"\x00\xff\x10"}
        self.troubles = {0x012345: 0x2F}
        self.unlocked = False
        self.stopped = Event()
        self.threads: list[Thread] = []

    def serve(self, receive: Callable[[], bytes | None], send: Callable[[bytes], None]) -> None:
        """Answer in a thread what `receive` returns. It waits a moment and returns None when nothing has come."""

        def run() -> None:
            while not self.stopped.is_set():
                request = receive()
                answer = self.answer(bytes(request)) if request else None
                if answer is not None:
                    send(answer)

        thread = Thread(target=run, daemon=True)
        thread.start()
        self.threads.append(thread)

    def stop(self) -> None:
        """End the threads."""
        self.stopped.set()
        for thread in self.threads:
            thread.join(timeout=2)

    def answer(self, request: bytes) -> bytes | None:
        """The response to a request."""
        service, data = request[0], request[1:]
        handler = {
            0x10: self.change_session,
            0x11: lambda data: data[:1],
            0x14: self.clear_troubles,
            0x19: self.read_troubles,
            0x22: self.read_data,
            0x27: self.open_level,
            0x2E: self.write_data,
            0x31: self.run_routine,
            0x3E: lambda data: data[:1],
        }.get(service)
        result = NOT_SUPPORTED if handler is None else handler(data)
        return bytes([NEGATIVE, service, result]) if isinstance(result, int) else bytes([service + 0x40]) + result

    def change_session(self, data: bytes) -> bytes:
        self.unlocked = False
        # The unit asks for two seconds to answer, so that a busy machine does not fail.
        return data[:1] + bytes([0x07, 0xD0, 0x01, 0xF4])

    def read_data(self, data: bytes) -> bytes | int:
        identifiers = [int.from_bytes(data[at : at + 2]) for at in range(0, len(data), 2)]
        if any(identifier not in self.values for identifier in identifiers):
            return OUT_OF_RANGE
        return b"".join(identifier.to_bytes(2) + self.values[identifier] for identifier in identifiers)

    def write_data(self, data: bytes) -> bytes | int:
        if not self.unlocked:
            return 0x33
        self.values[int.from_bytes(data[:2])] = data[2:]
        return data[:2]

    def open_level(self, data: bytes) -> bytes | int:
        if data[0] % 2 == 1:
            return data[:1] + (bytes(len(SEED)) if self.unlocked else SEED)
        if data[1:] != bytes(byte ^ 0xFF for byte in SEED):
            return INVALID_KEY
        self.unlocked = True
        return data[:1]

    def read_troubles(self, data: bytes) -> bytes:
        found = [code.to_bytes(3) + bytes([status]) for code, status in self.troubles.items() if status & data[1]]
        return data[:1] + b"\xff" + b"".join(found)

    def clear_troubles(self, data: bytes) -> bytes:
        self.troubles.clear()
        return b""

    def run_routine(self, data: bytes) -> bytes | int:
        return data[:3] + b"\x2a" if data[1:3] == b"\x02\x03" else OUT_OF_RANGE
