// Serves handlers over nice-grpc. Messages stay encoded, as on the client side.
import { ServerCredentials } from "@grpc/grpc-js"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type CallContext, createServer, ServerError } from "nice-grpc"
import * as Fs from "node:fs"
import * as Net from "node:net"
import { setImmediate } from "node:timers/promises"
import * as Endpoint from "../Endpoint.ts"
import type { GrpcHandler, GrpcHandlers, GrpcRequest } from "../GrpcHandler.ts"
import type { Listen } from "../GrpcServer.ts"
import * as GrpcStatus from "../GrpcStatus.ts"
import * as handlerExit from "./handlerExit.ts"
import { Inbox } from "./inbox.ts"
import { fromMetadata, rawMethod } from "./niceGrpcCodec.ts"
import { Outbox } from "./outbox.ts"

const inboxBytes = 1024 * 1024

const outboxMessages = 16

// Receivers ignore keys they do not know. nice-grpc sends no empty header block, but Python clients wait for one before
// they write (protocol.md 5.1), and without trailing metadata a client cannot tell every failure of ours from one of its
// own transport.
const presenceKey = "x-jumpstarter-host"

const presence = "effect-jumpstarter"

type Handle<Tag extends GrpcHandler["_tag"]> = Extract<GrpcHandler, { readonly _tag: Tag }>["handle"]

const makeMethods = (runtime: Runtime.Runtime<never>, scope: Scope.Scope, isClosing: () => boolean) => {
  const fork = <A, E>(effect: Effect.Effect<A, E>): Fiber.RuntimeFiber<A, E> =>
    Runtime.runFork(runtime)(effect, { scope })

  const requestOf = (context: CallContext): GrpcRequest => ({ metadata: fromMetadata(context.metadata) })

  const errorOf = (cause: Cause.Cause<GrpcStatus.GrpcStatusError>, context: CallContext): ServerError => {
    context.trailer.set(presenceKey, presence)
    const status = isClosing() && Cause.isInterruptedOnly(cause)
      ? GrpcStatus.make("UNAVAILABLE", "the exporter is shutting down")
      : handlerExit.statusOf(cause)
    return new ServerError(GrpcStatus.codeToNumber(status.code), status.details)
  }

  // Runs a handler for as long as the caller stays; it is interrupted when the caller goes away.
  const run = async <A>(
    effect: Effect.Effect<A, GrpcStatus.GrpcStatusError>,
    signal: AbortSignal
  ): Promise<Exit.Exit<A, GrpcStatus.GrpcStatusError>> => {
    const fiber = fork(effect)
    const interrupt = () => fiber.unsafeInterruptAsFork(fiber.id())
    signal.addEventListener("abort", interrupt)
    if (signal.aborted) interrupt()
    try {
      return await new Promise((resolve) => fiber.addObserver(resolve))
    } finally {
      signal.removeEventListener("abort", interrupt)
    }
  }

  // Runs a handler that sends into an outbox, ends the outbox with its outcome, and yields what is sent. The handler is
  // over, with its finalizers, before the call is.
  async function* respond(
    outbox: Outbox,
    effect: Effect.Effect<void, GrpcStatus.GrpcStatusError>,
    context: CallContext
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const stop = new AbortController()
    const abort = () => stop.abort()
    context.signal.addEventListener("abort", abort)
    const done = run(effect, stop.signal).then((exit) =>
      outbox.end(Exit.isSuccess(exit) ? undefined : errorOf(exit.cause, context))
    )
    try {
      yield* outbox
    } finally {
      context.signal.removeEventListener("abort", abort)
      abort()
      await done
    }
  }

  const unary = (handle: Handle<"Unary">) => async (message: Uint8Array, context: CallContext) => {
    const exit = await run(handle(message, requestOf(context)), context.signal)
    if (Exit.isSuccess(exit)) return exit.value
    throw errorOf(exit.cause, context)
  }

  const serverStreaming = (handle: Handle<"ServerStreaming">) => (message: Uint8Array, context: CallContext) => {
    const outbox = new Outbox(outboxMessages)
    return respond(
      outbox,
      Stream.runForEach(handle(message, requestOf(context)), (answer) => outbox.send(answer)),
      context
    )
  }

  const duplex = (handle: Handle<"Duplex">) => (messages: AsyncIterable<Uint8Array>, context: CallContext) => {
    const inbox = new Inbox<GrpcStatus.GrpcStatusError>(inboxBytes)
    const outbox = new Outbox(outboxMessages)
    const read = async () => {
      for await (const message of messages) {
        const full = inbox.push(message)
        if (full !== undefined) await full
      }
      // A call that was cancelled ends its messages first and tells of the cancellation after that. Whoever reads, a
      // driver that was lent a resource perhaps, must not take what it has for the whole.
      await setImmediate()
      context.signal.throwIfAborted()
    }
    read().then(
      () => inbox.close(Option.none()),
      (cause) => inbox.close(Option.some(GrpcStatus.make("CANCELLED", "the caller went away", cause)))
    )
    return respond(
      outbox,
      Effect.scoped(handle({
        ...requestOf(context),
        messages: Stream.repeatEffectChunkOption(inbox.take),
        send: (message) => outbox.send(message),
        sendInitialMetadata: (metadata) =>
          Effect.sync(() => {
            for (const [key, value] of Object.entries({ [presenceKey]: presence, ...metadata })) {
              context.header.set(key, value)
            }
            context.sendHeader()
          })
      })).pipe(Effect.ensuring(Effect.sync(() => inbox.discard()))),
      context
    )
  }

  return { unary, serverStreaming, duplex }
}

