// A transport that injects the planned faults into RPCs.
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Bytes from "../../grpc/Bytes.ts"
import type { GrpcStatusError } from "../../grpc/GrpcStatus.ts"
import type { GrpcDuplex, GrpcTransport } from "../../grpc/grpcTransport.ts"
import * as Metadata from "../../grpc/Metadata.ts"
import * as frame from "../../protocol/routerFrame.ts"
import type { Channel } from "../../transport/GrpcChannel.ts"
import * as interruptible from "../../util/interruptible.ts"
import { DriverNames } from "../driverNames.ts"
import * as exporterCall from "../exporterCall.ts"
import type { Plan } from "./fault.ts"
import type { FaultyCall, FaultyConnection } from "./faultyCall.ts"

type Shape = "call" | "stream" | "byte stream"

// A step of an RPC; fails with none at the clean end of a stream.
type Step<A> = Effect.Effect<A, Option.Option<GrpcStatusError>>

interface Piece {
  readonly passed: Uint8Array
  readonly rest?: Uint8Array
}

// How messages pass: whether one ends the RPC, and which part of one passes now.
interface Passage {
  readonly isEnd: (message: Uint8Array) => boolean
  readonly pieceOf: (message: Uint8Array) => Piece
}

const decodeFrame = Option.liftThrowable(frame.decode)

const isGoAway = (message: Uint8Array): boolean => Option.exists(decodeFrame(message), ({ kind }) => kind === "goAway")

const messages = (faulty: FaultyCall): Passage => ({
  isEnd: () => false,
  pieceOf: (message) => ({ passed: faulty.message(message) })
})

const frames = (faulty: FaultyCall): Passage => ({
  isEnd: isGoAway,
  pieceOf: (message) =>
    Option.match(Option.filter(decodeFrame(message), ({ kind, payload }) => kind === "data" && payload.length > 0), {
      onNone: () => ({ passed: message }),
      onSome: ({ payload }) => faulty.bytesOf(Bytes.join(payload))
    })
})

// The responses of an RPC as they pass. Messages that one reader leaves stay for the next reader.
const received = (
  faulty: FaultyCall,
  pull: Step<Chunk.Chunk<Uint8Array>>,
  { isEnd, pieceOf }: Passage
): Step<Uint8Array> => {
  const waiting: Array<Uint8Array> = []
  const fill = Effect.uninterruptibleMask((restore) =>
    Effect.map(restore(faulty.race(pull)), (messages) => {
      for (const message of messages) waiting.push(message)
    })
  )
  const next: Step<Uint8Array> = Effect.suspend(() => {
    const message = waiting[0]
    if (message === undefined) {
      return Effect.zipRight(
        Effect.catchAll(fill, (end) => Effect.zipRight(faulty.pass, Effect.zipRight(faulty.after, Effect.fail(end)))),
        next
      )
    }
    return Effect.zipRight(
      isEnd(message) ? Effect.zipRight(faulty.pass, faulty.after) : faulty.pass,
      Effect.uninterruptible(Effect.suspend(() => {
        const { passed, rest } = pieceOf(message)
        if (rest === undefined || rest.length === 0) waiting.shift()
        else waiting[0] = Bytes.join(frame.encodeData(rest))
        return Effect.as(faulty.reached, passed)
      }))
    )
  })
  return next
}

const never: GrpcDuplex = {
  initialMetadata: Effect.never,
  receive: Effect.never,
  send: () => Effect.never,
  halfClose: Effect.void,
  cancel: Effect.void,
  status: Effect.never
}

