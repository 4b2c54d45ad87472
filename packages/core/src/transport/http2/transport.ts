// The transport over node:http2, with all RPCs of a channel on one connection. grpc-js takes three times the processor time for a
// call, reads a byte stream one message at a time, and copies what it reads.
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Bytes from "../../grpc/Bytes.ts"
import * as GrpcStatus from "../../grpc/GrpcStatus.ts"
import {
  type CallOptions,
  type GrpcConnection,
  type GrpcDuplex,
  type GrpcTransport,
  sentAfterEnd
} from "../../grpc/grpcTransport.ts"
import { maxMessageBytes } from "../../grpc/messageLimit.ts"
import * as Metadata from "../../grpc/Metadata.ts"
import { acquireRelease, addFinalizer } from "../../util/acquired.ts"
import * as pull from "../../util/pull.ts"
import * as suspended from "../../util/suspended.ts"
import * as httpLoss from "../http/loss.ts"
import * as httpStatus from "../http/status.ts"
import { Inbox } from "../inbox.ts"
import { HttpCall, type Outcome, type Receiver } from "./clientCall.ts"
import * as httpSession from "./connection.ts"
import type { Dialler } from "./dialler.ts"

// How many bytes an RPC may buffer for its consumer, on top of the HTTP/2 window.
const inboxBytes = 1024 * 1024

// Whether the peer never began an RPC. Only such an RPC is sent once more.
const isUnseen = ({ code, origin }: GrpcStatus.GrpcStatusError): boolean =>
  code === "UNAVAILABLE" && origin === "client"

const toExit = (outcome: Outcome): Exit.Exit<void, GrpcStatus.GrpcStatusError> =>
  Option.match(outcome, { onNone: () => Exit.void, onSome: Exit.fail })

