"""A Tasmota plug behind a real MQTT broker, mosquitto."""

import socket
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import paho.mqtt.client as mqtt
from jumpstarter.driver import Driver
from jumpstarter_driver_tasmota.driver import TasmotaPower

from ports import free_port


def wait_for(port: int) -> None:
    """Wait until the broker listens."""
    deadline = time.monotonic() + 10
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@asynccontextmanager
async def drivers(directory: Path) -> AsyncIterator[dict[str, Driver]]:
    """`plug`, whose relay is the file `relay` in `directory`, and `plug_gone`, for which nothing answers."""
    port = free_port()
    configuration = directory / "mosquitto.conf"
    configuration.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    broker = subprocess.Popen(["mosquitto", "-c", str(configuration)], stderr=subprocess.DEVNULL)
    wait_for(port)
    plug = mqtt.Client(callback_api_version=mqtt.CallbackAPIVersion.VERSION2)

    def obey(client: mqtt.Client, _: object, message: mqtt.MQTTMessage) -> None:
        (directory / "relay").write_bytes(message.payload)
        client.publish("stat/plug/POWER", message.payload)

    plug.on_message = obey
    plug.connect("127.0.0.1", port)
    plug.subscribe("cmnd/plug/POWER")
    plug.loop_start()
    try:
        yield {
            name: TasmotaPower(
                host="127.0.0.1",
                port=port,
                tls=False,
                timeout=timeout,
                cmnd_topic=f"cmnd/{topic}/POWER",
                stat_topic=f"stat/{topic}/POWER",
            )
            for name, topic, timeout in (("plug", "plug", 5), ("plug_gone", "nowhere", 0.5))
        }
    finally:
        plug.loop_stop()
        broker.terminate()
        broker.wait()
