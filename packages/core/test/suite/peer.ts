// The peers of the behaviour suite: exporters with the drivers of interop/exporter.py, and their differences from the
// promises of this library.
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import { type Endpoint, format } from "../../src/grpc/Endpoint.ts"
import type { GrpcCode, GrpcStatusError } from "../../src/grpc/GrpcStatus.ts"
import type { ExporterStatus } from "../../src/protocol/ExporterStatus.ts"
import * as passphrases from "../../src/protocol/passphrase.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"

/** A test's control of the exporter, besides the connection. */
export class Control extends Context.Tag("test/Control")<Control, {
  /** Sets the exporter's status without the connection noticing, whatever the status is now. */
  readonly setStatus: (status: ExporterStatus, message?: string) => Effect.Effect<void>
}>() {}

/** A connection, the channel beneath it, and the control of the exporter it leads to. */
export type Session = ExporterConnection.ExporterConnection | GrpcChannel.GrpcChannel | Control

export interface Peer {
  readonly name: string
  /** A new connection to the exporter. */
  readonly session: Layer.Layer<Session, unknown>
  readonly quirks: Quirks
  readonly extent: Extent
  /** One transport of an exporter runs everything in full size; differences between transports show in smaller sizes. */
  readonly thorough: boolean
}

/**
 * How much of the suite a peer runs. "transport" runs everything about drivers, over every transport. Two things cannot
 * break on one transport alone:
 *
 * - Typed clients use the methods of a `DriverClient`, above the channel, so a transport sees the same RPCs in both styles.
 *   One peer in memory, one of our host and one of Python run both styles, with "styles".
 * - A passphrase is one more header, the same on every RPC, and is checked before a handler runs. The session, streaming
 *   calls and byte streams show that every shape of RPC has it, with "shapes".
 */
export type Extent = "styles" | "transport" | "shapes"

/**
 * The differences of a peer from the suite's expectations. An entry names the section of protocol.md that describes it.
 * Tests expect the difference, so they fail when the peer no longer has it.
 */
export interface Quirks {
  /** 3.1: NaN is sent as null, and integers beyond 2^53 are rounded. Our host refuses to send either. */
  readonly lossyNumbers: boolean
  /** 3.1: a result that cannot be sent is INVALID_ARGUMENT, as if the arguments were wrong, unless it is an integer. */
  readonly unsendableResult: GrpcCode
  /** 4.1: an unknown uuid is UNKNOWN with the name of a Python exception instead of NOT_FOUND. */
  readonly unknownDriver: { readonly code: GrpcCode; readonly details: RegExp }
  /**
   * 4.1, 4.4: a streaming call of a missing method is NOT_FOUND instead of UNIMPLEMENTED, so Python's clients do not
   * recognize the missing method.
   */
  readonly missingStreamingCall: GrpcCode
  /** 4.2: the status gate never fires. */
  readonly statusGate: boolean
  /** 4.3: rows of the table of failures that differ in code or wording. */
  readonly failures: Readonly<Record<string, { readonly code?: GrpcCode; readonly details?: string }>>
  /** 4.3: a call that its driver cancels from inside never ends. */
  readonly cancelledInside: "CANCELLED" | "never answered"
  /** 5.1: the table of failures does not apply to opening a byte stream. */
  readonly failedOpen: { readonly code: GrpcCode; readonly details: string }
  /** 5.3: a byte stream that fails sends a GOAWAY first, and so looks like one that ended. */
  readonly failedStream: "fails" | "ends"
  /** 5.3: a byte stream whose device breaks never ends. */
  readonly brokenStream: "fails" | "stays silent"
  /** 6.1: wording of a handle that is unknown or used up. */
  readonly usedHandle: RegExp
  /** 6.3: an upload whose stream is cut off looks complete to the driver. */
  readonly cutOffUpload: "fails" | "looks complete"
  /** 6.3: an upload whose encoded data is cut off looks complete to the driver. */
  readonly cutOffEncoding: "fails" | "looks complete"
  /** 6.3: only the first of several bz2 streams is read. This library encodes bz2 as several streams. */
  readonly concatenatedBz2: "decoded" | "refused"
  /** 8: log lines have no time, and there are none about operations. */
  readonly sparseLog: boolean
  /** 8: a log line goes to one subscriber, maybe to one that has just left, and may come after the end of the backlog. */
  readonly competingLog: boolean
  /** 10.7: neither the exporter nor its root has labels: `jmp run` of 0.9.0 gives them none. */
  readonly unlabelled: boolean
  /**
   * How many bytes of an upload the peer allows to be under way to a driver that does not read them. No section describes
   * this: gRPC's C core grants as much as it measures the line to carry, and granted 50 MiB of 64. The bytes that a client
   * itself holds do not count.
   */
  readonly grantedUpload: number
}

