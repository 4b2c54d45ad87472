// Routes the calls of clients to the handlers of drivers (protocol.md 4 and 5).
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as GrpcHandler from "../grpc/GrpcHandler.ts"
import * as GrpcStatus from "../grpc/GrpcStatus.ts"
import * as Metadata from "../grpc/Metadata.ts"
import type { Call } from "../protocol/callSite.ts"
import * as driverCallCodec from "../protocol/driverCall.ts"
import { formatValuePath, type ValuePath } from "../protocol/DriverError.ts"
import * as DriverFailure from "../protocol/DriverFailure.ts"
import * as duplexStream from "../protocol/duplexStream.ts"
import type { JsonValue } from "../protocol/ProtobufValue.ts"
import * as streamRequest from "../protocol/streamRequest.ts"
import * as telemetryHost from "../telemetry/host.ts"
import * as interruptible from "../util/interruptible.ts"
import { mapItems } from "../util/mapItems.ts"
import * as pull from "../util/pull.ts"
import * as callLog from "./callLog.ts"
import type { DriverContext } from "./Driver.ts"
import type { Hosted, HostedTree } from "./driverTable.ts"
import * as lentResources from "./lentResources.ts"
import type { HostLog } from "./log.ts"
import type * as presignedRequests from "./presigned/requests.ts"
import type { ProvidedHandler } from "./services.ts"

export interface Host {
  readonly tree: HostedTree
  readonly limits: lentResources.Limits
  readonly openPresigned: presignedRequests.Open
  // Returns FAILED_PRECONDITION while the status forbids calls.
  readonly gate: () => GrpcStatus.GrpcStatusError | undefined
  readonly log: HostLog
}

type Handler<Tag extends ProvidedHandler["_tag"]> = Extract<ProvidedHandler, { readonly _tag: Tag }>

const kindNames: Record<ProvidedHandler["_tag"], string> = {
  Call: "a call",
  StreamingCall: "a streaming call",
  Stream: "a stream"
}

// The codes of Python exporters, except where Python clients would treat them as a failure of the driver (protocol.md 4.4).
const missingCodes: Record<ProvidedHandler["_tag"], GrpcStatus.GrpcCode> = {
  Call: "NOT_FOUND",
  StreamingCall: "UNIMPLEMENTED",
  Stream: "NOT_FOUND"
}

const findDriver = (host: Host, uuid: string): Either.Either<Hosted, GrpcStatus.GrpcStatusError> =>
  Either.fromNullable(
    host.tree.find(uuid),
    () => GrpcStatus.make("NOT_FOUND", `no driver has the uuid ${JSON.stringify(uuid)}`)
  )

const isKind = <Tag extends ProvidedHandler["_tag"]>(handler: ProvidedHandler, tag: Tag): handler is Handler<Tag> =>
  handler._tag === tag

const listOf = (methods: ReadonlyArray<string>): string =>
  methods.length === 0 ? "it has no methods" : `it has: ${methods.join(", ")}`

const findHandler = <Tag extends ProvidedHandler["_tag"]>(
  hosted: Hosted,
  method: string,
  tag: Tag
): Either.Either<Handler<Tag>, GrpcStatus.GrpcStatusError> => {
  const missing = (details: string) => Either.left(GrpcStatus.make(missingCodes[tag], details))
  const handler = Object.hasOwn(hosted.driver.methods, method) ? hosted.driver.methods[method] : undefined
  if (handler === undefined) {
    return missing(`method ${method} not found on driver, ${listOf(Object.keys(hosted.driver.methods))}`)
  }
  return isKind(handler, tag)
    ? Either.right(handler)
    : missing(`method ${method} is ${kindNames[handler._tag]}, not ${kindNames[tag]}`)
}

const contextOf = (host: Host, hosted: Hosted): DriverContext => ({
  resource: (handle) => lentResources.open(hosted, handle, host.openPresigned)
})

// A bad result is the driver's fault, not the fault of its caller's arguments, although Python exporters report it as such
// (protocol.md 3.1).
const encodeResult = (result: JsonValue, at: ValuePath): Either.Either<Uint8Array, DriverFailure.DriverFailure> =>
  Either.mapLeft(driverCallCodec.encodeResponse(crypto.randomUUID(), result), ({ path, reason }) => {
    const where = [...at, ...path]
    return DriverFailure.make(
      "Other",
      `the driver's result cannot be sent${where.length === 0 ? "" : ` at ${formatValuePath(where)}`}: ${reason}`
    )
  })

interface Decoded<Tag extends "Call" | "StreamingCall"> {
  readonly args: ReadonlyArray<JsonValue>
  readonly handler: Handler<Tag>
  readonly hosted: Hosted
  readonly method: string
}

const decodeCall = <Tag extends "Call" | "StreamingCall">(
  host: Host,
  message: Uint8Array,
  tag: Tag
): Either.Either<Decoded<Tag>, GrpcStatus.GrpcStatusError> => {
  const closed = host.gate()
  if (closed !== undefined) return Either.left(closed)
  const request = driverCallCodec.decodeRequest(message)
  if (Either.isLeft(request)) return Either.left(GrpcStatus.make("INVALID_ARGUMENT", request.left.reason))
  const { args, method, uuid } = request.right
  return Either.flatMap(
    findDriver(host, uuid),
    (hosted) => Either.map(findHandler(hosted, method, tag), (handler) => ({ args, handler, hosted, method }))
  )
}

