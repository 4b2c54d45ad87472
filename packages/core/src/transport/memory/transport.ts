// A transport to handlers in the same process. Handlers run in their own fibers on the runtime in which the channel was made, without
// its services. As on a server, they see neither the caller's loggers nor its annotations. Messages cross encoded. The cause of a failure crosses as
// well, so that a test shows the stack of a driver's error.
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Bytes from "../../grpc/Bytes.ts"
import * as exitStatus from "../../grpc/exitStatus.ts"
import type * as GrpcHandler from "../../grpc/GrpcHandler.ts"
import * as GrpcStatus from "../../grpc/GrpcStatus.ts"
import { type CallOptions, type GrpcDuplex, type GrpcTransport, sentAfterEnd } from "../../grpc/grpcTransport.ts"
import { maxMessageBytes } from "../../grpc/messageLimit.ts"
import * as Metadata from "../../grpc/Metadata.ts"
import * as sendable from "../../grpc/sendable.ts"
import { mapItems } from "../../util/mapItems.ts"
import * as pull from "../../util/pull.ts"
import * as rpcFibers from "../fibers.ts"
import { MemoryPipe } from "./pipe.ts"

export const makeTransport = Effect.fnUntraced(
  // `window` bounds the bytes of a bidirectional RPC's requests that may wait for its handler.
  function*(handlers: GrpcHandler.GrpcHandlers, target: string, window?: number) {
    const running = yield* FiberSet.make()
    const starter = yield* rpcFibers.make
    const run = <A, E>(effect: Effect.Effect<A, E>): Fiber.RuntimeFiber<A, E> => {
      const fiber = starter.fork(effect)
      FiberSet.unsafeAdd(running, fiber)
      return fiber
    }
    let closed = false
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        closed = true
      })
    )

    const requestOf = (options: CallOptions): GrpcHandler.GrpcRequest => ({
      metadata: options.metadata ?? Metadata.empty
    })

    const fail = (rpc: string, status: GrpcStatus.GrpcStatusError): GrpcStatus.GrpcStatusError =>
      GrpcStatus.amend(status, { origin: "peer", scope: "rpc", rpc, target })

    const refuse = (rpc: string, code: GrpcStatus.GrpcCode, details: string): GrpcStatus.GrpcStatusError =>
      GrpcStatus.refused({ rpc, target }, code, details)

    const afterClose = (rpc: string) =>
      GrpcStatus.refused({ rpc, target }, "CANCELLED", "the channel is closed", { scope: "connection" })

    // In a closed set the fiber would be interrupted before it could report that the channel is closed.
    const fork = <A, E>(
      rpc: string,
      effect: Effect.Effect<A, E>
    ): Effect.Effect<Fiber.RuntimeFiber<A, E>, GrpcStatus.GrpcStatusError> =>
      Effect.suspend(() =>
        closed
          ? afterClose(rpc)
          : Effect.succeed(run(effect))
      )

    // When this side interrupted the handler, the status is a cancellation by this client.
    const statusOf = (
      rpc: string,
      cause: Cause.Cause<GrpcStatus.GrpcStatusError>,
      cancelled = false
    ): GrpcStatus.GrpcStatusError =>
      (closed || cancelled) && Cause.isInterruptedOnly(cause)
        ? refuse(rpc, "CANCELLED", "the RPC was cancelled by this client")
        : fail(rpc, exitStatus.statusOf(cause))

    const notImplemented = (rpc: string) => fail(rpc, exitStatus.notImplemented(rpc))

    const received = (rpc: string, message: Uint8Array): Either.Either<Uint8Array, GrpcStatus.GrpcStatusError> =>
      message.length <= maxMessageBytes
        ? Either.right(message)
        : Either.left(refuse(
          rpc,
          "RESOURCE_EXHAUSTED",
          `Received message larger than max (${message.length} vs ${maxMessageBytes})`
        ))

    const unary: GrpcTransport["unary"] = (rpc, message, options) => {
      const handler = handlers.get(rpc)
      if (handler?._tag !== "Unary") return notImplemented(rpc)
      const call = Effect.async<Uint8Array, GrpcStatus.GrpcStatusError>((resume) => {
        if (closed) return resume(afterClose(rpc))
        const request = requestOf(options)
        const ended = (exit: Exit.Exit<Uint8Array, GrpcStatus.GrpcStatusError>) =>
          resume(Exit.isSuccess(exit) ? received(rpc, exit.value) : statusOf(rpc, exit.cause))
        const answer = handler.start === undefined
          ? handler.handle(message, request)
          : handler.start(message, request, starter)
        if (rpcFibers.hasEnded(answer)) return ended(answer)
        const fiber = run(answer)
        fiber.addObserver(ended)
        return Effect.asVoid(Fiber.interrupt(fiber))
      })
      // A handler may answer at once. A program that then asks again and again would let no other fiber go on, and no timer.
      return Effect.zipRight(Effect.yieldNow(), call)
    }

    const serverStreaming: GrpcTransport["serverStreaming"] = (rpc, message, options) => {
      const handler = handlers.get(rpc)
      if (handler?._tag !== "ServerStreaming") return Stream.fail(notImplemented(rpc))
      return Stream.unwrapScoped(Effect.gen(function*() {
        const answers = new MemoryPipe<GrpcStatus.GrpcStatusError>()
        yield* Effect.acquireRelease(
          fork(
            rpc,
            Stream.runForEachChunk(handler.handle(message, requestOf(options)), (chunk) => answers.sendAll(chunk))
              .pipe(
                Effect.onExit((exit) =>
                  answers.end(Exit.mapErrorCause(exit, (cause) => Cause.fail(statusOf(rpc, cause))))
                )
              )
          ),
          Fiber.interrupt
        )
        return mapItems(pull.chunks(answers.take), (answer) => received(rpc, answer))
      }))
    }

    const duplex = Effect.fnUntraced(
      function*(rpc: string, options: CallOptions) {
        const handler = handlers.get(rpc)
        if (handler?._tag !== "Duplex") return yield* notImplemented(rpc)
        const requests = new MemoryPipe<GrpcStatus.GrpcStatusError>(window)
        const responses = new MemoryPipe<GrpcStatus.GrpcStatusError>()
        const initialMetadata = yield* Deferred.make<Metadata.Metadata, GrpcStatus.GrpcStatusError>()
        const status = yield* Deferred.make<void, GrpcStatus.GrpcStatusError>()

        let cancelled = false

        const served = Effect.scoped(handler.handle({
          ...requestOf(options),
          receive: requests.take,
          // A message that is too large for the caller ends the RPC. On a socket the client would cancel it.
          send: (message) =>
            Effect.matchEffect(received(rpc, Bytes.join(message)), {
              onFailure: (refusal) =>
                Effect.zipRight(
                  Effect.all([Deferred.fail(status, refusal), responses.end(Exit.fail(refusal))]),
                  Effect.interrupt
                ),
              onSuccess: (message) =>
                Effect.flatMap(
                  responses.send(message),
                  (taken) => taken ? Effect.void : GrpcStatus.make("CANCELLED", "the caller went away")
                )
            }),
          sendInitialMetadata: (given) =>
            Effect.flatMap(
              Effect.suspend(() => sendable.served(given)),
              (metadata) => Effect.asVoid(Deferred.succeed(initialMetadata, metadata))
            )
        })).pipe(
          Effect.onExit((ended) => {
            const exit = Exit.mapErrorCause(ended, (cause) => Cause.fail(statusOf(rpc, cause, cancelled)))
            return Effect.all([
              Deferred.done(status, exit),
              responses.end(exit),
              // A reader, such as a driver that uses a resource, must not treat this as a clean end.
              requests.leave(Exit.fail(GrpcStatus.make("CANCELLED", "the caller went away"))),
              // When a handler ends without sending headers, they go with its status.
              Deferred.done(initialMetadata, Exit.as(exit, Metadata.empty))
            ])
          })
        )
        const cancel = (fiber: Fiber.RuntimeFiber<void, GrpcStatus.GrpcStatusError>) =>
          Effect.suspend(() => {
            cancelled = true
            return Fiber.interrupt(fiber)
          })
        const fiber = yield* Effect.acquireRelease(fork(rpc, served), cancel)
        const afterEnd = Effect.zipRight(
          Effect.yieldNow(),
          Effect.matchEffect(Deferred.await(status), {
            onFailure: Effect.fail,
            onSuccess: () => Effect.fail(sentAfterEnd({ rpc, target }))
          })
        )
        const call: GrpcDuplex = {
          initialMetadata: Deferred.await(initialMetadata),
          receive: responses.take,
          send: (message) =>
            Effect.flatMap(requests.send(Bytes.join(message)), (accepted) => accepted ? Effect.void : afterEnd),
          halfClose: requests.end(Exit.void),
          cancel: Effect.asVoid(cancel(fiber)),
          status: Deferred.await(status)
        }
        return call
      }
    )

    return { target, transport: "memory", unary, serverStreaming, duplex } satisfies GrpcTransport
  }
) satisfies (...args: never) => Effect.Effect<GrpcTransport, never, Scope.Scope>
