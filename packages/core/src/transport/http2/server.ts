// Serves handlers over HTTP/2 on sockets. nice-grpc's server is built on grpc-js, which takes a message of a byte stream at
// a time and stops the stream in between: a quarter of what the reference exporter takes in.
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import * as Http2 from "node:http2"
import * as Endpoint from "../../grpc/Endpoint.ts"
import type { GrpcHandlers } from "../../grpc/GrpcHandler.ts"
import * as hostPort from "../../grpc/hostPort.ts"
import { maxMessageBytes } from "../../grpc/messageLimit.ts"
import * as interruptible from "../../util/interruptible.ts"
import * as httpGuard from "../http/guard.ts"
import type { Listen, ServerOptions } from "../listen.ts"
import * as pem from "../pem.ts"
import * as socketFile from "../socketFile.ts"
import * as socketPath from "../socketPath.ts"
import * as tlsTrust from "../tlsTrust.ts"
import * as httpKeepAlive from "./keepAlive.ts"
import { Turns } from "./sendTurns.ts"
import * as httpServedCall from "./serverCall.ts"

// What a peer may send on one stream before a handler has taken it.
const streamWindow = 1024 * 1024

// What may be in flight on all streams of a connection together. Node does not read HTTP/2 while it waits for a write, so two
// Node processes with more in flight both ways than the kernel holds would wait for each other indefinitely. Clients that may be
// such keep HTTP/2's default of 64 KiB, which the kernel does hold.
const connectionWindow = 16 * 1024 * 1024

// Whether a client reads whatever it writes, according to its user agent. Python's library is built on the one in C. Ours has
// no name, and reads on TCP.
const alwaysReads = (listen: Listen, userAgent = ""): boolean =>
  "path" in listen ? /\bgrpc-(c|go|java-\w+)\//.test(userAgent) : !userAgent.includes("grpc-node")

const maxFrameSize = 1024 * 1024

// Node refuses new streams once a connection has this many megabytes in use. What streams hold is bounded one by one.
const maxSessionMemory = 4 * 1024

// How many streams a peer may reset at once, and how many a second after that, before Node closes its connection. Node's
// own limits, 1,000 and 33, are soon met by a client that cancels its calls; before Node 22 they cannot be changed.
const resetLimits = { streamResetBurst: 20_000, streamResetRate: 2_000 }

const bound = (listen: Listen, port: number): Endpoint.Endpoint => {
  if ("path" in listen) return Endpoint.unix(listen.path)
  const reachable = listen.host === "0.0.0.0" ? "127.0.0.1" : listen.host === "::" ? "::1" : listen.host
  return listen.certificate === undefined
    ? Endpoint.tcp(reachable, port)
    : Endpoint.tls(reachable, port, tlsTrust.trusting(listen.certificate.chain, reachable))
}

const makeServer = (listen: Listen, { maxConcurrentStreams = 2_048 }: ServerOptions) => {
  const options = {
    ...resetLimits,
    maxSessionMemory,
    settings: { initialWindowSize: streamWindow, maxConcurrentStreams, maxFrameSize }
  }
  return "path" in listen || listen.certificate === undefined
    ? Http2.createServer(options)
    : Http2.createSecureServer({
      ...options,
      cert: listen.certificate.chain,
      key: Redacted.value(listen.certificate.privateKey)
    })
}

const start = (
  server: Http2.Http2Server | Http2.Http2SecureServer,
  listen: hostPort.HostPort
): Effect.Effect<number, Cause.UnknownException> =>
  Effect.async((resume) => {
    // Later ones are about connections that could not be accepted, which is for their peers to notice.
    server.on("error", (error: Error) => resume(new Cause.UnknownException(error)))
    server.listen({ host: listen.host, port: listen.port }, () => {
      const address = server.address()
      resume(Effect.succeed(address === null || typeof address === "string" ? 0 : address.port))
    })
  })

const isOpenToOthers = (listen: Listen): boolean =>
  !("path" in listen) && listen.certificate === undefined && !hostPort.isLoopback(listen.host)