export const make = Effect.fnUntraced(function*(
  dialler: Dialler,
  connectTimeout: Duration.DurationInput
) {
  const { target } = dialler
  const { connect, drop, onEnd, retire } = yield* httpSession.make(dialler, connectTimeout)
  const calls = new Set<HttpCall>()
  const runFork = Runtime.runFork(yield* Effect.runtime<never>())
  yield* addFinalizer(Effect.suspend(() => Effect.forEach(calls, (call) => call.cancel, { discard: true })))

  const cancelled = (rpc: string) =>
    GrpcStatus.refused({ rpc, target }, "CANCELLED", "the RPC was cancelled by this client")

  const start = (
    session: httpSession.Http2Connection,
    name: string,
    options: CallOptions,
    receiver: Receiver
  ): Either.Either<HttpCall, GrpcStatus.GrpcStatusError> =>
    Either.try({
      try: () => {
        const call: HttpCall = new HttpCall(session, { name, target, maxMessageBytes }, options, {
          ...receiver,
          onEnd: (outcome) => {
            calls.delete(call)
            session.release()
            if (Option.isSome(outcome) && isUnseen(outcome.value)) retire(session)
            receiver.onEnd(outcome)
          }
        })
        calls.add(call)
        session.hold()
        return call
      },
      catch: (cause) => {
        const details = cause instanceof Error ? cause.message : String(cause)
        const place = { rpc: name, target }
        // Either the connection has closed in the meantime, or Node refused the metadata.
        return session.http.closed || session.http.destroyed
          ? GrpcStatus.refused(place, "UNAVAILABLE", httpLoss.unseen(session.goAway()), { cause })
          : GrpcStatus.refused(place, "INVALID_ARGUMENT", details, { cause })
      }
    })

  const unary: GrpcTransport["unary"] = (rpc, message, options) => {
    const failed = (details: string) => GrpcStatus.refused({ rpc, target }, "UNIMPLEMENTED", details)

    const attempt = Effect.flatMap(
      connect(rpc),
      (session) =>
        suspended.until<Uint8Array, GrpcStatus.GrpcStatusError>((resume) => {
          let answer: Uint8Array | undefined
          const started = start(session, rpc, options, {
            onHeaders: () => {},
            onMessage: (message) => {
              if (answer === undefined) answer = Bytes.join(message)
              else Either.map(started, (call) => call.abort(Option.some(failed(httpStatus.manyAnswers))))
              return undefined
            },
            onCancel: () => {},
            onEnd: (outcome) =>
              resume(
                Option.isSome(outcome)
                  ? Effect.fail(outcome.value)
                  : answer === undefined
                  ? failed(httpStatus.noAnswer)
                  : Effect.succeed(answer)
              )
          })
          if (Either.isLeft(started)) return resume(Effect.fail(started.left))
          started.right.sendOnly(message)
          return started.right.cancel
        })
    )
    return Effect.catchIf(attempt, isUnseen, () => attempt)
  }

  // Begins an RPC that ends with the scope. The RPC is begun once more when the peer never began it and this side has sent only the
  // request.
  const begin = Effect.fnUntraced(function*(
    rpc: string,
    options: CallOptions,
    receiver: Receiver,
    request: Option.Option<Uint8Array>
  ) {
    let repeatable = true
    // The second attempt, while it is running.
    let beginning: Deferred.Deferred<void> | undefined
    let fiber: Fiber.RuntimeFiber<void> | undefined
    let call: HttpCall | undefined
    const started = (session: httpSession.Http2Connection): Either.Either<void, GrpcStatus.GrpcStatusError> =>
      Either.map(start(session, rpc, options, { ...receiver, onEnd: over }), (started) => {
        call = started
        if (Option.isSome(request)) started.sendOnly(request.value)
      })
    const over = (outcome: Outcome): void => {
      if (!repeatable || Option.isNone(outcome) || !isUnseen(outcome.value)) return receiver.onEnd(outcome)
      repeatable = false
      const begun = Deferred.unsafeMake<void>(FiberId.none)
      beginning = begun
      fiber = runFork(
        Effect.flatMap(connect(rpc), started).pipe(
          Effect.interruptible,
          Effect.onExit((exit) => {
            beginning = undefined
            if (Exit.isFailure(exit)) {
              receiver.onEnd(Option.orElse(Cause.failureOption(exit.cause), () => Option.some(cancelled(rpc))))
            }
            return Deferred.succeed(begun, undefined)
          }),
          Effect.ignore
        )
      )
    }
    const cancelCall = Effect.suspend(() => call?.cancel ?? Effect.void)
    const cancel = Effect.suspend(() =>
      beginning === undefined || fiber === undefined ? cancelCall : Effect.zipRight(Fiber.interrupt(fiber), cancelCall)
    )
    const attempt = Effect.flatMap(
      connect(rpc),
      (session) => acquireRelease(Effect.suspend(() => started(session)), () => cancel)
    )
    yield* Effect.catchIf(attempt, isUnseen, () => attempt)
    return {
      // Runs an effect after which the RPC cannot be begun again.
      use: (effect: (call: HttpCall) => Effect.Effect<void>): Effect.Effect<void> =>
        Effect.suspend(() => {
          repeatable = false
          const current = () => call === undefined ? Effect.void : effect(call)
          return beginning === undefined ? current() : Effect.flatMap(Deferred.await(beginning), current)
        }),
      cancel,
      isOver: () => call?.isOver !== false
    }
  })

  const serverStreaming: GrpcTransport["serverStreaming"] = (rpc, message, options) =>
    Stream.unwrapScoped(Effect.suspend(() => {
      const inbox = new Inbox<Uint8Array, GrpcStatus.GrpcStatusError>(inboxBytes)
      const receiver: Receiver = {
        onHeaders: () => {},
        onMessage: (message) => inbox.push(Bytes.join(message)),
        onCancel: () => inbox.discard(),
        onEnd: (outcome) => inbox.close(outcome)
      }
      return Effect.as(
        begin(rpc, options, receiver, Option.some(message)),
        pull.chunks(inbox.take)
      )
    }))

  const duplex: GrpcTransport["duplex"] = Effect.fnUntraced(function*(rpc, options) {
    const initialMetadata = Deferred.unsafeMake<Metadata.Metadata, GrpcStatus.GrpcStatusError>(FiberId.none)
    const status = Deferred.unsafeMake<void, GrpcStatus.GrpcStatusError>(FiberId.none)
    const inbox = new Inbox<Bytes.Bytes, GrpcStatus.GrpcStatusError>(inboxBytes)
    const call = yield* begin(rpc, options, {
      onHeaders: (headers) => Deferred.unsafeDone(initialMetadata, Exit.succeed(httpStatus.fromHeaders(headers))),
      onMessage: (message) => inbox.push(message),
      onCancel: () => inbox.discard(),
      onEnd: (outcome) => {
        Deferred.unsafeDone(initialMetadata, Exit.as(toExit(outcome), Metadata.empty))
        Deferred.unsafeDone(status, toExit(outcome))
        inbox.close(outcome)
      }
    }, Option.none())
    // Sending a message that was dropped because the RPC had ended fails with the reason.
    const ended = () =>
      call.isOver() ? Effect.zipRight(Deferred.await(status), sentAfterEnd({ rpc, target })) : Effect.void
    return {
      initialMetadata: Deferred.await(initialMetadata),
      receive: inbox.take,
      send: (message) => Effect.flatMap(call.use((call) => call.send(message)), ended),
      halfClose: call.use((call) => call.halfClose),
      cancel: call.cancel,
      status: Deferred.await(status)
    } satisfies GrpcDuplex
  })

  const connection: GrpcConnection = {
    open: Effect.asVoid(connect("")),
    drop: (details) =>
      Effect.zipRight(
        Effect.sync(() => calls.forEach((call) => call.abort(call.lost(details)))),
        drop
      ),
    onEnd
  }

  return { target, transport: "http2", connection, unary, serverStreaming, duplex } satisfies GrpcTransport
}) satisfies (...args: never) => Effect.Effect<GrpcTransport, never, Scope.Scope>
