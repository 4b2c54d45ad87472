"""Python's `jmp` with less patience.

It looks at its lease every 200 ms and not every 5 s, and with HURRIED_CONNECT=SECONDS its gRPC gives an exporter that time to answer to a
new connection, and not 20 s.
"""

import os
import sys

import anyio
import grpc.aio
import jumpstarter.client.lease

open_channel = grpc.aio.secure_channel
limit = os.environ.get("HURRIED_CONNECT")


def secure_channel(target, credentials, options=None, compression=None, interceptors=None):
    """Limits the time for a connection, which gRPC's C core takes from this option."""
    hurried = [] if limit is None else [("grpc.min_reconnect_backoff_ms", int(limit) * 1000)]
    return open_channel(target, credentials, [*(options or []), *hurried], compression, interceptors)


async def sleep(seconds):
    """Looks more often."""
    await anyio.sleep(min(seconds, 0.2))


grpc.aio.secure_channel = secure_channel
jumpstarter.client.lease.sleep = sleep

from jumpstarter_cli.jmp import jmp  # noqa: E402

sys.exit(jmp())
