// Resources on the serving side (protocol.md 6): opened by a client, claimed by a driver method and released once; or
// presigned by a client, and opened on the driver's behalf.
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { GrpcServerDuplex } from "../grpc/GrpcHandler.ts"
import * as GrpcStatus from "../grpc/GrpcStatus.ts"
import * as Metadata from "../grpc/Metadata.ts"
import * as DriverFailure from "../protocol/DriverFailure.ts"
import * as duplexStream from "../protocol/duplexStream.ts"
import type { JsonValue } from "../protocol/ProtobufValue.ts"
import * as streamRequest from "../protocol/streamRequest.ts"
import { normalizeUuid } from "../protocol/uuid.ts"
import * as codecPackages from "../resource/codecPackages.ts"
import * as ContentEncoding from "../resource/ContentEncoding.ts"
import type { DriverResource } from "../resource/Resource.ts"
import * as interruptible from "../util/interruptible.ts"
import * as pull from "../util/pull.ts"
import type { Hosted, PendingResource } from "./driverTable.ts"
import type * as presignedRequests from "./presigned/requests.ts"

export const malformedFrame = (cause: unknown): GrpcStatus.GrpcStatusError =>
  GrpcStatus.make("INVALID_ARGUMENT", `malformed frame: ${cause instanceof Error ? cause.message : String(cause)}`)

// Unclaimed resources hold their buffers, and any client may open them.
export interface Limits {
  readonly pendingResources: number
  readonly resourceWait: Duration.Duration
}

const encodeHandle = Schema.encodeSync(Schema.parseJson(streamRequest.ClientStreamHandle))

const isEncoding = Schema.is(ContentEncoding.ContentEncoding)

// Serves a resource stream as long as it is pending or in use. The end of the RPC tells the client that the driver is done
// with it.
export const serve = Effect.fnUntraced(
  function*(hosted: Hosted, encoding: string | null, duplex: GrpcServerDuplex, limits: Limits) {
    if (encoding !== null && !isEncoding(encoding)) {
      return yield* GrpcStatus.make("INVALID_ARGUMENT", `unsupported content encoding ${JSON.stringify(encoding)}`)
    }
    const missing = encoding === null ? Option.none() : codecPackages.missing(encoding)
    if (Option.isSome(missing)) {
      return yield* GrpcStatus.make(
        "INVALID_ARGUMENT",
        `unsupported content encoding "${encoding}": no codec is installed: ${missing.value}`
      )
    }
    if (hosted.resources.size >= limits.pendingResources) {
      const details =
        `${limits.pendingResources} resources of this driver already wait to be used (limits.pendingResources)`
      return yield* GrpcStatus.make("RESOURCE_EXHAUSTED", details)
    }
    const uuid = crypto.randomUUID()
    const key = normalizeUuid(uuid)
    const stream = duplexStream.fromServerDuplex(duplex, malformedFrame)
    const released = yield* Deferred.make<Exit.Exit<unknown, unknown>>()
    yield* Effect.acquireRelease(
      Effect.sync(() => hosted.resources.set(key, { stream, encoding: encoding ?? undefined, released })),
      () => Effect.sync(() => hosted.resources.delete(key))
    )
    yield* duplex.sendInitialMetadata(Metadata.make({
      [streamRequest.resourceKey]: encodeHandle({ kind: "client_stream", uuid, x_jmp_content_encoding: encoding }),
      // Present but empty without an encoding: Python clients break when it is absent (protocol.md 6.3).
      [streamRequest.acceptEncodingKey]: encoding ?? ""
    }))
    const unclaimed = Effect.suspend(() =>
      hosted.resources.delete(key)
        ? GrpcStatus.make(
          "DEADLINE_EXCEEDED",
          `no call used the resource for ${Duration.format(limits.resourceWait)} (limits.resourceWait)`
        )
        : Effect.never
    )
    const exit = yield* interruptible.raceFirst(Deferred.await(released), Effect.delay(unclaimed, limits.resourceWait))
    // A GOAWAY tells the client that it has everything, so none is sent when the driver broke off.
    if (Exit.isFailure(exit)) {
      return yield* GrpcStatus.make("ABORTED", "the driver failed while it used the resource")
    }
    yield* stream.end
  }
)