const bind = (listen: Listen): { readonly address: string; readonly bound: (port: number) => Endpoint.Endpoint } => {
  if ("path" in listen) {
    return { address: `unix://${listen.path}`, bound: () => Endpoint.unix(listen.path) }
  }
  const host = listen.host.includes(":") ? `[${listen.host}]` : listen.host
  const reachable = listen.host === "0.0.0.0" ? "127.0.0.1" : listen.host === "::" ? "::1" : listen.host
  return {
    address: `${host}:${listen.port}`,
    bound: (port) => listen.certificate === undefined ? Endpoint.tcp(reachable, port) : Endpoint.tls(reachable, port)
  }
}

const credentials = (listen: Listen): ServerCredentials =>
  "path" in listen || listen.certificate === undefined
    ? ServerCredentials.createInsecure()
    : ServerCredentials.createSsl(null, [{
      cert_chain: Buffer.from(listen.certificate.chain),
      private_key: Buffer.from(Redacted.value(listen.certificate.privateKey))
    }])

// A socket file outlives a server that was killed. One that nobody answers on is in the way and is removed, as servers
// built on gRPC's C core do; one that somebody answers on is left, and binding fails.
const removeStaleSocket = (path: string): Effect.Effect<void> =>
  Effect.async((resume) => {
    const socket = Net.connect(path)
    const done = () => {
      socket.destroy()
      resume(Effect.void)
    }
    socket.once("connect", done)
    socket.once("error", (error: NodeJS.ErrnoException) => {
      try {
        // Connecting to any other file is refused as well.
        if (error.code === "ECONNREFUSED" && Fs.lstatSync(path).isSocket()) Fs.rmSync(path)
      } catch {
        // Binding will say what is wrong with the path.
      }
      done()
    })
    return Effect.sync(done)
  })

export const serve = Effect.fnUntraced(function*(handlers: GrpcHandlers, listen: Listen) {
  const runtime = yield* Effect.runtime<never>()
  const { address, bound } = bind(listen)
  let closing = false

  const port = yield* Effect.acquireRelease(
    Effect.gen(function*() {
      const handlerScope = yield* Scope.make()
      const methods = makeMethods(runtime, handlerScope, () => closing)
      const server = createServer({
        "grpc.max_receive_message_length": 4 * 1024 * 1024,
        "grpc-node.flow_control_window": 4 * 1024 * 1024,
        // What one connection can make the host hold is bounded by this many times a call's buffers.
        "grpc.max_concurrent_streams": 2_048
      })
      for (const [rpc, handler] of handlers) {
        switch (handler._tag) {
          case "Unary":
            server.add(rawMethod(rpc, false, false), { call: methods.unary(handler.handle) })
            break
          case "ServerStreaming":
            server.add(rawMethod(rpc, false, true), { call: methods.serverStreaming(handler.handle) })
            break
          case "Duplex":
            server.add(rawMethod(rpc, true, true), { call: methods.duplex(handler.handle) })
            break
        }
      }
      if ("path" in listen) yield* removeStaleSocket(listen.path)
      const port = yield* Effect.tryPromise(() => server.listen(address, credentials(listen)))
      return { handlerScope, port, server }
    }),
    ({ handlerScope, server }) =>
      Effect.sync(() => {
        closing = true
      }).pipe(
        Effect.zipRight(Scope.close(handlerScope, Exit.void)),
        // Peers are outside of this program, so this second is a real one whatever the program's clock says.
        Effect.zipRight(
          Effect.promise(() => server.shutdown()).pipe(
            Effect.interruptible,
            Effect.timeoutOption("1 second"),
            Effect.withClock(Clock.make())
          )
        ),
        Effect.zipRight(Effect.sync(() => server.forceShutdown()))
      )
  )
  return bound(port.port)
})
