// The transport over node:http2: every RPC of a channel on one connection. grpc-js takes three times the processor time for
// a call, reads a byte stream one message at a time, and copies what it reads.
import * as Headers from "@effect/platform/Headers"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Bytes from "../Bytes.ts"
import type { Endpoint } from "../Endpoint.ts"
import { GrpcStatusError } from "../GrpcStatus.ts"
import {
  type CallOptions,
  type ChannelOptions,
  type GrpcConnection,
  type GrpcDuplex,
  type GrpcTransport,
  maxMessageBytes
} from "./grpcTransport.ts"
import { HttpCall, type Outcome, type Receiver } from "./httpCall.ts"
import * as httpSession from "./httpSession.ts"
import * as httpStatus from "./httpStatus.ts"
import { Inbox } from "./inbox.ts"
import type { TlsTrust } from "./tlsTrust.ts"

// Bytes an RPC may hold that its consumer has not taken yet, on top of the HTTP/2 window.
const inboxBytes = 1024 * 1024

const toExit = (outcome: Outcome): Exit.Exit<void, GrpcStatusError> =>
  Option.match(outcome, { onNone: () => Exit.void, onSome: Exit.fail })

export const make = Effect.fnUntraced(function*(
  endpoint: Endpoint,
  target: string,
  trust: TlsTrust | undefined,
  options: ChannelOptions
) {
  const { connect, drop, onEnd } = yield* httpSession.make(endpoint, target, trust, options.connectTimeout)
  const calls = new Set<HttpCall>()
  yield* Effect.addFinalizer(() => Effect.forEach(calls, (call) => call.cancel, { discard: true }))

  const start = (
    session: httpSession.Session,
    name: string,
    options: CallOptions,
    receiver: Receiver
  ): Either.Either<HttpCall, GrpcStatusError> =>
    Either.try({
      try: () => {
        const call: HttpCall = new HttpCall(session, { name, target, maxMessageBytes }, options, {
          ...receiver,
          onEnd: (outcome) => {
            calls.delete(call)
            session.release()
            receiver.onEnd(outcome)
          }
        })
        calls.add(call)
        session.hold()
        return call
      },
      catch: (cause) => {
        const details = cause instanceof Error ? cause.message : String(cause)
        // Either the connection went away since it was looked at, or it is the metadata.
        return session.http.closed || session.http.destroyed
          ? new GrpcStatusError({ code: "UNAVAILABLE", details, origin: "transport", rpc: name, target, cause })
          : new GrpcStatusError({ code: "INVALID_ARGUMENT", details, origin: "client", rpc: name, target, cause })
      }
    })

  const unary: GrpcTransport["unary"] = (rpc, message, options) => {
    const failed = (details: string) =>
      new GrpcStatusError({ code: "UNIMPLEMENTED", details, origin: "client", rpc, target })

    return Effect.flatMap(connect(rpc), (session) =>
      Effect.async((resume) => {
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
      }))
  }

  const serverStreaming: GrpcTransport["serverStreaming"] = (rpc, message, options) =>
    Stream.unwrapScoped(Effect.gen(function*() {
      const session = yield* connect(rpc)
      const inbox = new Inbox<Uint8Array, GrpcStatusError>(inboxBytes)
      const call = yield* Effect.acquireRelease(
        Effect.suspend(() =>
          start(session, rpc, options, {
            onHeaders: () => {},
            onMessage: (message) => inbox.push(Bytes.join(message)),
            onCancel: () => inbox.discard(),
            onEnd: (outcome) => inbox.close(outcome)
          })
        ),
        (call) => call.cancel
      )
      call.sendOnly(message)
      return Stream.repeatEffectChunkOption(inbox.take)
    }))

  const duplex: GrpcTransport["duplex"] = Effect.fnUntraced(function*(rpc, options) {
    const session = yield* connect(rpc)
    const initialMetadata = Deferred.unsafeMake<Headers.Headers, GrpcStatusError>(FiberId.none)
    const status = Deferred.unsafeMake<void, GrpcStatusError>(FiberId.none)
    const inbox = new Inbox<Bytes.Bytes, GrpcStatusError>(inboxBytes)
    const call = yield* Effect.acquireRelease(
      Effect.suspend(() =>
        start(session, rpc, options, {
          onHeaders: (headers) => Deferred.unsafeDone(initialMetadata, Exit.succeed(httpStatus.fromHeaders(headers))),
          onMessage: (message) => inbox.push(message),
          onCancel: () => inbox.discard(),
          onEnd: (outcome) => {
            Deferred.unsafeDone(initialMetadata, Exit.as(toExit(outcome), Headers.empty))
            Deferred.unsafeDone(status, toExit(outcome))
            inbox.close(outcome)
          }
        })
      ),
      (call) => call.cancel
    )
    // A message that went nowhere because the RPC had ended fails with the reason.
    const ended = Effect.suspend(() =>
      call.isOver
        ? Effect.zipRight(
          Deferred.await(status),
          new GrpcStatusError({
            code: "FAILED_PRECONDITION",
            details: "the RPC has ended, nothing can be sent",
            origin: "client",
            rpc,
            target
          })
        )
        : Effect.void
    )
    return {
      initialMetadata: Deferred.await(initialMetadata),
      receive: inbox.take,
      send: (message) => Effect.zipRight(call.send(message), ended),
      halfClose: call.halfClose,
      cancel: call.cancel,
      status: Deferred.await(status)
    } satisfies GrpcDuplex
  })

  const connection: GrpcConnection = {
    open: Effect.asVoid(connect("")),
    drop: (details) =>
      Effect.zipRight(
        Effect.sync(() => calls.forEach((call) => call.abort(call.fail("UNAVAILABLE", details, "transport")))),
        drop
      ),
    onEnd
  }

  return { target, connection, unary, serverStreaming, duplex } satisfies GrpcTransport
}) satisfies (...args: never) => Effect.Effect<GrpcTransport, never, Scope.Scope>
