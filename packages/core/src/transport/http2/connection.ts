// One HTTP/2 connection to an exporter. The first call that needs it connects. After the connection is lost, the next call connects
// again.
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import * as Http2 from "node:http2"
import { Socket } from "node:net"
import type { Duplex } from "node:stream"
import * as GrpcStatus from "../../grpc/GrpcStatus.ts"
import type { GrpcConnection } from "../../grpc/grpcTransport.ts"
import { acquireRelease, addFinalizer } from "../../util/acquired.ts"
import * as interruptible from "../../util/interruptible.ts"
import * as connectFailure from "../connectFailure.ts"
import * as httpEnding from "../http/ending.ts"
import * as httpGuard from "../http/guard.ts"
import * as httpLoss from "../http/loss.ts"
import type { Dialler } from "./dialler.ts"
import { EagerLine } from "./eagerLine.ts"
import { EagerSocket } from "./eagerSocket.ts"
import * as httpKeepAlive from "./keepAlive.ts"
import { Turns } from "./sendTurns.ts"

// How many bytes a peer may send on one stream before the reader takes them. HTTP/2's default of 64 KiB limits a byte stream to a
// fraction of what a connection can carry.
const streamWindow = 4 * 1024 * 1024

const connectionWindow = 4 * streamWindow

// Large frames cause fewer events for the same bytes.
const maxFrameSize = 1024 * 1024

// Node refuses new streams once a connection uses this many megabytes. Each stream is bounded by itself.
const maxSessionMemory = 4 * 1024

// The text of a failure is sent in a header. nghttp2 accepts at most 64 KiB in one header, and no option changes that. These limits
// apply to all headers of a response together.
const headerLimits = { maxHeaderListSize: 256 * 1024, maxHeaderListPairs: 1_024 }

// protocol.md 10.3
const keepAliveTime = "20 seconds"

const keepAliveTimeout = "180 seconds"

export interface Http2Connection {
  readonly http: Http2.ClientHttp2Session
  // The EagerLine under the connection, if it has one. Senders wait while it is full.
  readonly outlet: EagerLine | undefined
  // Turns between the streams of the connection.
  readonly turns: Turns
  // Each RPC calls `hold` when it begins and `release` when it ends. While RPCs are running, the connection keeps the process alive.
  readonly hold: () => void
  readonly release: () => void
  // Whether the connection is gone, as opposed to being shut down in good order.
  readonly isLost: () => boolean
  // The GOAWAY that the peer sent, if any.
  readonly goAway: () => httpLoss.GoAway | undefined
  // Says why the connection is gone, given the error if there was one.
  readonly explain: (error?: Error) => string
}

// Callbacks for the end of a connection.
interface Observer {
  // The connection accepts no new RPCs.
  readonly ended: (session: Http2Connection, details: string) => void
  // The connection is closed.
  readonly closed: () => void
  // This side gives up the connection.
  readonly forget: (session: Http2Connection) => void
}

interface Beginning {
  readonly session: Http2Connection
  readonly outcome: Deferred.Deferred<Http2Connection, GrpcStatus.GrpcStatusError>
}

const failure = (dialler: Dialler, line: Duplex, reason: connectFailure.Reason): GrpcStatus.GrpcStatusError =>
  GrpcStatus.lost(
    { rpc: "", target: dialler.target },
    dialler.explain(reason, line),
    reason instanceof Error ? reason : undefined
  )

const channelClosed = (place: GrpcStatus.StatusPlace) =>
  GrpcStatus.refused(place, "CANCELLED", "the channel is closed", { scope: "connection" })

