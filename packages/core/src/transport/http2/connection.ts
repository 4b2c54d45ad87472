// One HTTP/2 connection to an exporter, made by the first call that needs it and made again by the next one after it was
// lost.
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
import * as interruptible from "../../util/interruptible.ts"
import * as connectFailure from "../connectFailure.ts"
import * as httpGuard from "../http/guard.ts"
import * as httpLoss from "../http/loss.ts"
import type { Dialler } from "./dialler.ts"
import { EagerSocket } from "./eagerSocket.ts"
import * as httpKeepAlive from "./keepAlive.ts"
import { Turns } from "./sendTurns.ts"

// What a peer may send on one stream before the reader has taken it. HTTP/2's default of 64 KiB caps a byte stream at a
// fraction of what a connection can carry.
const streamWindow = 4 * 1024 * 1024

const connectionWindow = 4 * streamWindow

// Large frames are fewer events for the same bytes.
const maxFrameSize = 1024 * 1024

// Node refuses new streams once a connection has this many megabytes in use. What streams hold is bounded one by one.
const maxSessionMemory = 4 * 1024

// The text of a failure travels in a header. nghttp2 takes 64 KiB in one header, which no option changes; these limits are for
// all headers of an answer together.
const headerLimits = { maxHeaderListSize: 256 * 1024, maxHeaderListPairs: 1_024 }

// protocol.md 10.3
const keepAliveTime = "20 seconds"

const keepAliveTimeout = "180 seconds"

export interface Http2Connection {
  readonly http: Http2.ClientHttp2Session
  // Where its writes are not waited for, what they wait in.
  readonly outlet: EagerSocket | undefined
  // Between its streams.
  readonly turns: Turns
  // Called by each RPC that begins and that ends: as long as there are any, the connection keeps the process alive.
  readonly hold: () => void
  readonly release: () => void
  // Whether the connection is gone, as opposed to being wound up in good order.
  readonly isLost: () => boolean
  // What the peer said when it wound up or gave up the connection.
  readonly goAway: () => httpLoss.GoAway | undefined
}

// What is told of a connection.
interface Observer {
  // It is not for new RPCs any more.
  readonly ended: (session: Http2Connection, details: string) => void
  // Nothing of it is left.
  readonly closed: () => void
  // It is given up by this side.
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

// Begins HTTP/2 on what was dialled.
const begin = (line: Duplex, dialler: Dialler, observer: Observer): Beginning => {
  const outcome = Deferred.unsafeMake<Http2Connection, GrpcStatus.GrpcStatusError>(FiberId.none)
  const fail = (reason: connectFailure.Reason): void => Deferred.unsafeDone(outcome, failure(dialler, line, reason))
  const socket = line instanceof Socket ? line : undefined
  const outlet = dialler.isLocal ? undefined : new EagerSocket(line)
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
    goAway: () => goAway
  }
  http.on("error", (cause) => {
    error = cause
    fail(cause)
  })
  // What is under way goes on when a connection is wound up, and what begins after that goes to whoever is there then.
  // Some peers say it twice: that they will, and then from where on.
  http.on("goaway", (code, lastStream, data) => {
    goAway = { code, lastStream, text: data === undefined ? "" : Buffer.from(data).toString() }
    // A peer that gives up a connection also closes it, and the close handler below reports that.
    if (code === Http2.constants.NGHTTP2_NO_ERROR) observer.ended(session, "the connection is wound up")
  })
  http.once("close", () => {
    observer.ended(session, httpLoss.explain(error, goAway))
    observer.closed()
    fail(connectFailure.closedBeforeHttp2)
  })
  // The peer has spoken HTTP/2: only now is it known to be there.
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
    // It may have ended since it was there, and no event would say so.
    if (line.destroyed) return yield* failure(dialler, line, line.errored ?? connectFailure.closedBeforeHttp2)
    const { outcome } = yield* Effect.acquireRelease(
      Effect.sync(() => begin(line, dialler, observer)),
      ({ session }) =>
        Effect.sync(() => {
          observer.forget(session)
          session.http.destroy()
        })
    )
    return yield* Deferred.await(outcome)
  })

