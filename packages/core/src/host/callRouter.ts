// Routes the calls of clients to the handlers of drivers (protocol.md 4 and 5).
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as GrpcHandler from "../grpc/GrpcHandler.ts"
import * as GrpcStatus from "../grpc/GrpcStatus.ts"
import * as Metadata from "../grpc/Metadata.ts"
import { type Call, callName } from "../protocol/callSite.ts"
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
import type { DriverContext, DriverHandler } from "./Driver.ts"
import type { Hosted, HostedTree } from "./driverTable.ts"
import * as lentResources from "./lentResources.ts"
import { causeText, type HostLog } from "./log.ts"
import type * as presignedRequests from "./presigned/requests.ts"

export interface Host {
  readonly tree: HostedTree
  readonly limits: lentResources.Limits
  readonly openPresigned: presignedRequests.Open
  // Fails with FAILED_PRECONDITION while the status forbids calls.
  readonly gate: Effect.Effect<void, GrpcStatus.GrpcStatusError>
  readonly log: HostLog
}

type Handler<Tag extends DriverHandler["_tag"]> = Extract<DriverHandler, { readonly _tag: Tag }>

const kindNames: Record<DriverHandler["_tag"], string> = {
  Call: "a call",
  StreamingCall: "a streaming call",
  Stream: "a stream"
}

// As Python exporters answer, except where Python clients would take it for a failure of the driver (protocol.md 4.4).
const missingCodes: Record<DriverHandler["_tag"], GrpcStatus.GrpcCode> = {
  Call: "NOT_FOUND",
  StreamingCall: "UNIMPLEMENTED",
  Stream: "NOT_FOUND"
}

const findDriver = (host: Host, uuid: string): Either.Either<Hosted, GrpcStatus.GrpcStatusError> =>
  Either.fromNullable(
    host.tree.find(uuid),
    () => GrpcStatus.make("NOT_FOUND", `no driver has the uuid ${JSON.stringify(uuid)}`)
  )

const isKind = <Tag extends DriverHandler["_tag"]>(handler: DriverHandler, tag: Tag): handler is Handler<Tag> =>
  handler._tag === tag

const findHandler = <Tag extends DriverHandler["_tag"]>(
  hosted: Hosted,
  method: string,
  tag: Tag
): Either.Either<Handler<Tag>, GrpcStatus.GrpcStatusError> => {
  const missing = (details: string) => Either.left(GrpcStatus.make(missingCodes[tag], details))
  const handler = Object.hasOwn(hosted.driver.methods, method) ? hosted.driver.methods[method] : undefined
  if (handler === undefined) return missing(`method ${method} not found on driver`)
  return isKind(handler, tag)
    ? Either.right(handler)
    : missing(`method ${method} is ${kindNames[handler._tag]}, not ${kindNames[tag]}`)
}

const contextOf = (host: Host, hosted: Hosted): DriverContext => ({
  resource: (handle) => lentResources.open(hosted, handle, host.openPresigned)
})

// What a driver answers has nothing to do with its caller's arguments, whatever Python exporters say of it (protocol.md 3.1).
const encodeResult = (result: JsonValue, at: ValuePath): Either.Either<Uint8Array, DriverFailure.DriverFailure> =>
  Either.mapLeft(driverCallCodec.encodeResponse(crypto.randomUUID(), result), ({ path, reason }) => {
    const where = [...at, ...path]
    return DriverFailure.make(
      "Other",
      `the driver's result cannot be sent${where.length === 0 ? "" : ` at ${formatValuePath(where)}`}: ${reason}`
    )
  })

