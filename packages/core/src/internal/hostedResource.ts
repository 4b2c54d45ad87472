// Resources on the serving side (protocol.md 6.2): opened by a client, claimed by a driver method, given back once.
import * as Headers from "@effect/platform/Headers"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as ContentEncoding from "../ContentEncoding.ts"
import * as DriverFailure from "../DriverFailure.ts"
import type { GrpcServerDuplex } from "../GrpcHandler.ts"
import * as GrpcStatus from "../GrpcStatus.ts"
import type { JsonValue } from "../ProtobufValue.ts"
import type { DriverResource } from "../Resource.ts"
import * as RouterStream from "../RouterStream.ts"
import { type Hosted, normalizeUuid, type PendingResource } from "./hosted.ts"
import * as streamRequest from "./streamRequest.ts"

export const malformedFrame = (cause: unknown): GrpcStatus.GrpcStatusError =>
  GrpcStatus.make("INVALID_ARGUMENT", `malformed frame: ${cause instanceof Error ? cause.message : String(cause)}`)

// Resources that nobody has claimed hold their buffers, and anybody may open them.
const maxPending = 64

const encodeHandle = Schema.encodeSync(Schema.parseJson(streamRequest.ClientStreamHandle))

const isEncoding = Schema.is(ContentEncoding.ContentEncoding)

// Serves a resource stream for as long as it is pending or in use. Ending the RPC is what tells the client that the
// driver is done with it.
export const serve = Effect.fnUntraced(
  function*(hosted: Hosted, encoding: string | null, duplex: GrpcServerDuplex) {
    if (encoding !== null && !isEncoding(encoding)) {
      return yield* GrpcStatus.make("INVALID_ARGUMENT", `unsupported content encoding ${JSON.stringify(encoding)}`)
    }
    if (hosted.resources.size >= maxPending) {
      return yield* GrpcStatus.make("RESOURCE_EXHAUSTED", `${maxPending} resources of this driver wait to be used`)
    }
    const uuid = crypto.randomUUID()
    const stream = RouterStream.fromServerDuplex(duplex, malformedFrame)
    const released = yield* Deferred.make<Exit.Exit<unknown, unknown>>()
    yield* Effect.acquireRelease(
      Effect.sync(() =>
        hosted.resources.set(normalizeUuid(uuid), { stream, encoding: encoding ?? undefined, released })
      ),
      () => Effect.sync(() => hosted.resources.delete(normalizeUuid(uuid)))
    )
    yield* duplex.sendInitialMetadata(Headers.fromInput({
      [streamRequest.resourceKey]: encodeHandle({ kind: "client_stream", uuid, x_jmp_content_encoding: encoding }),
      // Present but empty without an encoding: Python clients break when it is absent (protocol.md 6.3).
      [streamRequest.acceptEncodingKey]: encoding ?? ""
    }))
    // A GOAWAY says that the client has all there is, so there is none when the driver broke off.
    if (Exit.isFailure(yield* Deferred.await(released))) {
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
  const read = Stream.mapError(stream.read, lost)
  const write: DriverResource["write"] = Stream.runForEach((chunk) => Effect.mapError(stream.write(chunk), lost))
  return encoding === undefined ? { read, write } : {
    read: Stream.mapError(ContentEncoding.decode(encoding)(read), codecFailure),
    write: (bytes) => write(Stream.mapError(ContentEncoding.encode(encoding)(bytes), codecFailure))
  }
}

const decodeHandle = Schema.decodeUnknownOption(streamRequest.ClientStreamHandle)

// Claims the resource behind a handle for one use.
export const open = (
  hosted: Hosted,
  handle: JsonValue | undefined
): Effect.Effect<DriverResource, DriverFailure.DriverFailure, Scope.Scope> =>
  Option.match(decodeHandle(handle), {
    onNone: () => DriverFailure.make("InvalidArgument", "the argument is no handle of a client stream"),
    onSome: ({ uuid }) =>
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
  })
