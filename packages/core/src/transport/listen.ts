// Where a server listens, its limits for peers, and the error of a server that cannot listen.
import type * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

/**
 * The certificate chain and the private key of a server, both as PEM.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServerCertificate {
  readonly chain: string
  readonly privateKey: Redacted.Redacted
}

/**
 * Where to listen: a Unix socket, or a host and port over TCP, with TLS when there is a `certificate`. Port 0 lets the system
 * choose. A host that other machines can connect to needs a `certificate` or `insecure: true`.
 *
 * @since 0.1.0
 * @category models
 */
export type Listen =
  | {
    readonly path: string
    /**
     * The permissions of the socket; `0o600` by default, so that only this user can connect. The socket never has wider
     * permissions, not even while it is created.
     */
    readonly mode?: number | undefined
  }
  | {
    readonly host: string
    readonly port: number
    /**
     * Allows serving without TLS to other machines, and logs a warning. Not needed on loopback addresses.
     */
    readonly insecure?: boolean | undefined
    readonly certificate?: ServerCertificate | undefined
    /** Only so that a TLS `Endpoint` does not type-check here: its trust is a client's, and no certificate to serve with. */
    readonly trust?: never
  }

/**
 * The limits of a server for its peers. One connection can make the server hold the buffers of `maxConcurrentStreams` calls, each
 * a message of `maxMessageBytes` and one or two megabytes. Lower both if that is too much.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServerOptions {
  /** How many connections may be open; 1,000 by default. Further ones are closed immediately. */
  readonly maxConnections?: number | undefined
  /**
   * How many calls and streams one connection may have open; 2,048 by default. The peer holds further ones back. Clients on gRPC's
   * library in C, such as Python's, get `RESOURCE_EXHAUSTED` instead, because they count streams that have ended.
   */
  readonly maxConcurrentStreams?: number | undefined
  /**
   * The largest message accepted, in bytes; 4 MiB by default, which is also the maximum. A larger message fails with
   * `RESOURCE_EXHAUSTED` (`protocol.md` 4.1). Clients of this library send byte streams in messages of up to 1 MiB plus a few
   * bytes.
   */
  readonly maxMessageBytes?: number | undefined
  /**
   * How long a call may wait for its request message; 30 seconds by default. The call then fails with `DEADLINE_EXCEEDED`. Byte
   * streams and resources have no such limit, because their clients may be silent.
   */
  readonly requestTimeout?: Duration.DurationInput | undefined
  /**
   * How often to ping the peer of a TCP or TLS connection; every 20 seconds by default, never when infinite. Unix sockets need no
   * pings: the system reports when their peer is gone.
   */
  readonly keepaliveTime?: Duration.DurationInput | undefined
  /**
   * How long a peer may take to answer a ping; 3 minutes by default, as clients give exporters (`protocol.md` 10.3). After that the
   * connection is closed, and everything it held is released.
   */
  readonly keepaliveTimeout?: Duration.DurationInput | undefined
}

/**
 * The server cannot listen at its address. `details` says why.
 *
 * @since 0.1.0
 * @category errors
 */
export class GrpcServerError extends Schema.TaggedError<GrpcServerError>(
  "@effect-jumpstarter/core/GrpcServer/GrpcServerError"
)("GrpcServerError", { address: Schema.String, details: Schema.String, cause: Schema.optional(Schema.Defect) }) {
  override get message(): string {
    return `cannot listen on ${this.address}: ${this.details}`
  }
}

/** Makes the error from what Node reported. */
export const cannotListen = (address: string) => ({ error }: Cause.UnknownException): GrpcServerError =>
  new GrpcServerError({ address, details: error instanceof Error ? error.message : String(error), cause: error })
