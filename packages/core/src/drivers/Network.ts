/**
 * Networks and sockets that an exporter can reach: `jumpstarter_driver_network` (`protocol.md` 14.1).
 *
 * @since 0.1.0
 */
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as family from "./family/network.ts"

/**
 * The contract. Some drivers with its label connect to peers that have no address, so `address` is optional. Over UDP,
 * each write is one datagram.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { Network } from "@effect-jumpstarter/core/drivers"
 * import { HttpClient } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * class WebServer extends Device.Tag("acme/WebServer", Network.contract)<WebServer>() {}
 *
 * const status = Effect.gen(function*() {
 *   const { host, port } = yield* Network.portForward(yield* WebServer)
 *   const response = yield* HttpClient.get(`http://${host}:${port}/status`)
 *   return yield* response.text
 * }).pipe(Effect.scoped)
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_network.client.NetworkClient", {
  ...family.connecting,
  ...family.addressed
}, {
  alsoSpokenBy: [
    "jumpstarter_driver_adb.client.AdbClient",
    "jumpstarter_driver_network.client.DbusNetworkClient"
  ],
  driverType: "network"
})

/**
 * The client of a network.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}

export {
  type ForwardedPort,
  type ForwardedSocket,
  join,
  ListenError,
  portForward,
  type PortForwardOptions,
  unixForward,
  type UnixForwardOptions
} from "./forwarding.ts"