export interface Sessions {
  // The connection, which is made where there is none.
  readonly connect: (rpc: string) => Effect.Effect<Http2Connection, GrpcStatus.GrpcStatusError>
  // Starts no more RPCs on a connection, and closes it when those under way have ended.
  readonly retire: (session: Http2Connection) => void
  readonly drop: Effect.Effect<void>
  readonly onEnd: GrpcConnection["onEnd"]
}

export const make = Effect.fnUntraced(function*(
  dialler: Dialler,
  connectTimeout: Duration.DurationInput
) {
  const { target } = dialler
  const scope = yield* Effect.scope
  const runFork = Runtime.runFork(yield* Effect.runtime<never>())
  let current: Http2Connection | undefined
  let opening: Deferred.Deferred<Http2Connection, GrpcStatus.GrpcStatusError> | undefined
  let closed = false
  // Those that are being wound up, too.
  const all = new Set<Http2Connection>()
  const listeners = new Set<(details: string) => void>()

  // One that has been replaced is old news.
  const ended = (session: Http2Connection, details: string): void => {
    if (session.http.destroyed) all.delete(session)
    if (current !== session) return
    current = undefined
    listeners.forEach((listener) => listener(details))
  }

  const forget = (session: Http2Connection): void => {
    if (current === session) current = undefined
  }

  // A scope of its own within the channel's lets go of what was dialled as soon as the connection is over.
  const connectInScope = Effect.flatMap(Scope.fork(scope, ExecutionStrategy.sequential), (own) => {
    const closed = () => void runFork(Effect.uninterruptible(Scope.close(own, Exit.void)), { scope })
    return connect(dialler, { ended, closed, forget }).pipe(
      Scope.extend(own),
      Effect.onError((cause) => Scope.close(own, Exit.failCause(cause)))
    )
  })

  const drop = Effect.sync(() => {
    current = undefined
    all.forEach(({ http }) => http.destroy())
  })
  yield* Effect.addFinalizer(() => {
    closed = true
    return drop
  })

  const channelClosed = (rpc: string) =>
    GrpcStatus.refused({ rpc, target }, "CANCELLED", "the channel is closed", { scope: "connection" })

  const open = (rpc: string): Effect.Effect<Http2Connection, GrpcStatus.GrpcStatusError> =>
    Effect.suspend(() => {
      // A fiber that is forked into a closed scope is interrupted before it can say so.
      if (closed) return channelClosed(rpc)
      // Who waits for an attempt that another RPC began fails for itself.
      if (opening !== undefined) {
        return Effect.mapError(Deferred.await(opening), (error) => GrpcStatus.amend(error, { rpc }))
      }
      return Effect.flatMap(Deferred.make<Http2Connection, GrpcStatus.GrpcStatusError>(), (outcome) => {
        opening = outcome
        // In a fiber of the channel's: the first of several callers may be interrupted.
        return connectInScope.pipe(
          Effect.mapError((error) => GrpcStatus.amend(error, { rpc })),
          interruptible.timeoutFail({
            duration: connectTimeout,
            onTimeout: () => {
              const cause = connectFailure.timeout(connectTimeout)
              return GrpcStatus.lost({ rpc, target }, cause.message, cause)
            }
          }),
          Effect.interruptible,
          Effect.onExit((exit) => {
            opening = undefined
            if (Exit.isSuccess(exit)) {
              current = exit.value
              all.add(exit.value)
            }
            return Deferred.done(
              outcome,
              Exit.isInterrupted(exit) ? Exit.fail(channelClosed(rpc)) : exit
            )
          }),
          Effect.tap(({ http }) =>
            dialler.isLocal ? Effect.void : Effect.map(
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
      // A connection that the peer gave up was lost. One that only refused an RPC is replaced without a word.
      if (session.isLost()) ended(session, goAway === undefined ? httpLoss.dropped : httpLoss.closed(goAway))
      forget(session)
      session.http.close()
    },
    drop,
    onEnd: (listener) =>
      Effect.acquireRelease(
        Effect.sync(() => listeners.add(listener)),
        () => Effect.sync(() => listeners.delete(listener))
      )
  }
  return sessions
}) satisfies (...args: never) => Effect.Effect<Sessions, never, Scope.Scope>
