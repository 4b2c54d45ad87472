// What the behaviour suite runs against: an exporter with the drivers of interop/exporter.py, and how it differs from
// what this library promises.
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

/** What a test needs of the exporter besides the connection. */
export class Control extends Context.Tag("test/Control")<Control, {
  /** Sets the exporter's status behind the back of the connection, whatever it is now. */
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
  /** One transport of an exporter gets everything in full size; what differs between transports shows in less. */
  readonly thorough: boolean
}

/**
 * How much of the suite a peer gets. Everything about drivers runs over every transport, for "transport". Two things cannot
 * break on one transport alone:
 *
 * - Typed clients are made of the methods of a `DriverClient`, above the channel: what a transport gets to see is the same RPCs
 *   in both styles. One peer in memory, one of our host and one of Python run both, for "styles".
 * - A passphrase is one more header, the same on every RPC, and is checked before a handler runs. That every shape of RPC has it
 *   shows in the session, in streaming calls and in byte streams, for "shapes".
 */
export type Extent = "styles" | "transport" | "shapes"

/**
 * How a peer differs from what the suite expects of every other one. An entry names the section of protocol.md that
 * describes it; a test that meets the entry expects the difference, so that a peer that is mended fails it.
 */
export interface Quirks {
  /** 3.1: NaN is sent as null, and integers beyond 2^53 are rounded. Our host refuses to send either. */
  readonly lossyNumbers: boolean
  /** 3.1: a result that cannot be sent is INVALID_ARGUMENT, as if the arguments were to blame, unless it is an integer. */
  readonly unsendableResult: GrpcCode
  /** 4.1: an unknown uuid is UNKNOWN with the name of a Python exception instead of NOT_FOUND. */
  readonly unknownDriver: { readonly code: GrpcCode; readonly details: RegExp }
  /**
   * 4.1, 4.4: a streaming call of no such method is NOT_FOUND, in which Python's clients see no missing method, instead of
   * UNIMPLEMENTED.
   */
  readonly missingStreamingCall: GrpcCode
  /** 4.2: the status gate never fires. */
  readonly statusGate: boolean
  /** 4.3: rows of the table of failures that differ in code or wording. */
  readonly failures: Readonly<Record<string, { readonly code?: GrpcCode; readonly details?: string }>>
  /** 4.3: a call cancelled from inside is never answered. */
  readonly cancelledInside: "CANCELLED" | "never answered"
  /** 5.1: the table of failures does not apply to opening a byte stream. */
  readonly failedOpen: { readonly code: GrpcCode; readonly details: string }
  /** 5.3: a byte stream that fails sends a GOAWAY first, and so looks like one that ended. */
  readonly failedStream: "fails" | "ends"
  /** 5.3: a byte stream whose device breaks is not ended at all. */
  readonly brokenStream: "fails" | "stays silent"
  /** 6.1: wording of a handle that is unknown or used up. */
  readonly usedHandle: RegExp
  /** 6.3: an upload whose stream is cut off looks complete to the driver. */
  readonly cutOffUpload: "fails" | "looks complete"
  /** 6.3: an upload whose encoded data is cut off looks complete to the driver. */
  readonly cutOffEncoding: "fails" | "looks complete"
  /** 6.3: of concatenated bz2 streams, which is what we encode, only the first is taken. */
  readonly concatenatedBz2: "decoded" | "refused"
  /** 8: log lines have no time, and there are none about operations. */
  readonly sparseLog: boolean
  /** 8: a log line goes to one subscriber, which may be one that has just left, and may come after the end of the backlog. */
  readonly competingLog: boolean
  /**
   * How many bytes of an upload the peer lets be under way to a driver that does not take them, in no section: gRPC's C core
   * grants what it measures the line to carry, and of 64 MiB has granted 50. What a client holds itself is no quirk.
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
  grantedUpload: Infinity
}

/** What a peer is reached with. */
export interface Reach extends GrpcChannel.ChannelOptions {
  readonly passphrase?: Redacted.Redacted | undefined
}

/** A channel to a peer, which sends the passphrase with the RPCs that tests make through it as well. */
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