// What Node would throw on, or take for something else; and what nobody should do without knowing.
const problemOf = (listen: Listen): string | undefined => {
  if ("path" in listen) {
    return socketPath.problemToListen(listen.path) ??
      (Number.isInteger(listen.mode ?? 0) && (listen.mode ?? 0) >= 0 && (listen.mode ?? 0) <= 0o777
        ? undefined
        : `${listen.mode} is not a file mode such as 0o660`)
  }
  return hostPort.problem(listen, 0) ??
    (listen.certificate === undefined
      ? undefined
      : pem.keyProblem(listen.certificate.chain, Redacted.value(listen.certificate.privateKey))) ??
    (isOpenToOthers(listen) && listen.insecure !== true
      ? `other machines can reach ${listen.host}, and there is no TLS; give a \`certificate\`, listen on 127.0.0.1, or set \`insecure: true\``
      : undefined)
}

export const serve = Effect.fnUntraced(function*(handlers: GrpcHandlers, listen: Listen, options: ServerOptions) {
  const runFork = Runtime.runFork(yield* Effect.runtime<never>())
  let closing = false

  const listening = Effect.gen(function*() {
    const scope = yield* Scope.make()
    const fibers = yield* Scope.extend(FiberSet.make(), scope)
    const fork: httpServedCall.Service["fork"] = (effect) => {
      // What was captured is also whether a server that is part of an acquisition can be interrupted.
      const fiber = runFork(Effect.interruptible(effect))
      FiberSet.unsafeAdd(fibers, fiber)
      return fiber
    }
    const service: httpServedCall.Service = {
      handlers,
      fork,
      isClosing: () => closing,
      maxMessageBytes: Math.min(options.maxMessageBytes ?? maxMessageBytes, maxMessageBytes),
      requestTimeout: Duration.decode(options.requestTimeout ?? "30 seconds")
    }
    const sessions = new Set<Http2.ServerHttp2Session>()
    const problem = problemOf(listen)
    if (problem !== undefined) return yield* new Cause.UnknownException(new Error(problem))
    const server = yield* Effect.try(() => makeServer(listen, options))
    server.maxConnections = options.maxConnections ?? 1_000
    server.on("session", (session: Http2.ServerHttp2Session) => {
      sessions.add(session)
      session.on("close", () => sessions.delete(session))
      // Its streams are closed, which tells their handlers.
      session.on("error", () => {})
      httpGuard.guard(session, undefined)
      session.once("stream", (_: Http2.ServerHttp2Stream, headers: Http2.IncomingHttpHeaders) => {
        if (alwaysReads(listen, headers["user-agent"])) session.setLocalWindowSize(connectionWindow)
      })
      const turns = new Turns(session)
      session.on(
        "stream",
        (
          stream: Http2.ServerHttp2Stream,
          headers: Http2.IncomingHttpHeaders,
          _flags: number,
          rawHeaders: ReadonlyArray<string>
        ) => httpServedCall.serve(service, turns, stream, headers, rawHeaders)
      )
      if (!("path" in listen)) {
        const { keepaliveTime = "20 seconds", keepaliveTimeout = "3 minutes" } = options
        httpKeepAlive.stopWith(session, fork(httpKeepAlive.run(session, keepaliveTime, keepaliveTimeout)))
      }
    })
    return "path" in listen
      ? { port: 0, file: yield* socketFile.listen(server, listen.path, listen.mode), scope, server, sessions }
      : { port: yield* start(server, listen), file: undefined, scope, server, sessions }
  })

  const { port } = yield* Effect.acquireRelease(listening, ({ file, scope, server, sessions }) => {
    const close = Effect.async<void>((resume) => {
      file?.remove()
      server.close(() => resume(Effect.void))
      sessions.forEach((session) => session.close())
    })
    return Effect.sync(() => {
      closing = true
    }).pipe(
      Effect.zipRight(Scope.close(scope, Exit.void)),
      // Peers are outside of this program, so this second is a real one whatever the program's clock says.
      Effect.zipRight(
        close.pipe(interruptible.timeoutOption("1 second"), Effect.withClock(Clock.make()))
      ),
      Effect.zipRight(Effect.sync(() => {
        sessions.forEach((session) => session.destroy())
        file?.release()
      }))
    )
  })
  if (isOpenToOthers(listen)) {
    yield* Effect.logWarning(
      `Serving on ${
        hostPort.formatListen({ ...listen, port })
      } without TLS (\`insecure: true\`): the traffic can be read and changed on its way`
    )
  }
  return bound(listen, port)
})