// A driver's bug is reported to the caller as Python exporters report unforeseen exceptions, and logged here, where
// somebody can mend it.
const reportDefects = <A, E, R>(call: Call, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.tapErrorCause(
    effect,
    (cause) =>
      Option.isSome(Cause.dieOption(cause))
        ? Effect.logError(`${callName(call)} failed unexpectedly`, cause)
        : Effect.void
  )

// What a driver fails with travels without its cause, which is often what tells somebody here what to mend.
const reportFailure = (host: Host, call: Call, failure: DriverFailure.DriverFailure) =>
  host.log.locally(Effect.logWarning(`${callName(call)} failed`, Cause.fail(failure)))

const errorTypes: Record<DriverFailure.FailureReason, string> = {
  NotImplemented: "not_implemented",
  InvalidArgument: "validation_error",
  Timeout: "timeout",
  Connection: "connection_error",
  Device: "device_error",
  Other: "internal_error"
}

// The log lines that every driver call leaves (protocol.md 8).
const started = (host: Host, hosted: Hosted, method: string) =>
  host.log.record(hosted.driver, method, "INFO", "Operation started", {})

const logEnd = (
  host: Host,
  hosted: Hosted,
  method: string,
  exit: Exit.Exit<unknown, DriverFailure.DriverFailure>
) => {
  if (Exit.isSuccess(exit)) {
    return host.log.record(hosted.driver, method, "INFO", "Operation completed", { result: "success" })
  }
  // A caller that has heard enough is no failure.
  if (Cause.isInterruptedOnly(exit.cause)) {
    return host.log.record(hosted.driver, method, "INFO", "Operation cancelled", { result: "cancelled" })
  }
  const failure = Option.getOrUndefined(Cause.failureOption(exit.cause))
  return host.log.record(hosted.driver, method, "WARNING", "Operation failed", {
    result: "failure",
    error_type: errorTypes[failure?.reason ?? "Other"],
    error: failure?.message ?? causeText(exit.cause)
  })
}

const ended = (
  host: Host,
  hosted: Hosted,
  call: Call,
  args: ReadonlyArray<JsonValue>,
  exit: Exit.Exit<unknown, DriverFailure.DriverFailure>
) => {
  const told = Effect.zipRight(lentResources.giveBack(hosted, args, exit), logEnd(host, hosted, call.method, exit))
  const failure = Exit.isSuccess(exit) ? Option.none() : Cause.failureOption(exit.cause)
  return Option.isNone(failure) ? told : Effect.zipRight(told, reportFailure(host, call, failure.value))
}

const decodeCall = <Tag extends "Call" | "StreamingCall">(host: Host, message: Uint8Array, tag: Tag) =>
  Effect.zipRight(
    host.gate,
    Effect.suspend(() =>
      Either.flatMap(
        Either.mapLeft(
          driverCallCodec.decodeRequest(message),
          ({ reason }) => GrpcStatus.make("INVALID_ARGUMENT", reason)
        ),
        ({ args, method, uuid }) =>
          Either.flatMap(
            findDriver(host, uuid),
            (hosted) => Either.map(findHandler(hosted, method, tag), (handler) => ({ args, handler, hosted, method }))
          )
      )
    )
  )

export const driverCall = (host: Host) =>
  GrpcHandler.GrpcHandler.Unary({
    handle: (message, { metadata }) =>
      Effect.flatMap(decodeCall(host, message, "Call"), ({ args, handler, hosted, method }) => {
        const call: Call = { driver: hosted.path, kind: "call", method }
        const result = Effect.flatMap(
          Effect.suspend(() => handler.handle(args, contextOf(host, hosted))),
          (result) => encodeResult(result ?? null, [])
        )
        // One bracket, because it is much of what a call costs.
        const response = Effect.acquireUseRelease(
          Effect.zipRight(started(host, hosted, method), host.log.enter(hosted.driver, method)),
          () => reportDefects(call, result),
          (before, exit) => Effect.zipRight(host.log.leave(before), ended(host, hosted, call, args, exit))
        )
        return telemetryHost.within(
          metadata,
          call,
          hosted.queue.pass(Effect.mapError(response, DriverFailure.toStatus))
        )
      })
  })

// A driver's results with its logs captured as they happen, which takes running its pulls one by one.
const captured = <A>(
  host: Host,
  hosted: Hosted,
  call: Call,
  results: Stream.Stream<A, DriverFailure.DriverFailure>
): Stream.Stream<A, DriverFailure.DriverFailure> =>
  Stream.unwrapScoped(Effect.gen(function*() {
    const captured = <B, E>(effect: Effect.Effect<B, E>) =>
      host.log.capture(hosted.driver, call.method, reportDefects(call, effect))
    // A scope of its own, because nobody else hears of a device that fails to close.
    const scope = yield* Effect.acquireRelease(Scope.make(), (scope, exit) => captured(Scope.close(scope, exit)))
    return Stream.repeatEffectChunkOption(captured(yield* Scope.extend(Stream.toPull(results), scope)))
  }))

export const streamingDriverCall = (host: Host) =>
  GrpcHandler.GrpcHandler.ServerStreaming({
    handle: (message, { metadata }) =>
      Stream.unwrapScoped(Effect.gen(function*() {
        const { args, handler, hosted, method } = yield* decodeCall(host, message, "StreamingCall")
        const call: Call = { driver: hosted.path, kind: "streamingCall", method }
        const within = yield* telemetryHost.open(metadata, call)
        yield* hosted.queue.enter
        yield* started(host, hosted, method)
        const handled = Stream.suspend(() => handler.handle(args, contextOf(host, hosted)))
        const results = captured(host, hosted, call, handled)
        const responses = mapItems(results, (result, index) => encodeResult(result, [index])).pipe(
          Stream.ensuringWith((exit) => ended(host, hosted, call, args, exit)),
          Stream.mapError(DriverFailure.toStatus)
        )
        return within(responses)
      }))
  })

// Twenty times as long as any that makes sense. What is longer is not looked at, for the depth its JSON may have.
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

// Copies both directions until both have ended. A device that fails ends the RPC with its failure and without a GOAWAY,
// which a client would take for a clean end.
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
      const { metadata } = duplex
      const request = yield* decodeStreamRequest(metadata)
      const hosted = yield* findDriver(host, request.uuid)
      if (request.kind === "resource") {
        return yield* telemetryHost.within(
          metadata,
          { driver: hosted.path, kind: "resource", method: "resource" },
          lentResources.serve(hosted, request.x_jmp_content_encoding, duplex, host.limits)
        )
      }
      const { method } = request
      const handler = yield* findHandler(hosted, method, "Stream")
      const call: Call = { driver: hosted.path, kind: "stream", method }
      return yield* telemetryHost.within(
        metadata,
        call,
        Effect.tapError(
          host.log.capture(hosted.driver, method, reportDefects(call, Effect.scoped(forward(handler, duplex)))),
          ({ cause }) => cause instanceof DriverFailure.DriverFailure ? reportFailure(host, call, cause) : Effect.void
        )
      )
    })
  })
