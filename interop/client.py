"""Python client of the probe driver. Only the self-check imports it; other clients look at the label alone."""

from dataclasses import dataclass, field
from typing import Any

from anyio import EndOfStream
from anyio.abc import ObjectStream
from jumpstarter.client import DriverClient
from jumpstarter.client.core import DriverError


@dataclass(kw_only=True)
class LocalBytes(ObjectStream[bytes]):
    """A local source and sink for one resource transfer."""

    data: bytes = b""
    chunk: int = 65536
    received: bytearray = field(default_factory=bytearray)

    async def receive(self) -> bytes:
        if not self.data:
            raise EndOfStream
        head, self.data = self.data[: self.chunk], self.data[self.chunk :]
        return head

    async def send(self, item: bytes) -> None:
        self.received.extend(item)

    async def send_eof(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


class ProbeClient(DriverClient):
    """Calls with a resource; everything else goes through the methods of the base class."""

    async def lend(self, stream: LocalBytes, method: str, *args: Any, encoding: str | None = None) -> Any:
        """Lend a local stream to a driver method and return the method's result."""
        error = None
        async with self.resource_async(stream, encoding) as handle:
            try:
                result = await self.call_async(method, handle, *args)
            except DriverError as e:
                # Raised later: in here it would come out wrapped in exception groups.
                error = e
        if error is not None:
            raise error
        return result

    async def upload(self, method: str, data: bytes, *args: Any, encoding: str | None = None) -> Any:
        """Lend `data` to a driver method that reads."""
        return await self.lend(LocalBytes(data=data), method, *args, encoding=encoding)

    async def download(self, method: str, *args: Any, encoding: str | None = None) -> tuple[Any, bytes]:
        """Let a driver method write, and return its result with the bytes it wrote."""
        sink = LocalBytes()
        result = await self.lend(sink, method, *args, encoding=encoding)
        return result, bytes(sink.received)
