"""Ends a program with its parent."""

import asyncio
import os
import threading


def watch(stop: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
    """Set `stop` when standard input ends, so that the exporter dies with its parent."""

    def read() -> None:
        try:
            while os.read(0, 4096):
                pass
        except OSError:
            pass
        loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=read, daemon=True).start()
