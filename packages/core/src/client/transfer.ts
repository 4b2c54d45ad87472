// Copies bytes between a local source or sink and a resource stream (protocol.md 6.2).
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { GrpcStatusError } from "../grpc/GrpcStatus.ts"
import * as Metadata from "../grpc/Metadata.ts"
import { blame } from "../protocol/callerFrame.ts"
import * as clientErrors from "../protocol/clientErrors.ts"
import * as DriverError from "../protocol/DriverError.ts"
import type { JsonValue } from "../protocol/ProtobufValue.ts"
import { acceptEncodingKey } from "../protocol/streamRequest.ts"
import * as ContentEncoding from "../resource/ContentEncoding.ts"
import * as Resource from "../resource/Resource.ts"
import * as interruptible from "../util/interruptible.ts"
import * as pull from "../util/pull.ts"
import { Scavenging } from "../util/scavenging.ts"
import * as encodingWarning from "./encodingWarning.ts"
import type { ExporterStream } from "./ExporterClient.ts"

// The largest piece of a chunk to send at once. Python exporters queue 32 frames of a resource (protocol.md 5.2).
const frameBytes = 256 * 1024

interface Copy<A, E, R> {
  readonly total: Option.Option<number>
  readonly run: Effect.Effect<A, E | DriverError.DriverCallError, R>
  // The outcome when the call has been answered while `run` continues; its argument is the outcome of `run`.
  readonly settle: (
    outcome: Effect.Effect<A, E | DriverError.DriverCallError>
  ) => Effect.Effect<A, E | DriverError.DriverCallError>
}

// The bytes that have moved so far, as counted by the stream.
interface Moved {
  readonly sent: number
  readonly received: number
}

// The argument is invalid as long as nothing was sent. After that, the driver may have used part of it.
const undecodable = (
  cause: ContentEncoding.ContentEncodingError,
  sent: number,
  site: DriverError.CallSite
): DriverError.DriverCallError =>
  sent === 0
    ? clientErrors.invalidArgument(site, { details: cause.message, cause })
    : clientErrors.unexpectedResult(site, "UNKNOWN", {
      details: `the source could not be decoded after ${sent} bytes of its content were sent: ${cause.message}`,
      cause
    })

const upload = <A, E, R>(
  stream: ExporterStream,
  source: Resource.Source<A, E, R>,
  moved: Moved,
  site: DriverError.CallSite
): Copy<A, E, R> => {
  const fail = (status: GrpcStatusError) => DriverError.fromStatus(status, site)
  const scavenging = new Scavenging()
  // Frame by frame, so that a large chunk makes progress while it is sent. A write fails only when the stream is over, and
  // `peerEnded` then has the reason.
  const send = (chunk: Uint8Array): Effect.Effect<void> => {
    // Most sources allocate what they send.
    scavenging.add(2 * Math.min(chunk.length, frameBytes))
    const bytes = chunk.subarray(0, frameBytes)
    const sent = Effect.orElse(stream.write(bytes), () => Effect.never)
    return bytes.length === chunk.length
      ? sent
      : Effect.zipRight(sent, Effect.suspend(() => send(chunk.subarray(bytes.length))))
  }
  // An exporter that does not say which encodings it accepts gets the bytes unchanged (protocol.md 6.3).
  const decoded = Metadata.has(stream.metadata, acceptEncodingKey) ? Option.none() : source.contentEncoding
  const content = Option.match(decoded, {
    onNone: (): Stream.Stream<Uint8Array, E | DriverError.DriverCallError, R> => source.stream,
    onSome: (encoding) =>
      Stream.mapError(source.stream, (error) => ({ _tag: "SourceError" as const, error })).pipe(
        ContentEncoding.decode(encoding),
        Stream.mapError((failure) =>
          failure._tag === "SourceError" ? failure.error : undecodable(failure, moved.sent, site)
        )
      )
  })
  const warning = encodingWarning.ofSource(source, site.driver)
  return {
    total: Option.isSome(decoded) ? Option.none() : source.size,
    // The driver may stop reading before the end: its GOAWAY then ends the transfer, which is not a failure. Losing the
    // stream before everything was sent is a failure, because the exporter would treat what it has as the whole.
    run: interruptible.raceFirst(
      Stream.runForEach(content, (chunk) => Effect.zipRight(warning.look(chunk), send(chunk))).pipe(
        Effect.zipRight(warning.end),
        Effect.zipRight(stream.end),
        Effect.zipRight(Effect.never)
      ),
      Effect.as(Effect.mapError(stream.peerEnded, fail), source.result)
    ),
    // A driver that has answered reads no more, so it did not want the bytes that are still unsent. But the stream may have
    // broken off before the answer without the driver noticing.
    settle: () =>
      Effect.as(interruptible.raceFirst(Effect.mapError(stream.peerEnded, fail), Effect.void), source.result)
  }
}

