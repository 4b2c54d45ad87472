/**
 * Networks and sockets that an exporter can reach: `jumpstarter_driver_network` (`protocol.md` 14.1).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as DriverInterface from "../contract/DriverInterface.ts"
import type { ByteStream } from "../protocol/ByteStream.ts"
import * as callers from "../protocol/callerFrame.ts"
import type { DriverCallError } from "../protocol/DriverError.ts"
import * as interruptible from "../util/interruptible.ts"
import * as family from "./family/network.ts"
import * as portListener from "./portListener.ts"

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

/**
 * Joins two byte streams: each receives the bytes of the other, and the other's end. Completes when both have ended,
 * and fails when one of them fails.
 *
 * @since 0.1.0
 * @category combinators
 */
export const join = <E, E2>(left: ByteStream<E>, right: ByteStream<E2>): Effect.Effect<void, E | E2> =>
  Effect.asVoid(interruptible.both(
    Effect.zipRight(Stream.runForEach(left.read, right.write), right.end),
    Effect.zipRight(Stream.runForEach(right.read, left.write), left.end)
  ))

/**
 * The local port cannot be opened for listening.
 *
 * @since 0.1.0
 * @category errors
 */
export class ListenError extends Schema.TaggedError<ListenError>(
  "@effect-jumpstarter/core/drivers/Network/ListenError"
)("ListenError", { host: Schema.String, port: Schema.Number, cause: Schema.Defect }) {
  override get message(): string {
    const reason = this.cause instanceof Error ? this.cause.message : String(this.cause)
    return `cannot listen on ${this.host.includes(":") ? `[${this.host}]` : this.host}:${this.port}: ${reason}`
  }
}

/**
 * @since 0.1.0
 * @category models
 */
export interface PortForwardOptions {
  /** The local address; `127.0.0.1` by default, so that other machines cannot connect. */
  readonly host?: string | undefined
  /** The local port; a free port by default. */
  readonly port?: number | undefined
}

/**
 * Forwards a local TCP port while the scope is open: each local connection gets its own connection from the driver. A
 * connection that fails is closed and its cause is logged; the port stays open.
 *
 * @since 0.1.0
 * @category constructors
 */
export const portForward = (
  network: Pick<Client, "connect">,
  options: PortForwardOptions = {}
): Effect.Effect<{ readonly host: string; readonly port: number }, ListenError, Scope.Scope> => {
  const caller = callers.of()
  const { host = "127.0.0.1", port = 0 } = options
  return portListener.listen(
    { host, port },
    (local) =>
      Effect.flatMap(
        callers.on(caller, () => network.connect()),
        (remote) => join<Error | DriverCallError, DriverCallError>(local, remote)
      ).pipe(
        Effect.catchAll((error) => Effect.logWarning("A forwarded connection failed", error))
      )
  ).pipe(
    Effect.mapBoth({
      onFailure: (cause) => callers.blame(new ListenError({ host, port, cause }), { caller }),
      onSuccess: (port) => ({ host, port })
    })
  )
}
