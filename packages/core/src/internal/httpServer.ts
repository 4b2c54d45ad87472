// Serves handlers over HTTP/2 on sockets. nice-grpc's server stands on grpc-js, which takes a message of a byte stream at
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
import * as Fs from "node:fs"
import * as Http2 from "node:http2"
import * as Net from "node:net"
import * as Endpoint from "../Endpoint.ts"
import type { GrpcHandlers } from "../GrpcHandler.ts"
import type { Listen, ServerOptions } from "../GrpcServer.ts"
import * as hostPort from "./hostPort.ts"
import * as httpKeepAlive from "./httpKeepAlive.ts"
import * as httpServedCall from "./httpServedCall.ts"
import * as interruptible from "./interruptible.ts"
import * as socketPath from "./socketPath.ts"

// The limit of every peer (protocol.md 5.2).
const maxMessageBytes = 4 * 1024 * 1024

// What a peer may send on one stream before a handler has taken it.
const streamWindow = 1024 * 1024

// What may be in flight on all streams of a connection together. Node does not read HTTP/2 while it waits for a write, so two
// Node processes with more in flight both ways than the kernel holds would wait for each other for ever. Clients that may be
// such keep HTTP/2's default of 64 KiB, which the kernel does hold.
const connectionWindow = 16 * 1024 * 1024

// Whether a client reads whatever it writes, told by what its library calls itself. Python's stands on the one in C. Ours has
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
  return listen.certificate === undefined ? Endpoint.tcp(reachable, port) : Endpoint.tls(reachable, port)
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

// A socket file outlives a server that was killed. One that nobody answers on is in the way and is removed, as servers
// built on gRPC's C core do; one that somebody answers on is left, and binding fails.
const removeStaleSocket = (path: string): Effect.Effect<void> =>
  Effect.async((resume) => {
    const socket = Net.connect({ path })
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

const start = (
  server: Http2.Http2Server | Http2.Http2SecureServer,
  listen: Listen
): Effect.Effect<number, Cause.UnknownException> =>
  Effect.async((resume) => {
    // Later ones are about connections that could not be accepted, which is for their peers to notice.
    server.on("error", (error: Error) => resume(new Cause.UnknownException(error)))
    server.listen("path" in listen ? { path: listen.path } : { host: listen.host, port: listen.port }, () => {
      const address = server.address()
      resume(Effect.succeed(address === null || typeof address === "string" ? 0 : address.port))
    })
  })

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
    const problem = "path" in listen ? socketPath.problemToListen(listen.path) : hostPort.problem(listen, 0)
    if (problem !== undefined) return yield* new Cause.UnknownException(new Error(problem))
    const server = yield* Effect.try(() => makeServer(listen, options))
    server.maxConnections = options.maxConnections ?? 1_000
    server.on("session", (session: Http2.ServerHttp2Session) => {
      sessions.add(session)
      session.on("close", () => sessions.delete(session))
      // Its streams are closed, which tells their handlers.
      session.on("error", () => {})
      session.once("stream", (_: Http2.ServerHttp2Stream, headers: Http2.IncomingHttpHeaders) => {
        if (alwaysReads(listen, headers["user-agent"])) session.setLocalWindowSize(connectionWindow)
      })
      if (!("path" in listen)) {
        const { keepaliveTime = "20 seconds", keepaliveTimeout = "3 minutes" } = options
        httpKeepAlive.stopWith(session, fork(httpKeepAlive.run(session, keepaliveTime, keepaliveTimeout)))
      }
    })
    server.on(
      "stream",
      (
        stream: Http2.ServerHttp2Stream,
        headers: Http2.IncomingHttpHeaders,
        _flags: number,
        rawHeaders: ReadonlyArray<string>
      ) => httpServedCall.serve(service, stream, headers, rawHeaders)
    )
    if ("path" in listen) yield* removeStaleSocket(listen.path)
    return { port: yield* start(server, listen), scope, server, sessions }
  })

  const { port } = yield* Effect.acquireRelease(listening, ({ scope, server, sessions }) => {
    const close = Effect.async<void>((resume) => {
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
      Effect.zipRight(Effect.sync(() => sessions.forEach((session) => session.destroy())))
    )
  })
  return bound(listen, port)
})