const loggedCall = (host: Host, { hosted: { driver, path }, method }: Decoded<"Call">): callLog.Logged => ({
  log: host.log,
  driver,
  call: { driver: path, kind: "call", method }
})

const encodeAnswer = (result: JsonValue | void) => encodeResult(result ?? null, [])

const runCall = (host: Host, decoded: Decoded<"Call">, request: GrpcHandler.GrpcRequest) => {
  const { args, handler, hosted } = decoded
  const logged = loggedCall(host, decoded)
  const answer = callLog.call(logged, () =>
    lentResources.during(
      hosted,
      args,
      Effect.mapError(
        Effect.flatMap(handler.handle(args, contextOf(host, hosted)), encodeAnswer),
        DriverFailure.toStatus
      )
    ))
  return telemetryHost.within(request, logged.call, hosted.queue.pass(answer))
}

export const driverCall = (host: Host) =>
  GrpcHandler.GrpcHandler.Unary({
    handle: (message, request) =>
      Effect.flatMap(
        Effect.suspend(() => decodeCall(host, message, "Call")),
        (decoded) => runCall(host, decoded, request)
      ),
    // Each step of an effect takes time of every call, so a call that nothing surrounds is plain functions around the driver's code.
    start: (message, request, fibers) => {
      const decoded = decodeCall(host, message, "Call")
      if (Either.isLeft(decoded)) return Exit.fail(decoded.left)
      const { args, handler, hosted } = decoded.right
      return hosted.queue.isOpen && hosted.resources.size === 0 && !telemetryHost.areTraced(fibers.refs)
        ? callLog.startCall(
          loggedCall(host, decoded.right),
          fibers,
          () => handler.handleProvided(args, contextOf(host, hosted)),
          encodeAnswer
        )
        : runCall(host, decoded.right, request)
    }
  })

export const streamingDriverCall = (host: Host) =>
  GrpcHandler.GrpcHandler.ServerStreaming({
    handle: (message, rpc) =>
      Stream.unwrapScoped(Effect.gen(function*() {
        const { args, handler, hosted, method } = yield* decodeCall(host, message, "StreamingCall")
        const { driver, path, queue } = hosted
        const call: Call = { driver: path, kind: "streamingCall", method }
        const within = yield* telemetryHost.open(rpc, call)
        yield* queue.enter
        const results = mapItems(
          Stream.suspend(() => handler.handle(args, contextOf(host, hosted))),
          (result, index) => encodeResult(result, [index])
        )
        const responses = lentResources.duringStream(hosted, args, Stream.mapError(results, DriverFailure.toStatus))
        return within(callLog.streamingCall({ log: host.log, driver, call }, responses))
      }))
  })

// Twenty times as long as any sensible request. Longer ones are not parsed, because their JSON may be deeply nested.
const maxRequestLength = 4_096

const decodeStreamRequest = (
  metadata: Metadata.Metadata
): Either.Either<streamRequest.StreamRequest, GrpcStatus.GrpcStatusError> => {
  const refuse = (why: string) =>
    GrpcStatus.make("INVALID_ARGUMENT", `the metadata "${streamRequest.requestKey}" is malformed: ${why}`)
  const request = Option.getOrUndefined(Metadata.get(metadata, streamRequest.requestKey))
  if (request === undefined) return Either.left(refuse("it is missing"))
  if (request.length > maxRequestLength) {
    return Either.left(refuse(`it has more than ${maxRequestLength} characters`))
  }
  return Either.mapLeft(
    Schema.decodeUnknownEither(streamRequest.StreamRequest)(request),
    ({ message }) => refuse(message)
  )
}

// Copies both directions until both have ended. If the device fails, the RPC ends with that failure and without a GOAWAY,
// which a client would treat as a clean end.
const forward = Effect.fnUntraced(
  function*(handler: Handler<"Stream">, duplex: GrpcHandler.GrpcServerDuplex) {
    const device = yield* Effect.mapError(handler.open, DriverFailure.toStatus)
    yield* duplex.sendInitialMetadata(Metadata.make({ [streamRequest.hostKey]: streamRequest.hostName }))
    const client = duplexStream.fromServerDuplex(duplex, lentResources.malformedFrame)
    yield* interruptible.both(
      Effect.zipRight(
        Stream.runForEach(Stream.mapError(device.read, DriverFailure.toStatus), client.write),
        client.end
      ),
      Effect.zipRight(
        pull.forEach(client.receive, (bytes) => Effect.mapError(device.write(bytes), DriverFailure.toStatus)),
        device.end
      )
    )
  }
)

export const stream = (host: Host) =>
  GrpcHandler.GrpcHandler.Duplex({
    handle: Effect.fnUntraced(function*(duplex) {
      const request = yield* decodeStreamRequest(duplex.metadata)
      const hosted = yield* findDriver(host, request.uuid)
      if (request.kind === "resource") {
        return yield* telemetryHost.within(
          duplex,
          { driver: hosted.path, kind: "resource", method: "resource" },
          lentResources.serve(hosted, request.x_jmp_content_encoding, duplex, host.limits)
        )
      }
      const { method } = request
      const handler = yield* findHandler(hosted, method, "Stream")
      const call: Call = { driver: hosted.path, kind: "stream", method }
      return yield* telemetryHost.within(
        duplex,
        call,
        callLog.byteStream(
          { log: host.log, driver: hosted.driver, call },
          () => Effect.scoped(forward(handler, duplex))
        )
      )
    })
  })