// Begins HTTP/2 on the dialled stream.
const begin = (line: Duplex, dialler: Dialler, observer: Observer): Beginning => {
  const outcome = Deferred.unsafeMake<Http2Connection, GrpcStatus.GrpcStatusError>(FiberId.none)
  // Nobody awaits the outcome of a connection that was made, and making an error takes as long as ten steps of it.
  const fail = (reason: connectFailure.Reason): void =>
    Deferred.unsafeDone(outcome, Effect.suspend(() => failure(dialler, line, reason)))
  const socket = line instanceof Socket ? line : undefined
  const outlet = dialler.takesAll ? undefined : line instanceof EagerLine ? line : new EagerSocket(line)
  const http = Http2.connect(dialler.origin, {
    createConnection: () => outlet ?? line,
    maxSessionMemory,
    maxHeaderListPairs: headerLimits.maxHeaderListPairs,
    settings: {
      enablePush: false,
      initialWindowSize: streamWindow,
      maxFrameSize,
      maxHeaderListSize: headerLimits.maxHeaderListSize
    }
  })
  httpGuard.guard(http, outlet)
  let error: Error | undefined
  let goAway: httpLoss.GoAway | undefined
  let holders = 0
  const session: Http2Connection = {
    http,
    outlet,
    turns: new Turns(http),
    hold: () => {
      if (holders++ === 0) socket?.ref()
    },
    release: () => {
      if (--holders === 0) socket?.unref()
    },
    isLost: () => http.destroyed || line.destroyed,
    goAway: () => goAway,
    explain: (error) =>
      error === undefined && dialler.explainEnd !== undefined
        ? dialler.explainEnd(line)
        : httpLoss.explain(error, goAway)
  }
  http.on("error", (cause) => {
    error = cause
    fail(cause)
  })
  // A GOAWAY shuts a connection down: running RPCs continue, and new RPCs need another connection. Some peers send two, the first to
  // announce the shutdown, the second with the last stream.
  http.on("goaway", (code, lastStream, data) => {
    goAway = { code, lastStream, text: data === undefined ? "" : Buffer.from(data).toString() }
    // A peer that gives up a connection with an error also closes it, and the close handler below reports that.
    if (code === Http2.constants.NGHTTP2_NO_ERROR) observer.ended(session, "the connection is wound up")
  })
  http.once("close", () => {
    observer.ended(session, session.explain(error))
    fail(connectFailure.closedBeforeHttp2)
    observer.closed()
  })
  // The first SETTINGS prove that the peer speaks HTTP/2, so only now is the connection established.
  http.once("remoteSettings", () => {
    http.setLocalWindowSize(connectionWindow)
    socket?.unref()
    Deferred.unsafeDone(outcome, Effect.succeed(session))
  })
  return { session, outcome }
}

const connect = (
  dialler: Dialler,
  observer: Observer
): Effect.Effect<Http2Connection, GrpcStatus.GrpcStatusError, Scope.Scope> =>
  Effect.gen(function*() {
    const line = yield* dialler.dial
    // The stream may have ended since it was dialled, and no event would report that.
    if (line.destroyed) return yield* failure(dialler, line, line.errored ?? connectFailure.closedBeforeHttp2)
    const { outcome } = yield* acquireRelease(
      Effect.sync(() => begin(line, dialler, observer)),
      ({ outcome, session }) =>
        Effect.suspend(() => {
          // RPCs that still wait learn it now: closing the byte stream may take a moment.
          Deferred.unsafeDone(outcome, Effect.suspend(() => channelClosed({ rpc: "", target: dialler.target })))
          observer.forget(session)
          return httpEnding.destroy(session.http)
        })
    )
    return yield* Deferred.await(outcome)
  })

export interface Sessions {
  // Returns the connection, and connects when there is none.
  readonly connect: (rpc: string) => Effect.Effect<Http2Connection, GrpcStatus.GrpcStatusError>
  // Starts no more RPCs on a connection, and closes it when the running ones have ended.
  readonly retire: (session: Http2Connection) => void
  readonly drop: Effect.Effect<void>
  readonly onEnd: GrpcConnection["onEnd"]
}