export const make = (inner: Channel, faulty: FaultyConnection, plan: Plan): GrpcTransport => {
  const driverNames = new DriverNames()

  const open = Effect.fnUntraced(function*(rpc: string, call: Option.Option<exporterCall.ExporterCall>, shape: Shape) {
    const faults = Option.match(call, {
      onNone: () => [],
      onSome: (call) => plan.take(call, driverNames.pathsOf(call.uuid))
    })
    // A fault that cannot apply to its RPC is a mistake of the test.
    if (shape === "call" && faults.some(({ fault }) => fault._tag === "Truncate")) {
      return yield* Effect.dieMessage("only streams can be truncated, not calls")
    }
    if (shape !== "byte stream" && faults.some(({ fault }) => fault._tag === "Corrupt" && fault.what === "bytes")) {
      return yield* Effect.dieMessage("only byte streams and resources can be corrupted; use malform for other RPCs")
    }
    return yield* faulty.open(rpc, faults)
  })

  // The exporter's side of a stream, which is closed with the RPC.
  const exporterSide = (faulty: FaultyCall): Effect.Effect<Scope.CloseableScope, never, Scope.Scope> =>
    Effect.acquireRelease(
      Effect.tap(Scope.make(), (scope) =>
        Effect.sync(() => {
          faulty.abort = Scope.close(scope, Exit.void)
        })),
      (scope, exit) => faulty.release(Scope.close(scope, exit))
    )

  // Whether an RPC begins; a fault can end it before.
  const begin = (faulty: FaultyCall): Effect.Effect<boolean, GrpcStatusError> =>
    Effect.matchEffect(faulty.before, {
      onFailure: Option.match({ onNone: () => Effect.succeed(false), onSome: Effect.fail }),
      onSuccess: () => Effect.succeed(true)
    })

  const unary: GrpcTransport["unary"] = (rpc, message, options) =>
    Effect.gen(function*() {
      const call = exporterCall.fromMessage(rpc, message)
      const faulty = yield* Effect.mapError(open(rpc, call, "call"), Option.some)
      yield* faulty.before
      const answering = yield* Effect.acquireRelease(
        interruptible.forkDaemon(inner.unary(rpc, faulty.corrupted(message), options)),
        (fiber) => faulty.release(Effect.asVoid(Fiber.interrupt(fiber)))
      )
      faulty.abort = Effect.asVoid(Fiber.interrupt(answering))
      yield* faulty.underWay
      const answer = yield* Effect.exit(faulty.race(Effect.mapError(Fiber.join(answering), Option.some)))
      yield* faulty.pass
      yield* faulty.after
      const passed = faulty.message(yield* answer)
      yield* faulty.reached
      if (Option.exists(call, ({ kind }) => kind === "report")) {
        Option.map(exporterCall.decodeReport(passed), (report) => driverNames.learn(report))
      }
      return passed
    }).pipe(
      Effect.scoped,
      // A call has no clean end without a result.
      Effect.catchAll(Option.match({ onNone: () => Effect.never, onSome: Effect.fail<GrpcStatusError> }))
    )

  const serverStreaming: GrpcTransport["serverStreaming"] = (rpc, message, options) =>
    Stream.unwrapScoped(Effect.gen(function*() {
      const faulty = yield* open(rpc, exporterCall.fromMessage(rpc, message), "stream")
      if (!(yield* begin(faulty))) return Stream.empty
      faulty.finish = Effect.asVoid(interruptible.forkDaemon(Effect.suspend(() => faulty.abort)))
      const scope = yield* exporterSide(faulty)
      const pull = yield* Scope.extend(
        Stream.toPull(inner.serverStreaming(rpc, faulty.corrupted(message), options)),
        scope
      )
      const underWay = yield* Effect.once(interruptible.forkIn(Scope.extend(faulty.underWay, scope), scope))
      const next = received(faulty, pull, messages(faulty))
      return Stream.repeatEffectOption(Effect.zipRight(underWay, next))
    }))

  const duplex: GrpcTransport["duplex"] = Effect.fnUntraced(function*(rpc, options) {
    const faulty = yield* open(rpc, exporterCall.fromMetadata(rpc, options.metadata), "byte stream")
    const begun = yield* begin(faulty)
    const scope = yield* exporterSide(faulty)
    const call = begun ? yield* Scope.extend(inner.duplex(rpc, options), scope) : never
    const pull = Effect.map(call.receive, Chunk.map(Bytes.join))
    // Discards the driver's further output, so that the driver does not wait.
    faulty.finish = Effect.zipRight(
      call.halfClose,
      Effect.asVoid(interruptible.forkIn(Effect.ignore(Effect.forever(pull)), scope))
    )
    yield* faulty.underWay

    const passage = frames(faulty)
    const send = (message: Uint8Array): Step<void> =>
      Effect.zipRight(
        faulty.pass,
        Effect.suspend(() => {
          const { passed, rest } = passage.pieceOf(message)
          return faulty.race(Effect.mapError(call.send(passed), Option.some)).pipe(
            Effect.zipRight(faulty.reached),
            Effect.zipRight(
              Effect.suspend(() =>
                rest === undefined || rest.length === 0 ? Effect.void : send(Bytes.join(frame.encodeData(rest)))
              )
            )
          )
        })
      )
    const over = <A>(step: Step<A>, otherwise: A): Effect.Effect<A, GrpcStatusError> =>
      Effect.catchAll(step, Option.match({ onNone: () => Effect.succeed(otherwise), onSome: Effect.fail }))
    const wait = <A>(effect: Effect.Effect<A, GrpcStatusError>): Step<A> =>
      Effect.zipLeft(faulty.race(Effect.mapError(effect, Option.some)), faulty.pass)

    return {
      initialMetadata: over(wait(call.initialMetadata), Metadata.empty),
      receive: Effect.map(received(faulty, pull, passage), Chunk.of),
      send: (message) => Effect.mapError(send(Bytes.join(message)), faulty.unsendable),
      halfClose: Effect.ignore(Effect.zipRight(faulty.pass, faulty.race(call.halfClose))),
      cancel: Effect.zipRight(faulty.cancelled, faulty.release(call.cancel)),
      status: over(Effect.zipLeft(wait(call.status), faulty.after), undefined)
    }
  })

  const { connection, target, transport } = inner
  return { target, transport, connection, unary, serverStreaming, duplex }
}
