/**
 * Screens of devices that are reached with VNC: `jumpstarter_driver_vnc`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as DriverInterface from "../contract/DriverInterface.ts"
import * as DriverMethod from "../contract/DriverMethod.ts"
import * as callers from "../protocol/callerFrame.ts"
import * as forwarding from "./forwarding.ts"
import type * as Network from "./Network.ts"

/**
 * The contract. The driver's child `tcp`, which implements `Network.contract`, opens the connection.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Device } from "@effect-jumpstarter/core"
 * import { Network, Vnc } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class ScreenServer extends Device.Tag("acme/ScreenServer", Network.contract)<ScreenServer>() {}
 *
 * // for a viewer that runs beside the program
 * const look = Effect.flatMap(ScreenServer, (server) => Vnc.forward(server)).pipe(
 *   Effect.flatMap(({ url }) => Effect.log(`the screen is at ${url}`)),
 *   Effect.zipRight(Effect.never),
 *   Effect.scoped
 * )
 * const reach = ScreenServer.layer("screen.tcp")
 * ```
 */
export const contract = DriverInterface.make("jumpstarter_driver_vnc.client.VNClient", {
  /** Whether viewers should encrypt by default. */
  get_default_encrypt: DriverMethod.call({
    result: Schema.Boolean,
    effect: "read",
    documentation: "Whether viewers should encrypt by default.",
    idempotent: true
  })
}, { driverType: "video" })

/**
 * The client of a VNC server.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client extends DriverInterface.Client<typeof contract> {}

/**
 * A local port that leads to a VNC server.
 *
 * @since 0.1.0
 * @category models
 */
export interface Forwarded extends forwarding.ForwardedPort {
  /** The address in the form that viewers take, such as `vnc://127.0.0.1:5900`. */
  readonly url: string
}

/**
 * Forwards a local TCP port to the server while the scope is open, for any VNC viewer. `server` is the driver's child
 * `tcp`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const forward = (
  server: Pick<Network.Client, "connect">,
  options: forwarding.PortForwardOptions = {}
): Effect.Effect<Forwarded, forwarding.ListenError, Scope.Scope> =>
  Effect.map(
    callers.on(callers.of(), () => forwarding.portForward(server, options)),
    ({ host, port }) => ({ host, port, url: `vnc://${host.includes(":") ? `[${host}]` : host}:${port}` })
  )