export const make = Effect.fnUntraced(function*(
  dialler: Dialler,
  connectTimeout: Duration.DurationInput
) {
  const { target } = dialler
  // Made now, so that it closes after the finalizers that are added later, whose RPCs may need a connection that was made again. The RPCs end
  // before their connections.
  const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
  const runFork = Runtime.runFork(yield* Effect.runtime<never>())
  let current: Http2Connection | undefined
  let opening: Deferred.Deferred<Http2Connection, GrpcStatus.GrpcStatusError> | undefined
  let closed = false
  // All open connections, including those that are shutting down.
  const all = new Set<Http2Connection>()
  const listeners = new Set<(details: string) => void>()

  // The end of a connection that has been replaced is not reported.
  const ended = (session: Http2Connection, details: string): void => {
    if (session.http.destroyed) all.delete(session)
    if (current !== session) return
    current = undefined
    listeners.forEach((listener) => listener(details))
  }

  const forget = (session: Http2Connection): void => {
    if (current === session) current = undefined
  }

  // A scope of its own releases the dialled stream as soon as the connection has ended. Must run uninterruptibly, so that nothing comes
  // between a connection and the caller who knows it.
  const connectInScope = Effect.flatMap(Scope.fork(scope, ExecutionStrategy.sequential), (own) => {
    const release = () => void runFork(Effect.uninterruptible(Scope.close(own, Exit.void)), { scope })
    return Effect.onError(
      Effect.interruptible(Scope.extend(connect(dialler, { ended, closed: release, forget }), own)),
      (cause) => Scope.close(own, Exit.failCause(cause))
    )
  })

  const drop = Effect.suspend(() => {
    current = undefined
    return httpEnding.destroy(...Array.from(all, ({ http }) => http))
  })
  yield* addFinalizer(Effect.suspend(() => {
    closed = true
    return drop
  }))

  const open = (rpc: string): Effect.Effect<Http2Connection, GrpcStatus.GrpcStatusError> =>
    Effect.suspend(() => {
      // In a closed scope the forked fiber would be interrupted before it could report that the channel is closed.
      if (closed) return channelClosed({ rpc, target })
      // Another RPC has begun to connect. An error that this RPC gets from that attempt must name this RPC.
      if (opening !== undefined) {
        return Effect.mapError(Deferred.await(opening), (error) => GrpcStatus.amend(error, { rpc }))
      }
      return Effect.flatMap(Deferred.make<Http2Connection, GrpcStatus.GrpcStatusError>(), (outcome) => {
        opening = outcome
        let isLate = false
        // The attempt runs in a fiber of the channel, because the caller that began it may be interrupted while others wait. The time limit
        // interrupts that fiber. A race would need another two.
        return Effect.withFiberRuntime<Http2Connection, GrpcStatus.GrpcStatusError>((fiber) =>
          Effect.flatMap(
            interruptible.forkDaemon(Effect.map(Effect.sleep(connectTimeout), () => {
              isLate = true
              fiber.unsafeInterruptAsFork(FiberId.none)
            })),
            (timer) => Effect.ensuring(connectInScope, Effect.sync(() => timer.unsafeInterruptAsFork(FiberId.none)))
          )
        ).pipe(
          Effect.mapError((error) => GrpcStatus.amend(error, { rpc })),
          Effect.onExit((exit) => {
            opening = undefined
            if (Exit.isSuccess(exit)) {
              current = exit.value
              all.add(exit.value)
            }
            if (!Exit.isInterrupted(exit)) return Deferred.done(outcome, exit)
            const late = connectFailure.timeout(connectTimeout)
            return Deferred.fail(
              outcome,
              isLate ? GrpcStatus.lost({ rpc, target }, late.message, late) : channelClosed({ rpc, target })
            )
          }),
          Effect.tap(({ http }) =>
            dialler.tellsLoss ? Effect.void : Effect.map(
              interruptible.forkIn(httpKeepAlive.run(http, keepAliveTime, keepAliveTimeout), scope),
              (fiber) => httpKeepAlive.stopWith(http, fiber)
            )
          ),
          // eslint-disable-next-line no-restricted-syntax -- it can be interrupted, and has an outcome even before it begins
          Effect.forkIn(scope),
          Effect.uninterruptible,
          Effect.zipRight(Deferred.await(outcome))
        )
      })
    })

  const sessions: Sessions = {
    connect: (rpc) =>
      Effect.suspend(() =>
        current !== undefined && !current.http.closed && !current.http.destroyed ? Effect.succeed(current) : open(rpc)
      ),
    retire: (session) => {
      const goAway = session.goAway()
      // A connection that the peer gave up was lost, and that is reported. One that only refused an RPC is replaced silently.
      if (session.isLost()) ended(session, goAway === undefined ? session.explain() : httpLoss.closed(goAway))
      forget(session)
      httpEnding.close(session.http)
    },
    drop,
    onEnd: (listener) =>
      acquireRelease(
        Effect.sync(() => listeners.add(listener)),
        () => Effect.sync(() => listeners.delete(listener))
      )
  }
  return sessions
}) satisfies (...args: never) => Effect.Effect<Sessions, never, Scope.Scope>