const download = <A, E, R>(
  stream: ExporterStream,
  target: Resource.Sink<A, E, R>,
  moved: Moved,
  site: DriverError.CallSite,
  // How long a driver that has answered may stay silent before the rest is given up. Without this limit, a driver that
  // never used its resource would hang the call.
  idleTimeout: Duration.Duration
): Copy<A, E, R> => {
  const fail = (status: GrpcStatusError) => DriverError.fromStatus(status, site)
  // Only time spent waiting for the driver counts, not the time that the sink takes.
  const peer = { pulls: 0, waiting: false }
  const receive = Effect.suspend(() => {
    peer.pulls++
    peer.waiting = true
    return stream.receive
  }).pipe(
    Effect.mapError(Option.map(fail)),
    Effect.ensuring(Effect.sync(() => {
      peer.waiting = false
    }))
  )
  const expected: Effect.Effect<Uint8Array, Option.Option<E | DriverError.DriverCallError>> = Option.isNone(target.size)
    ? receive
    : Effect.tap(receive, () => Effect.mapError(target.expect(moved.received, false), Option.some))
  const warning = encodingWarning.ofTarget(target, site.driver)
  const received = pull.values(Effect.tap(expected, warning.look))
  const encoded = Option.match(target.contentEncoding, {
    onNone: () => received,
    onSome: (encoding) =>
      ContentEncoding.encode(encoding)(received).pipe(
        Stream.mapError((error) =>
          error instanceof ContentEncoding.ContentEncodingError
            ? clientErrors.unexpectedResult(site, "UNKNOWN", { details: error.message, cause: error })
            : error
        )
      )
  })
  const idle: Effect.Effect<never, DriverError.DriverCallError> = Effect.suspend(() => {
    const { pulls, waiting } = peer
    return Effect.zipRight(
      Effect.sleep(idleTimeout),
      Effect.suspend(() =>
        waiting && peer.waiting && peer.pulls === pulls
          ? clientErrors.unexpectedResult(site, "UNKNOWN", {
            details: "the driver has answered but did not finish the resource: nothing arrived within " +
              `${Duration.format(idleTimeout)} (transferIdleTimeout)`
          })
          : idle
      )
    )
  })
  return {
    total: target.size,
    // A sink may finish before the driver does, so the rest is still received.
    run: Effect.zipRight(
      stream.end,
      Effect.zipLeft(
        Effect.zipLeft(Stream.run(encoded, target.sink), warning.end),
        Effect.zipRight(
          pull.drain(expected),
          Effect.suspend(() => target.expect(moved.received, true))
        )
      )
    ),
    // The answer and the bytes travel separately, so the last bytes may still be on their way.
    settle: (outcome) => interruptible.raceFirst(outcome, idle)
  }
}

// What this library's sources, sinks and observers fail with. An error of the program has its own stack.
const isOwn = (error: unknown): error is Resource.TransferTooLarge | Resource.SizeMismatch | Resource.TransferStalled =>
  error instanceof Resource.TransferTooLarge || error instanceof Resource.SizeMismatch ||
  error instanceof Resource.TransferStalled

const start = Effect.fnUntraced(function*<A, E, R>(
  handle: JsonValue,
  bytes: () => number,
  copy: Copy<A, E, R>,
  observe: Resource.ProgressObserver<E, R>,
  site: DriverError.CallSite
) {
  const outcome = yield* Deferred.make<A, E | DriverError.DriverCallError>()
  const named = <X>(error: X): X => isOwn(error) ? blame(error, site) : error
  const fiber = yield* copy.run.pipe(
    Effect.mapError(named),
    Effect.onExit((exit) => Deferred.done(outcome, exit)),
    interruptible.forkScoped
  )
  // A fiber that still waits for the transfer when its scope closes gets an error instead of an interruption.
  yield* Effect.addFinalizer(() =>
    Deferred.failSync(outcome, () =>
      clientErrors.unexpectedResult(site, "CANCELLED", {
        details: "the resource was closed before its transfer was complete"
      }))
  )
  const result = Deferred.await(outcome)
  const snapshot = (done: boolean) => Effect.sync(() => ({ bytes: bytes(), total: copy.total, done }))

  const progress: Resource.ResourceHandle<A, E>["progress"] = (options) =>
    Stream.concat(
      Stream.interruptWhen(
        Stream.repeatEffectWithSchedule(snapshot(false), Schedule.spaced(options?.interval ?? "100 millis")),
        Effect.exit(result)
      ),
      Stream.fromEffect(snapshot(true))
    )

  const observer = yield* observe(progress()).pipe(
    Effect.mapError(named),
    Effect.tapError((error) => Effect.zipRight(Deferred.fail(outcome, error), Fiber.interrupt(fiber))),
    interruptible.forkScoped
  )
  const settle = Effect.flatMap(Deferred.isDone(outcome), (done) =>
    done
      ? Effect.asVoid(result)
      : Deferred.complete(outcome, copy.settle(result)).pipe(
        Effect.zipRight(Fiber.interrupt(fiber)),
        Effect.zipRight(Effect.asVoid(result))
      )).pipe(Effect.zipLeft(Fiber.join(observer)))

  return new Resource.ResourceHandle(handle, progress, result, settle)
})

export const open = <A, E, R>(
  stream: ExporterStream,
  moved: Moved,
  handle: JsonValue,
  resource: Resource.Resource<A, E, R>,
  site: DriverError.CallSite,
  idleTimeout: Duration.Duration
): Effect.Effect<Resource.ResourceHandle<A, E>, never, R | Scope.Scope> =>
  resource._tag === "Source"
    ? start(handle, () => moved.sent, upload(stream, resource, moved, site), resource.observe, site)
    : start(handle, () => moved.received, download(stream, resource, moved, site, idleTimeout), resource.observe, site)
