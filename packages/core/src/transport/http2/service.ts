// Serves handlers on HTTP/2 connections, over sockets and other byte streams.
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Scope from "effect/Scope"
import * as Http2 from "node:http2"
import type { Duplex } from "node:stream"
import type { GrpcHandlers } from "../../grpc/GrpcHandler.ts"
import * as GrpcStatus from "../../grpc/GrpcStatus.ts"
import { maxMessageBytes } from "../../grpc/messageLimit.ts"
import * as interruptible from "../../util/interruptible.ts"
import * as rpcFibers from "../fibers.ts"
import * as httpEnding from "../http/ending.ts"
import * as httpGuard from "../http/guard.ts"
import type { ServerOptions } from "../listen.ts"
import * as allowances from "./allowances.ts"
import { EagerLine } from "./eagerLine.ts"
import { EagerSocket } from "./eagerSocket.ts"
import * as httpKeepAlive from "./keepAlive.ts"
import { Turns } from "./sendTurns.ts"
import * as httpServedCall from "./serverCall.ts"
import * as streamWindow from "./streamWindow.ts"

const maxFrameSize = 1024 * 1024

// Node refuses new streams once a connection uses this many megabytes. Each stream is bounded by itself.
const maxSessionMemory = 4 * 1024

// How many streams a peer may reset in a burst, and how many a second after that, before Node closes its connection. A client that
// cancels its calls soon meets Node's own limits, 1,000 and 33. Before Node 22 they cannot be changed.
const resetLimits = { streamResetBurst: 20_000, streamResetRate: 2_000 }

const streamLimit = ({ maxConcurrentStreams = 2_048 }: ServerOptions): number => maxConcurrentStreams

const overLimit = (limit: number): GrpcStatus.GrpcStatusError =>
  GrpcStatus.make(
    "RESOURCE_EXHAUSTED",
    `this connection already has ${limit} calls and streams open, the most that this exporter accepts (maxConcurrentStreams); ` +
      "end some of them, or open another connection"
  )

/** Returns the options of the HTTP/2 sessions that a service serves. */
export const sessionOptions = (options: ServerOptions): Http2.ServerSessionOptions => ({
  ...resetLimits,
  maxSessionMemory,
  settings: { initialWindowSize: streamWindow.narrow, maxConcurrentStreams: streamLimit(options), maxFrameSize }
})

interface Service {
  /**
   * Serves a connection. `isLocal` says that the operating system reports when the peer is gone, as on a Unix socket; otherwise the
   * peer is pinged. `outlet` is the EagerLine under the connection, if it has one.
   */
  readonly serve: (session: Http2.ServerHttp2Session, isLocal: boolean, outlet?: EagerLine) => void
  /**
   * Interrupts the handlers, waits for their finalizers, and then ends the connections. `stop` stops accepting connections, and calls
   * back when all have ended. Connections that take longer than a second are cut off.
   */
  readonly close: (stop: (stopped: () => void) => void) => Effect.Effect<void>
}

