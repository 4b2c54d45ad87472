/**
 * D-Bus daemons that an exporter can reach: `jumpstarter_driver_network`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as callers from "../protocol/callerFrame.ts"
import * as family from "./family/network.ts"
import * as forwarding from "./forwarding.ts"

/**
 * The contract. The label `jumpstarter.dev/dbusnetwork/kind` of the driver says which bus it reaches: `system` or
 * `session`.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { DbusNetwork } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class SystemBus extends Device.Tag("acme/SystemBus", DbusNetwork.contract)<SystemBus>() {}
 *
 * // for busctl --address=..., or DBUS_SYSTEM_BUS_ADDRESS of another program
 * const address = Effect.flatMap(SystemBus, (bus) => DbusNetwork.forward(bus))
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_network.client.DbusNetworkClient", {
  ...family.connecting
}, { driverType: "network" })

/**
 * The client of a bus.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}

/**
 * Forwards a local port to the bus while the scope is open, and returns its address in the form of D-Bus, such as
 * `tcp:host=127.0.0.1,port=34567`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const forward = (
  bus: Pick<Client, "connect">,
  options: forwarding.PortForwardOptions = {}
): Effect.Effect<string, forwarding.ListenError, Scope.Scope> =>
  Effect.map(
    callers.on(callers.of(), () => forwarding.portForward(bus, options)),
    ({ host, port }) => `tcp:host=${host},port=${port}`
  )
