// A transport that replays a recording.
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Bytes from "../../grpc/Bytes.ts"
import * as GrpcStatus from "../../grpc/GrpcStatus.ts"
import { type GrpcTransport, sentAfterEnd } from "../../grpc/grpcTransport.ts"
import * as Metadata from "../../grpc/Metadata.ts"
import * as frame from "../../protocol/routerFrame.ts"
import * as interruptible from "../../util/interruptible.ts"
import * as monotonicClock from "../../util/monotonicClock.ts"
import * as exporterCall from "../exporterCall.ts"
import type { Place, ReplayRecording, ReplayRpc } from "./reader.ts"
import { type Options, ReplayMatcher } from "./replayMatcher.ts"

// A step of an RPC; fails with none at a clean end.
type Step<A> = Effect.Effect<A, Option.Option<GrpcStatus.GrpcStatusError>>

// The exporter's side of an RPC.
const answersOf = (matcher: ReplayMatcher, rpc: string, recorded: ReplayRpc, begunAt: number) => {
  const due = (place: Place): Step<void> => Effect.mapError(matcher.due(rpc, recorded, place, begunAt), Option.some)
  const end: Step<never> = Effect.suspend(() =>
    recorded.end === undefined
      ? Effect.mapError(matcher.beyond(rpc, recorded), Option.some)
      : Effect.zipRight(
        due(recorded.end),
        Effect.fail(Option.map(Option.fromNullable(recorded.end.failure), (failure) => matcher.failure(rpc, failure)))
      )
  )
  let position = 0
  const next: Step<Uint8Array> = Effect.suspend(() => {
    const output = recorded.outputs[position]
    return output === undefined ? end : due(output).pipe(
      Effect.zipRight(Effect.mapError(matcher.message(rpc, recorded, output), Option.some)),
      Effect.tap(() =>
        Effect.sync(() => {
          position++
        })
      )
    )
  })
  return { due, end, next }
}

const orNever = <A>(step: Step<A>): Effect.Effect<A, GrpcStatus.GrpcStatusError> =>
  Effect.catchAll(step, Option.match({ onNone: () => Effect.never, onSome: Effect.fail<GrpcStatus.GrpcStatusError> }))

const orVoid = (step: Step<never>): Effect.Effect<void, GrpcStatus.GrpcStatusError> =>
  Effect.catchAll(step, Option.match({ onNone: () => Effect.void, onSome: Effect.fail<GrpcStatus.GrpcStatusError> }))

export const make = (recording: ReplayRecording, options: Options) => {
  const matcher = new ReplayMatcher(recording, options)

  const begin = Effect.fnUntraced(function*(rpc: string, call: Option.Option<exporterCall.ExporterCall>) {
    const recorded = yield* matcher.begin(rpc, call)
    return { recorded, ...answersOf(matcher, rpc, recorded, yield* monotonicClock.currentMillis) }
  })

  const unary: GrpcTransport["unary"] = (rpc, message) =>
    Effect.flatMap(begin(rpc, exporterCall.fromMessage(rpc, message)), ({ next }) => orNever(next))

  const serverStreaming: GrpcTransport["serverStreaming"] = (rpc, message) =>
    Stream.unwrap(
      Effect.map(begin(rpc, exporterCall.fromMessage(rpc, message)), ({ next }) => Stream.repeatEffectOption(next))
    )

  const duplex: GrpcTransport["duplex"] = Effect.fnUntraced(function*(rpc, options) {
    const { due, end, next, recorded } = yield* begin(rpc, exporterCall.fromMetadata(rpc, options.metadata))
    matcher.opened(recorded)
    // Ends the RPC before its recorded end, because the program cancelled it or differs from the recording.
    const over = yield* Deferred.make<never, GrpcStatus.GrpcStatusError>()
    const unlessOver = <A>(step: Step<A>): Step<A> =>
      Effect.flatMap(Deferred.isDone(over), (done) => {
        const ended = Effect.mapError(Deferred.await(over), Option.some)
        return done ? ended : interruptible.raceFirst(step, ended)
      })
    const orOver = <A>(sent: Effect.Effect<A, GrpcStatus.GrpcStatusError>) =>
      Effect.tapError(sent, (status) => Deferred.fail(over, status))
    const refusal = (code: "CANCELLED" | "FAILED_PRECONDITION", details: string) =>
      GrpcStatus.refused({ rpc, target: matcher.target }, code, details)
    const sendEnd = orOver(matcher.sendEnd(rpc, recorded))
    const status = orVoid(unlessOver(end))
    const { opened } = recorded

    return {
      initialMetadata: opened === undefined
        ? Effect.as(status, Metadata.empty)
        : orNever(unlessOver(Effect.as(due(opened), Metadata.make(opened.metadata)))),
      receive: Effect.map(unlessOver(next), Chunk.of),
      send: (message) =>
        Effect.suspend(() => {
          const { kind, payload } = frame.decode(message)
          if (kind !== "data") return kind === "goAway" ? sendEnd : Effect.void
          // The driver's reaction to bytes beyond the recording is unknown, so the driver does not read them.
          return Effect.flatMap(orOver(matcher.send(rpc, recorded, Bytes.join(payload))), (more) =>
            more
              ? Effect.zipRight(status, sentAfterEnd({ rpc, target: matcher.target }))
              : Effect.void)
        }),
      halfClose: Effect.ignore(sendEnd),
      cancel: Effect.asVoid(Deferred.fail(over, refusal("CANCELLED", "the RPC was cancelled by this client"))),
      status
    }
  })

  const transport: GrpcTransport = {
    target: matcher.target,
    transport: "memory",
    unary,
    serverStreaming,
    duplex
  }
  return {
    transport,
    refusals: Effect.sync(() => matcher.refusals()),
    differences: Effect.sync(() => matcher.allDifferences())
  }
}
