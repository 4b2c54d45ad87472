// Local ports and sockets that lead to what a driver connects to.
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ByteStream } from "../protocol/ByteStream.ts"
import * as callers from "../protocol/callerFrame.ts"
import type { DriverCallError } from "../protocol/DriverError.ts"
import * as socketDirectory from "../transport/socketDirectory.ts"
import * as interruptible from "../util/interruptible.ts"
import * as portListener from "./portListener.ts"

/** A driver that opens connections. */
interface Connecting {
  readonly connect: () => Effect.Effect<ByteStream<DriverCallError>, DriverCallError, Scope.Scope>
}

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
 * The local port or socket cannot be opened for listening.
 *
 * @since 0.1.0
 * @category errors
 */
export class ListenError extends Schema.TaggedError<ListenError>(
  "@effect-jumpstarter/core/drivers/Network/ListenError"
)("ListenError", {
  /** The host and port, or the path of the socket. */
  address: Schema.String,
  cause: Schema.Defect
}) {
  override get message(): string {
    const reason = this.cause instanceof Error ? this.cause.message : String(this.cause)
    return `cannot listen on ${this.address}: ${reason}`
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
 * A local port that leads to a driver's connections.
 *
 * @since 0.1.0
 * @category models
 */
export interface ForwardedPort {
  readonly host: string
  readonly port: number
}

// Gives each local connection one of the driver's own.
const serve = (
  driver: Connecting,
  place: portListener.Place,
  address: string,
  caller: callers.Caller | undefined
): Effect.Effect<number, ListenError, Scope.Scope> =>
  portListener.listen(place, (local) =>
    Effect.flatMap(
      callers.on(caller, () => driver.connect()),
      (remote) => join<Error | DriverCallError, DriverCallError>(local, remote)
    ).pipe(
      Effect.catchAll((error) => Effect.logWarning("A forwarded connection failed", error))
    )).pipe(
      Effect.mapError((cause) => callers.blame(new ListenError({ address, cause }), { caller }))
    )

/**
 * Forwards a local TCP port while the scope is open: each local connection gets its own connection from the driver. A
 * connection that fails is closed and its cause is logged; the port stays open.
 *
 * @since 0.1.0
 * @category constructors
 */
export const portForward = (
  network: Connecting,
  options: PortForwardOptions = {}
): Effect.Effect<ForwardedPort, ListenError, Scope.Scope> => {
  const { host = "127.0.0.1", port = 0 } = options
  const address = `${host.includes(":") ? `[${host}]` : host}:${port}`
  return Effect.map(serve(network, { host, port }, address, callers.of()), (port) => ({ host, port }))
}

/**
 * @since 0.1.0
 * @category models
 */
export interface UnixForwardOptions {
  /** The path of the socket; by default one in a temporary directory of its own, which the scope removes. */
  readonly path?: string | undefined
}

/**
 * A local socket that leads to a driver's connections.
 *
 * @since 0.1.0
 * @category models
 */
export interface ForwardedSocket {
  readonly path: string
}

/**
 * Forwards a Unix socket while the scope is open, as `portForward` forwards a port. Only this user can connect to it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const unixForward = (
  network: Connecting,
  options: UnixForwardOptions = {}
): Effect.Effect<ForwardedSocket, ListenError, Scope.Scope> => {
  const caller = callers.of()
  const chosen = options.path === undefined
    ? Effect.mapError(
      socketDirectory.path,
      ({ address, cause, details }) => callers.blame(new ListenError({ address, cause: cause ?? details }), { caller })
    )
    : Effect.succeed(options.path)
  return Effect.flatMap(chosen, (path) => Effect.as(serve(network, { path }, path, caller), { path }))
}
