// One HTTP/2 connection to an exporter, made by the first call that needs it and made again by the next one after it was
// lost.
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as Http2 from "node:http2"
import * as Net from "node:net"
import * as Tls from "node:tls"
import type { Endpoint } from "../../grpc/Endpoint.ts"
import * as GrpcStatus from "../../grpc/GrpcStatus.ts"
import type { GrpcConnection } from "../../grpc/grpcTransport.ts"
import * as hostPort from "../../grpc/hostPort.ts"
import * as interruptible from "../../util/interruptible.ts"
import * as connectFailure from "../connectFailure.ts"
import * as httpGuard from "../http/guard.ts"
import * as httpLoss from "../http/loss.ts"
import type { TlsTrust } from "../tlsTrust.ts"
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

const openSocket = (endpoint: Endpoint, trust: TlsTrust | undefined): Net.Socket => {
  // A path that is given alone is taken for a port where it is a number.
  if (endpoint._tag === "Unix") return Net.connect({ path: endpoint.path })
  const { host, port } = endpoint
  const socket = trust === undefined ? Net.connect({ host, port }) : Tls.connect({
    host,
    port,
    ALPNProtocols: ["h2"],
    ...hostPort.serverName(host),
    ...trust
  })
  return socket.setNoDelay()
}

const authority = (endpoint: Endpoint): string =>
  endpoint._tag === "Unix"
    ? "localhost"
    : `${hostPort.inUrl(endpoint.host)}:${endpoint.port}`

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

const connect = (
  endpoint: Endpoint,
  trust: TlsTrust | undefined,
  fail: (details: string, cause?: unknown) => GrpcStatus.GrpcStatusError,
  ended: (session: Http2Connection, details: string) => void
): Effect.Effect<Http2Connection, GrpcStatus.GrpcStatusError> =>
  Effect.async((resume) => {
    const socket = openSocket(endpoint, trust)
    // The kernel takes all that our own host lets be in flight on a Unix socket.
    const outlet = endpoint._tag === "Unix" ? undefined : new EagerSocket(socket)
    const http = Http2.connect(`${endpoint._tag === "Tls" ? "https" : "http"}://${authority(endpoint)}`, {
      createConnection: () => outlet ?? socket,
      maxSessionMemory,
      maxHeaderListPairs: headerLimits.maxHeaderListPairs,
      settings: {
        enablePush: false,
        initialWindowSize: streamWindow,
        maxFrameSize,
        maxHeaderListSize: headerLimits.maxHeaderListSize
      }
    })
    httpGuard.guard(http, outlet === undefined ? undefined : socket)
    let error: Error | undefined
    let goAway: httpLoss.GoAway | undefined
    http.on("error", (cause) => {
      error = cause
      const withoutAlpn = socket instanceof Tls.TLSSocket && socket.alpnProtocol === false
      resume(
        fail(withoutAlpn ? connectFailure.withoutAlpn(cause.message) : connectFailure.explain(cause, endpoint), cause)
      )
    })
    http.once("close", () => {
      const message = "the connection was closed before the HTTP/2 handshake"
      const reason = { message, code: connectFailure.closedEarly }
      const withoutAlpn = socket instanceof Tls.TLSSocket && socket.alpnProtocol === false
      resume(fail(withoutAlpn ? connectFailure.withoutAlpn(message) : connectFailure.explain(reason, endpoint)))
    })
    // The peer has spoken HTTP/2: only now is it known to be there.
    http.once("remoteSettings", () => {
      http.setLocalWindowSize(connectionWindow)
      socket.unref()
      let holders = 0
      const session: Http2Connection = {
        http,
        outlet,
        turns: new Turns(http),
        hold: () => {
          if (holders++ === 0) {
            socket.ref()
          }
        },
        release: () => {
          if (--holders === 0) {
            socket.unref()
          }
        },
        isLost: () => http.destroyed || socket.destroyed,
        goAway: () => goAway
      }
      // What is under way goes on when a connection is wound up, and what begins after that goes to whoever is there then.
      // Some peers say it twice: that they will, and then from where on.
      http.on("goaway", (code, lastStream, data) => {
        goAway = { code, lastStream, text: data === undefined ? "" : Buffer.from(data).toString() }
        // A peer that gives up a connection also closes it, and the close handler below reports that.
        if (code === Http2.constants.NGHTTP2_NO_ERROR) ended(session, "the connection is wound up")
      })
      http.once("close", () => ended(session, httpLoss.explain(error, goAway)))
      resume(Effect.succeed(session))
    })
    return Effect.sync(() => http.destroy())
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
  endpoint: Endpoint,
  address: string,
  trust: TlsTrust | undefined,
  connectTimeout: Duration.DurationInput
) {
  const scope = yield* Effect.scope
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

  const drop = Effect.sync(() => {
    current = undefined
    all.forEach(({ http }) => http.destroy())
  })
  yield* Effect.addFinalizer(() => {
    closed = true
    return drop
  })

  const channelClosed = (rpc: string) =>
    GrpcStatus.refused({ rpc, target: address }, "CANCELLED", "the channel is closed", { scope: "connection" })

  const open = (rpc: string): Effect.Effect<Http2Connection, GrpcStatus.GrpcStatusError> =>
    Effect.suspend(() => {
      const fail = (details: string, cause?: unknown) => GrpcStatus.lost({ rpc, target: address }, details, cause)
      // A fiber that is forked into a closed scope is interrupted before it can say so.
      if (closed) return channelClosed(rpc)
      // Who waits for an attempt that another RPC began fails for itself.
      if (opening !== undefined) {
        return Effect.mapError(Deferred.await(opening), (error) => GrpcStatus.amend(error, { rpc }))
      }
      return Effect.flatMap(Deferred.make<Http2Connection, GrpcStatus.GrpcStatusError>(), (outcome) => {
        opening = outcome
        // In a fiber of the channel's: the first of several callers may be interrupted.
        return connect(endpoint, trust, fail, ended).pipe(
          interruptible.timeoutFail({
            duration: connectTimeout,
            onTimeout: () => {
              const cause = connectFailure.timeout(connectTimeout)
              return fail(cause.message, cause)
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
            endpoint._tag === "Unix" ? Effect.void : Effect.map(
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
      if (current === session) current = undefined
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