const mebibyte = 1024 * 1024

export const noQuirks: Quirks = {
  lossyNumbers: false,
  unsendableResult: "UNKNOWN",
  unknownDriver: { code: "NOT_FOUND", details: /^no driver has the uuid/ },
  missingStreamingCall: "UNIMPLEMENTED",
  statusGate: true,
  failures: {},
  cancelledInside: "CANCELLED",
  failedOpen: { code: "UNAVAILABLE", details: "nope" },
  failedStream: "fails",
  brokenStream: "fails",
  usedHandle: /is not open, or was used before/,
  cutOffUpload: "fails",
  cutOffEncoding: "fails",
  concatenatedBz2: "decoded",
  sparseLog: false,
  competingLog: false,
  unlabelled: false,
  grantedUpload: 24 * mebibyte
}

/** Jumpstarter 0.9.0, as pinned in interop/requirements.txt. */
export const pythonQuirks: Quirks = {
  lossyNumbers: true,
  unsendableResult: "INVALID_ARGUMENT",
  unknownDriver: { code: "UNKNOWN", details: /^Unexpected <class 'KeyError'>: UUID\('/ },
  missingStreamingCall: "NOT_FOUND",
  statusGate: false,
  failures: {
    connection: { code: "UNKNOWN" },
    connection_reset: { code: "UNKNOWN", details: "[Errno 104] no" },
    os_error: { code: "UNKNOWN" },
    file_not_found: { code: "UNKNOWN", details: "[Errno 2] no" },
    key_error: { details: "'no'" }
  },
  cancelledInside: "never answered",
  failedOpen: { code: "UNKNOWN", details: "Unexpected <class 'ConnectionRefusedError'>: nope" },
  failedStream: "ends",
  brokenStream: "stays silent",
  usedHandle: /UUID\('/,
  cutOffUpload: "looks complete",
  cutOffEncoding: "looks complete",
  concatenatedBz2: "refused",
  sparseLog: true,
  competingLog: true,
  unlabelled: false,
  grantedUpload: Infinity
}

/** The options for connecting to a peer. */
export interface Reach extends GrpcChannel.ChannelOptions {
  readonly passphrase?: Redacted.Redacted | undefined
}

/** A channel to a peer. It sends the passphrase, also with RPCs that tests make through it. */
export const channel = (
  endpoint: Endpoint,
  { passphrase, ...options }: Reach = {}
): Layer.Layer<GrpcChannel.GrpcChannel, GrpcStatusError> =>
  Layer.scoped(
    GrpcChannel.GrpcChannel,
    passphrases.present(GrpcChannel.fromEndpoint(endpoint, options), format(endpoint), passphrase)
  )

/** A session through a channel. */
export const session = <E1, E2, R>(
  channel: Layer.Layer<GrpcChannel.GrpcChannel, E1, R>,
  control: Layer.Layer<Control, E2, R>
): Layer.Layer<Session, E1 | E2 | ExporterConnection.ConnectError, R> =>
  Layer.merge(Layer.provideMerge(ExporterConnection.layerChannel(), channel), control)
