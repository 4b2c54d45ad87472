// Where a server listens, and what it concedes to its peers.
import type * as Duration from "effect/Duration"
import type * as Redacted from "effect/Redacted"

/**
 * The certificate chain and private key a server proves itself with, as PEM.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServerCertificate {
  readonly chain: string
  readonly privateKey: Redacted.Redacted
}

/**
 * Where to listen: a Unix socket, or a host and port over TCP, with TLS when there is a certificate. Port 0 lets the
 * system choose. Without a certificate a host that other machines can reach has to be asked for, with `insecure`.
 *
 * @since 0.1.0
 * @category models
 */
export type Listen =
  | {
    readonly path: string
    /**
     * The permissions of the socket; `0o600` unless given, so that only this user can connect. It never has wider ones, also
     * not while it is made.
     */
    readonly mode?: number | undefined
  }
  | {
    readonly host: string
    readonly port: number
    /**
     * Whether to serve without TLS where others than this machine can connect. A warning in the log says so. Not needed on
     * loopback addresses.
     */
    readonly insecure?: boolean | undefined
    readonly certificate?: ServerCertificate | undefined
    /** An endpoint of TLS has it. It says what a client trusts, and makes no certificate to serve with. */
    readonly trust?: never
  }

/**
 * What a server concedes to its peers. One connection can make it hold `maxConcurrentStreams` times the buffers of a
 * call, which are a message of `maxMessageBytes` and a megabyte or two; where that is too much, lower both.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServerOptions {
  /** Connections that may be open; further ones are closed at once. 1,000 unless given. */
  readonly maxConnections?: number | undefined
  /** Calls and streams that one connection may have open; its peer holds further ones back. 2,048 unless given. */
  readonly maxConcurrentStreams?: number | undefined
  /**
   * The largest message taken, in bytes; 4 MiB unless given, and at most. A larger one fails with
   * `RESOURCE_EXHAUSTED` (`protocol.md` 4.1). Clients of this library send byte streams in messages of up to 1 MiB and a
   * few bytes.
   */
  readonly maxMessageBytes?: number | undefined
  /**
   * How long a call may be open before its request message is here; 30 seconds unless given. It then fails with
   * `DEADLINE_EXCEEDED`. Byte streams and resources, whose clients may be silent, have no such limit.
   */
  readonly requestTimeout?: Duration.DurationInput | undefined
  /**
   * How often the peer of a TCP or TLS connection is asked for a sign of life; every 20 seconds unless given, never when
   * infinite. Unix sockets need none: the system says when their peer is gone.
   */
  readonly keepaliveTime?: Duration.DurationInput | undefined
  /**
   * How long a peer may take to give that sign; 3 minutes unless given, the time that clients give exporters
   * (`protocol.md` 10.3). Then it counts as gone: the connection is cut, and what it held is released.
   */
  readonly keepaliveTimeout?: Duration.DurationInput | undefined
}