const lost = (status: GrpcStatus.GrpcStatusError): DriverFailure.DriverFailure =>
  DriverFailure.make("Connection", `the client's resource broke off: ${status.details}`, status)

const codecFailure = (
  error: ContentEncoding.ContentEncodingError | DriverFailure.DriverFailure
): DriverFailure.DriverFailure =>
  error._tag === "ContentEncodingError" ? DriverFailure.make("InvalidArgument", error.message, error) : error

const use = ({ encoding, stream }: PendingResource): DriverResource => {
  const write: DriverResource["write"] = Stream.runForEach((chunk) => Effect.mapError(stream.write(chunk), lost))
  return encoding === undefined ? { read: Stream.mapError(stream.read, lost), write } : {
    read: pull.chunks(stream.receiveAll).pipe(
      Stream.mapError(lost),
      ContentEncoding.decode(encoding),
      Stream.mapError(codecFailure)
    ),
    write: (bytes) => write(Stream.mapError(ContentEncoding.encode(encoding)(bytes), codecFailure))
  }
}

const decodeHandle = Schema.decodeUnknownOption(
  Schema.Union(streamRequest.ClientStreamHandle, streamRequest.PresignedRequest)
)

// Claims the stream behind a handle for one use.
const claim = (hosted: Hosted, uuid: string): Effect.Effect<DriverResource, DriverFailure.DriverFailure, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.suspend(() => {
      const pending = hosted.resources.get(normalizeUuid(uuid))
      if (pending === undefined) {
        return DriverFailure.make("Other", `resource ${uuid} is not open, or was used before`)
      }
      hosted.resources.delete(normalizeUuid(uuid))
      return Effect.succeed(pending)
    }),
    ({ released }, exit) => Deferred.succeed(released, exit)
  ).pipe(Effect.map(use))

const isClientStream = Schema.is(Schema.encodedSchema(streamRequest.ClientStreamHandle))

const giveBack = ({ resources }: Hosted, args: ReadonlyArray<JsonValue>) => (exit: Exit.Exit<unknown, unknown>) =>
  Effect.forEach(args, (argument) => {
    if (!isClientStream(argument)) return Effect.void
    const key = normalizeUuid(argument.uuid)
    const pending = resources.get(key)
    if (pending === undefined) return Effect.void
    resources.delete(key)
    return Deferred.succeed(pending.released, exit)
  }, { discard: true })

// Releases the resources among a call's arguments that the call has not opened: a client lends them for the duration of the
// call, and waits for its end. A lent resource is open before its call arrives. Most drivers are lent nothing, so the
// arguments of their calls are not inspected.
export const during = <A, E, R>(
  hosted: Hosted,
  args: ReadonlyArray<JsonValue>,
  call: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => hosted.resources.size === 0 ? call : Effect.onExit(call, giveBack(hosted, args))

export const duringStream = <A, E, R>(
  hosted: Hosted,
  args: ReadonlyArray<JsonValue>,
  results: Stream.Stream<A, E, R>
): Stream.Stream<A, E, R> =>
  hosted.resources.size === 0 ? results : Stream.ensuringWith(results, giveBack(hosted, args))

export const open = (
  hosted: Hosted,
  handle: JsonValue | undefined,
  openPresigned: presignedRequests.Open
): Effect.Effect<DriverResource, DriverFailure.DriverFailure, Scope.Scope> =>
  Option.match(decodeHandle(handle), {
    onNone: () =>
      DriverFailure.make(
        "InvalidArgument",
        "the argument is neither a resource handle nor a presigned request"
      ),
    onSome: (handle) => handle.kind === "client_stream" ? claim(hosted, handle.uuid) : openPresigned(handle)
  })
