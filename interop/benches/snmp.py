"""A power strip that is switched over SNMP: pysnmp's own agent, with the outlets of the bench."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from jumpstarter.driver import Driver
from jumpstarter_driver_snmp.driver import AuthProtocol, PrivProtocol, SNMPServer
from pysnmp.carrier.asyncio.dgram import udp
from pysnmp.entity import config, engine
from pysnmp.entity.rfc3413 import cmdrsp, context
from pysnmp.smi.error import NoSuchInstanceError
from pysnmp.smi.instrum import AbstractMibInstrumController

from ports import free_udp_port

# The driver's default: the outlets of a PDU of Raritan.
OUTLETS = (1, 3, 6, 1, 4, 1, 13742, 6, 4, 1, 2, 1, 2, 1)


class Strip(AbstractMibInstrumController):
    """Two outlets. The state of outlet 1 is the file `outlet1` in `directory`, as the number that the driver sent."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def write_variables(self, *bindings: tuple, **_: object) -> tuple:
        """Switch outlets."""
        for name, value in bindings:
            outlet = tuple(name)[len(OUTLETS) :]
            if tuple(name)[: len(OUTLETS)] != OUTLETS or outlet not in ((1,), (2,)):
                raise NoSuchInstanceError(idx=0, name=name)
            (self.directory / f"outlet{outlet[0]}").write_text(str(int(value)))
        return bindings


@asynccontextmanager
async def drivers(directory: Path) -> AsyncIterator[dict[str, Driver]]:
    """`outlet` and, encrypted, `outlet_safe` switch outlets; `outlet_3` is not there, `outlet_wrong` has a wrong key."""
    port = free_udp_port()
    agent = engine.SnmpEngine()
    config.add_transport(agent, udp.DOMAIN_NAME, udp.UdpAsyncioTransport().open_server_mode(("127.0.0.1", port)))
    config.add_v3_user(agent, "open")
    config.add_vacm_user(agent, 3, "open", "noAuthNoPriv", OUTLETS, OUTLETS)
    config.add_v3_user(
        agent, "safe", config.USM_AUTH_HMAC96_SHA, "auth-secret", config.USM_PRIV_CFB128_AES, "priv-secret"
    )
    config.add_vacm_user(agent, 3, "safe", "authPriv", OUTLETS, OUTLETS)
    served = context.SnmpContext(agent)
    served.unregister_context_name(b"")
    served.register_context_name(b"", Strip(directory))
    cmdrsp.SetCommandResponder(agent, served)

    def outlet(plug: int, **options: object) -> Driver:
        return SNMPServer(**{"host": "127.0.0.1", "port": port, "plug": plug, "user": "open", **options})

    safe = {
        "user": "safe",
        "auth_protocol": AuthProtocol.SHA,
        "auth_key": "auth-secret",
        "priv_protocol": PrivProtocol.AES,
        "priv_key": "priv-secret",
    }
    try:
        yield {
            "outlet": outlet(1),
            "outlet_safe": outlet(2, **safe),
            "outlet_3": outlet(3),
            "outlet_wrong": outlet(1, **safe | {"auth_key": "other-secret"}),
            "outlet_dead": outlet(1, port=free_udp_port(), timeout=0.2),
        }
    finally:
        agent.close_dispatcher()