/** `largestMessage` is the limit that `options.maxMessageBytes` cannot exceed. */
export const make = Effect.fnUntraced(function*(
  handlers: GrpcHandlers,
  options: ServerOptions,
  largestMessage: number = maxMessageBytes
) {
  const { keepaliveTime = "20 seconds", keepaliveTimeout = "3 minutes" } = options
  const limit = streamLimit(options)
  const starter = yield* rpcFibers.make
  const scope = yield* Scope.make()
  const fibers = yield* Scope.extend(FiberSet.make(), scope)
  const sessions = new Set<Http2.ServerHttp2Session>()
  let closing = false

  const fork: httpServedCall.Service["fork"] = (effect) => {
    const fiber = starter.fork(effect)
    // Most handlers end at once.
    if (fiber.unsafePoll() === null) FiberSet.unsafeAdd(fibers, fiber)
    return fiber
  }
  const calls: httpServedCall.Service = {
    handlers,
    fibers: starter,
    fork,
    isClosing: () => closing,
    maxMessageBytes: Math.min(options.maxMessageBytes ?? largestMessage, largestMessage),
    requests: httpServedCall.requestLimit(Duration.decode(options.requestTimeout ?? "30 seconds"))
  }

  const service: Service = {
    serve: (session, isLocal, outlet) => {
      sessions.add(session)
      session.on("close", () => sessions.delete(session))
      // The handlers learn of the error when their streams close.
      session.on("error", () => {})
      httpGuard.guard(session, outlet)
      // How many streams are open, if this side has to count them.
      let open = 0
      let countsOpen = false
      session.once(
        "stream",
        (_: Http2.ServerHttp2Stream, { "user-agent": userAgent = "" }: Http2.IncomingHttpHeaders) => {
          // Node emits this when all that has arrived is taken, which may have ended the connection.
          if (!session.destroyed) countsOpen = allowances.extend(session, isLocal, userAgent)
        }
      )
      const turns = new Turns(session)
      // A peer on a Unix socket learns at once that there is room again.
      const window = isLocal ? undefined : new streamWindow.StreamWindow(session)
      const isClosing = httpEnding.closeSafely(session)
      session.on(
        "stream",
        (
          stream: Http2.ServerHttp2Stream,
          headers: Http2.IncomingHttpHeaders,
          _flags: number,
          rawHeaders: ReadonlyArray<string>
        ) => {
          if (countsOpen) {
            open++
            stream.on("close", () => open--)
          }
          // The GOAWAY, which is about to leave, closes this stream.
          if (isClosing()) stream.on("error", () => {})
          else {
            const refusal = open > limit ? overLimit(limit) : undefined
            httpServedCall.serve(calls, { turns, outlet, window, refusal }, stream, headers, rawHeaders)
          }
        }
      )
      if (!isLocal) httpKeepAlive.stopWith(session, fork(httpKeepAlive.run(session, keepaliveTime, keepaliveTimeout)))
    },
    close: (stop) => {
      const end = Effect.async<void>((resume) => {
        stop(() => resume(Effect.void))
        sessions.forEach((session) => session.close())
      })
      return Effect.sync(() => {
        closing = true
      }).pipe(
        Effect.zipRight(Scope.close(scope, Exit.void)),
        // Peers are outside of this program, so the second is in real time whatever the program's clock says.
        Effect.zipRight(end.pipe(interruptible.timeoutOption("1 second"), Effect.withClock(Clock.make()))),
        Effect.zipRight(Effect.suspend(() => httpEnding.destroy(...sessions))),
        Effect.zipRight(Effect.sync(() => calls.requests.close()))
      )
    }
  }
  return service
})

/**
 * Serves handlers on connections over byte streams other than sockets, until the scope closes. Returns a function that serves one
 * connection: its effect ends with the connection, and ends the connection when it is interrupted. A `Duplex` must not deliver data
 * from within a write to it.
 */
export const accept = (
  handlers: GrpcHandlers,
  options: ServerOptions = {}
): Effect.Effect<(line: Duplex) => Effect.Effect<void>, never, Scope.Scope> =>
  Effect.gen(function*() {
    let open = 0
    let isClosed = false
    let stopped = (): void => {}
    const service = yield* Effect.acquireRelease(make(handlers, options), ({ close }) =>
      close((callback) => {
        isClosed = true
        stopped = callback
        if (open === 0) stopped()
      }))
    return (line) =>
      Effect.async((resume) => {
        if (isClosed) line.destroy()
        // The stream may have ended already, and no event would report that.
        if (line.destroyed) return resume(Effect.void)
        // Keeps the session reading while the peer takes nothing, and closes it when the peer ends.
        const outlet = line instanceof EagerLine ? line : new EagerSocket(line)
        const session = Http2.performServerHandshake(outlet, sessionOptions(options))
        open++
        session.once("close", () => {
          if (--open === 0) stopped()
          resume(Effect.void)
        })
        service.serve(session, false, outlet)
        return httpEnding.destroy(session)
      })
  })
