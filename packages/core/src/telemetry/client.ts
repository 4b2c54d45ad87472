// What a client reports about its driver calls: metrics always, and spans if a tracer is installed.
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import type * as MetricLabel from "effect/MetricLabel"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { GrpcStatusError } from "../grpc/GrpcStatus.ts"
import type { CallOptions } from "../grpc/grpcTransport.ts"
import type { ByteStream } from "../protocol/ByteStream.ts"
import type { DuplexStream } from "../protocol/duplexStream.ts"
import { acquireRelease } from "../util/acquired.ts"
import * as pull from "../util/pull.ts"
import type { Operation } from "./metrics.ts"
import * as telemetrySpan from "./span.ts"
import type { CallWitness } from "./witness.ts"

interface Counted<E> extends Pick<ByteStream<E>, "read" | "write"> {
  readonly receive: Effect.Effect<Uint8Array, Option.Option<E>>
}

// A call under way.
export class Ongoing {
  // The outcome of a stream, known when its scope has closed.
  outcome: Effect.Effect<Exit.Exit<unknown, unknown>> = Effect.succeed(Exit.void)
  // The bytes of a stream that have moved.
  sent = 0
  received = 0
  readonly witness: CallWitness | undefined
  private ended = false
  private readonly clock: Clock.Clock
  private readonly began: bigint
  private readonly labels: ReadonlyArray<MetricLabel.MetricLabel>

  constructor(
    private readonly operation: Operation,
    private readonly span: telemetrySpan.CallSpan | undefined,
    args: ReadonlyArray<unknown>,
    fiber: Fiber.RuntimeFiber<unknown, unknown>
  ) {
    this.clock = Context.get(fiber.currentDefaultServices, Clock.Clock)
    this.labels = fiber.getFiberRef(FiberRef.currentMetricLabels)
    this.began = this.clock.unsafeCurrentTimeNanos()
    operation.count.begun++
    operation.calls.unsafeUpdate(1, this.labels)
    operation.bytes?.open.unsafeModify(1, this.labels)
    this.witness = operation.witness?.call(operation.call, args, fiber)
  }

  // Options with which to send its RPC.
  get options(): CallOptions {
    return { metadata: this.span?.metadata }
  }

  // Counts the bytes of a stream, and explains its failures.
  counted<E>(stream: DuplexStream, explain: (status: GrpcStatusError) => E): Counted<E> {
    const receive = Effect.matchEffect(stream.receive, {
      onFailure: (end) => Effect.fail(Option.map(end, explain)),
      onSuccess: (bytes) => {
        this.received += bytes.length
        this.operation.bytes?.received.unsafeUpdate(bytes.length, this.labels)
        this.witness?.received(bytes)
        return Effect.succeed(bytes)
      }
    })
    return {
      receive,
      read: pull.values(receive),
      write: (bytes) =>
        Effect.matchEffect(stream.write(bytes), {
          onFailure: (status) => Effect.fail(explain(status)),
          onSuccess: () => {
            this.sent += bytes.length
            this.operation.bytes?.sent.unsafeUpdate(bytes.length, this.labels)
            this.witness?.sent(bytes)
            return Effect.void
          }
        })
    }
  }

  end(exit: Exit.Exit<unknown, unknown>): void {
    if (this.ended) return
    this.ended = true
    const { bytes, count, duration, failures } = this.operation
    count.ended++
    duration.unsafeUpdate(Number(this.clock.unsafeCurrentTimeNanos() - this.began) / 1e6, this.labels)
    bytes?.open.unsafeModify(-1, this.labels)
    const error = telemetrySpan.errorType(exit)
    if (error !== undefined) failures(error).unsafeUpdate(1, this.labels)
    this.span?.end(
      exit,
      bytes && { "jumpstarter.bytes_sent": this.sent, "jumpstarter.bytes_received": this.received }
    )
    this.witness?.ended(exit)
  }
}

const begin = <A, E, R>(
  operation: Operation,
  args: ReadonlyArray<unknown>,
  run: (ongoing: Ongoing) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.withFiberRuntime((fiber) =>
    telemetrySpan.isTraced(fiber)
      ? Effect.flatMap(
        telemetrySpan.startClient(operation.call, operation.exporter),
        (span) => run(new Ongoing(operation, span, args, fiber))
      )
      : run(new Ongoing(operation, undefined, args, fiber))
  )

const end = (ongoing: Ongoing, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> =>
  Effect.sync(() => ongoing.end(exit))

export const call = <A, E, R>(
  operation: Operation,
  args: ReadonlyArray<unknown>,
  run: (ongoing: Ongoing) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  begin(operation, args, (ongoing) => Effect.onExit(run(ongoing), (exit) => end(ongoing, exit)))

export const streamingCall = <A, E, R, E2, R2>(
  operation: Operation,
  args: ReadonlyArray<unknown>,
  run: (ongoing: Ongoing) => Effect.Effect<Stream.Stream<A, E, R>, E2, R2>
): Stream.Stream<A, E | E2, R | R2> =>
  Stream.unwrapScoped(Effect.flatMap(acquireRelease(begin(operation, args, Effect.succeed), end), run))

// Lasts until the scope closes, or until the stream could not be opened. It has its own outcome, because other failures in
// the scope are not failures of the stream.
export const stream = <A, E, R>(
  operation: Operation,
  open: (ongoing: Ongoing) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R | Scope.Scope> =>
  Effect.flatMap(
    acquireRelease(
      begin(operation, [], Effect.succeed),
      (ongoing, exit) =>
        Effect.flatMap(ongoing.outcome, (outcome) =>
          end(
            ongoing,
            Exit.isSuccess(outcome) && Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause) ? exit : outcome
          ))
    ),
    (ongoing) => Effect.onError(open(ongoing), (cause) => end(ongoing, Exit.failCause(cause)))
  )
