// Hostile peers: each kind breaks a rule, or keeps all rules and never ends.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as tls from "node:tls"
import type { GrpcStatusError } from "../../src/grpc/GrpcStatus.ts"
import type { Tunnel } from "../support/controller.ts"
import * as raw from "../support/rawGrpc.ts"
import * as http2 from "../support/rawHttp2.ts"
import { brokenHttp2, clientHello } from "./brokenHttp2.ts"
import { malformedRequests } from "./malformedRequests.ts"

interface Target {
  /** Connects to it, without TLS. */
  readonly dial: http2.Dial
  /** Where it speaks TLS, unless that is nowhere. */
  readonly tlsPort: number
  /** Opens a tunnel to it, if it is leased. */
  readonly tunnel: Effect.Effect<Tunnel, never, Scope.Scope>
  /** The driver's uuid. */
  readonly uuid: string
}

export interface HostilePeer {
  readonly name: string
  /** How many requests, connections or frames it sends to the exporter. */
  readonly requests: number
  /** Attacks the exporter. The scope ends as abruptly as a killed peer. */
  readonly attack: (target: Target) => Effect.Effect<void, never, Scope.Scope>
}

const times = <A>(n: number, make: (index: number) => A): ReadonlyArray<A> =>
  Array.from({ length: n }, (_, i) => make(i))

const connect = ({ dial }: Target, options?: Parameters<typeof raw.over>[1]) => raw.over(dial, options)

const nothing = raw.prefixed(new Uint8Array())

const streamOf = ({ uuid }: Target, method: string): raw.Request => ({
  path: raw.rpc.stream,
  headers: { request: raw.opening({ kind: "driver", uuid, method }) },
  open: true
})

const resourceOf = ({ uuid }: Target): raw.Request => ({
  path: raw.rpc.stream,
  headers: { request: raw.opening({ kind: "resource", uuid }) },
  open: true
})

// The exporter has received everything before a ping when it responds to the ping.
const taken = (session: raw.Session): Effect.Effect<void> =>
  Effect.async((resume) => {
    const done = () => resume(Effect.void)
    if (session.closed || session.destroyed || !session.ping(done)) done()
  })

/** Opens a number of RPCs on one connection. */
const begin = (
  target: Target,
  requests: number,
  request: (target: Target) => raw.Request,
  options?: Parameters<typeof raw.over>[1]
) =>
  Effect.gen(function*() {
    const session = yield* connect(target, options)
    for (let index = 0; index < requests; index++) raw.begin(session, request(target))
    yield* taken(session)
  })

/** Opens a number of RPCs on one connection, and leaves with all of them unfinished. */
const unfinished = (
  name: string,
  requests: number,
  request: (target: Target) => raw.Request,
  options?: Parameters<typeof raw.over>[1]
): HostilePeer => ({ name, requests, attack: (target) => begin(target, requests, request, options) })

const broken: ReadonlyArray<HostilePeer> = brokenHttp2.map(({ bytes, costs, name, requests }) => ({
  name,
  requests,
  attack: (target) => Effect.asVoid(http2.say(target.dial, bytes(target.uuid), costs))
}))

const malformed: HostilePeer = {
  name: "malformed requests",
  requests: malformedRequests.length,
  attack: (target) =>
    Effect.forEach(
      malformedRequests,
      ({ request }) =>
        Effect.scoped(Effect.flatMap(connect(target), (session) => raw.ask(session, request(target.uuid)))),
      { discard: true }
    )
}

// The client never reads the responses of its RPCs. The connection's own window stays open for other RPCs.
const unread = { settings: { initialWindowSize: 0 } }

/** Sends a number of RouterService.Stream frames to a device. */
const framed = (name: string, requests: number, frame: Uint8Array): HostilePeer => ({
  name,
  requests,
  attack: (target) =>
    Effect.gen(function*() {
      const session = yield* connect(target)
      const body = http2.repeat(requests, raw.prefixed(frame))
      yield* raw.ask(session, { ...streamOf(target, "idle"), body, open: false })
    }).pipe(Effect.timeoutOption("50 millis"), Effect.asVoid)
})

const streams: ReadonlyArray<HostilePeer> = [
  unfinished("calls without a request", 200, () => ({ path: raw.rpc.call, open: true })),
  unfinished("calls with half a request", 20, () => ({
    path: raw.rpc.call,
    body: raw.prefixed(new Uint8Array(100_000), { length: 4_000_000 }),
    open: true
  })),
  unfinished("calls that hang", 200, ({ uuid }) => ({ path: raw.rpc.call, body: raw.callOf(uuid, "hang") })),
  unfinished("answers that nobody reads", 200, () => ({ path: raw.rpc.report, body: nothing }), unread),
  unfinished(
    "results that nobody reads",
    20,
    ({ uuid }) => ({ path: raw.rpc.streamingCall, body: raw.callOf(uuid, "flood", raw.number(100_000)) }),
    unread
  ),
  unfinished("logs that nobody reads", 50, () => ({ path: raw.rpc.logs, body: nothing }), unread),
  unfinished("bytes that nobody reads", 20, (target) => streamOf(target, "endless"), unread),
  unfinished("bytes that no device takes", 10, (target) => ({
    ...streamOf(target, "stuck"),
    body: http2.repeat(40, raw.prefixed(raw.field(1, new Uint8Array(60_000))))
  })),
  unfinished("streams that stay silent", 200, (target) => streamOf(target, "idle")),
  unfinished("streams that are half-closed", 100, (target) => ({ ...streamOf(target, "idle"), open: false })),
  unfinished("resources that no call uses", 100, resourceOf),
  unfinished("resources that are uploaded to nobody", 10, (target) => ({
    ...resourceOf(target),
    body: http2.repeat(40, raw.prefixed(raw.field(1, new Uint8Array(60_000))))
  })),
  framed("empty frames", 2_000, new Uint8Array()),
  framed("frames of an unknown type", 2_000, Uint8Array.of(2 << 3, 99)),
  framed("RST_STREAM frames", 500, Uint8Array.of(2 << 3, 3)),
  framed("PING frames", 500, Uint8Array.of(2 << 3, 6)),
  framed("GOAWAY frames", 500, Uint8Array.of(2 << 3, 7)),
  framed("no frames", 10, Buffer.alloc(10, 0xff))
]

const calls: ReadonlyArray<HostilePeer> = [
  {
    name: "a flood of calls",
    requests: 200,
    attack: (target) =>
      Effect.gen(function*() {
        const session = yield* connect(target)
        const body = raw.callOf(target.uuid, "echo", raw.text("x".repeat(1_000)))
        yield* Effect.all(times(200, () => raw.ask(session, { path: raw.rpc.call, body })), {
          concurrency: "unbounded"
        })
      })
  },
  unfinished("calls of a million values", 2, ({ uuid }) => ({
    path: raw.rpc.call,
    body: raw.prefixed(Buffer.concat([
      raw.field(1, uuid),
      raw.field(2, "explode"),
      Buffer.alloc(2_000_000, raw.field(3, new Uint8Array()))
    ]))
  })),
  unfinished("failures of a megabyte", 20, ({ uuid }) => ({
    path: raw.rpc.call,
    body: raw.callOf(uuid, "fail", raw.text("x".repeat(1_000_000)))
  })),
  unfinished("log lines of a megabyte", 20, ({ uuid }) => ({
    path: raw.rpc.call,
    body: raw.callOf(uuid, "log", raw.text("x".repeat(1_000_000)))
  })),
  unfinished("messages that unpack to nothing", 2, (target) => ({
    ...streamOf(target, "idle"),
    headers: { ...streamOf(target, "idle").headers, "grpc-encoding": "gzip" },
    body: http2.repeat(1_000, raw.prefixed(Uint8Array.of(0), { flag: 1 }))
  }))
]

/** Opens a number of connections at once, sends some bytes on each, and closes them after a while. */
const connections = (
  name: string,
  requests: number,
  dial: (target: Target) => http2.Dial,
  { bytes = new Uint8Array(), stay = 20 }: { readonly bytes?: Uint8Array; readonly stay?: number } = {}
): HostilePeer => ({
  name,
  requests,
  attack: (target) =>
    Effect.zipRight(
      Effect.forEach(
        times(requests, () => dial(target)),
        Effect.map((line) => line.write(bytes)),
        { discard: true }
      ),
      Effect.sleep(stay)
    )
})

const cleartext = ({ dial }: Target) => dial

const unending: ReadonlyArray<HostilePeer> = [
  connections("connections that say nothing", 50, cleartext),
  connections("connections that say half a preface", 50, cleartext, { bytes: http2.preface.subarray(0, 10) }),
  connections("connections that say hello", 50, cleartext, { bytes: http2.hello }),
  connections("connections that are gone at once", 100, cleartext, { bytes: http2.hello, stay: 0 })
]

/** They break a rule. */
export const ruleBreakers: ReadonlyArray<HostilePeer> = [malformed, ...broken]

/** They keep the rules of HTTP/2, and ask for too much. */
export const nuisances: ReadonlyArray<HostilePeer> = [...calls, ...streams, ...unending]

const encrypted = ({ tlsPort }: Target) => http2.dialPort(tlsPort)

const tlsOf = (protocols: ReadonlyArray<string>) => ({ tlsPort }: Target) =>
  http2.dial(() =>
    tls.connect({ host: "127.0.0.1", port: tlsPort, rejectUnauthorized: false, ALPNProtocols: [...protocols] })
  )

/** They come where the exporter speaks TLS. */
export const hostileToTls: ReadonlyArray<HostilePeer> = [
  connections("handshakes that are not begun", 50, encrypted),
  connections("handshakes that are not ended", 50, encrypted, { bytes: clientHello }),
  connections("handshakes that are broken off", 50, tlsOf(["h2"]), { stay: 5 }),
  connections("cleartext where TLS is spoken", 50, encrypted, { bytes: http2.hello }),
  connections("noise within TLS", 20, tlsOf(["h2"]), { bytes: Buffer.alloc(1_000, 7), stay: 50 }),
  connections("TLS that says hello", 20, tlsOf(["h2"]), { bytes: http2.hello, stay: 50 }),
  connections("TLS for another protocol", 20, tlsOf(["http/1.1"]), { bytes: Buffer.from("GET / HTTP/1.1\r\n\r\n") })
]

/** Speaks to the exporter in frames of the router, and leaves without a word. */
const tunnelled = (
  name: string,
  requests: number,
  say: (tunnel: Tunnel) => Effect.Effect<unknown, GrpcStatusError>
): HostilePeer => ({
  name,
  requests,
  attack: ({ tunnel }) =>
    Effect.flatMap(tunnel, (tunnel) =>
      // The exporter may end the tunnel before everything is said.
      Effect.zipRight(Effect.ignore(say(tunnel)), Effect.timeoutOption(Effect.ignore(tunnel.status), 50)))
})

const repeatedly = (name: string, requests: number, frameType: number, payload: Uint8Array = new Uint8Array()) =>
  tunnelled(name, requests, ({ send }) => Effect.repeatN(send(frameType, payload), requests - 1))

/** They come through a router, whose frames they misuse. */
export const hostileToTunnels: ReadonlyArray<HostilePeer> = [
  tunnelled("a tunnel that says nothing", 1, () => Effect.void),
  tunnelled("a tunnel that ends at once", 1, ({ halfClose }) => halfClose),
  tunnelled("messages that are no frames of a tunnel", 1, ({ sendBytes }) => sendBytes(Buffer.alloc(1_000, 0xff))),
  repeatedly("frames of an unknown type in a tunnel", 1_000, 99),
  repeatedly("empty frames in a tunnel", 2_000, 0),
  repeatedly("PING frames in a tunnel", 2_000, 6),
  repeatedly("RST_STREAM frames in a tunnel", 100, 3),
  repeatedly("GOAWAY frames in a tunnel", 500, 7),
  repeatedly("the largest frames of noise in a tunnel", 5, 0, Buffer.alloc(4_000_000, 7)),
  tunnelled("HTTP/2 after the end of a tunnel", 2, ({ send }) => Effect.zipRight(send(7), send(0, http2.hello)))
]

/** A peer that tries to make the exporter hold as much memory as possible. */
export interface GreedyPeer {
  readonly name: string
  /** How many bytes it may make the exporter hold. */
  readonly bound: number
  readonly attack: HostilePeer["attack"]
}

const greedyStreams = 20

// An inbox and a window of a megabyte each, or a few outgoing messages of that size.
const streamBytes = 4 * 1024 * 1024

const greedy = (
  name: string,
  request: (target: Target) => raw.Request,
  options?: Parameters<typeof raw.over>[1]
): GreedyPeer => ({
  name,
  bound: greedyStreams * streamBytes,
  attack: (target) => begin(target, greedyStreams, request, options)
})

const largest = 2 ** 31 - 1

/** Grants the largest windows of HTTP/2, and reads nothing. */
const granting: GreedyPeer = {
  name: "bytes that fit the window and are not read",
  // The bytes that a connection holds before its streams wait, and a few messages of each stream.
  bound: 4 * 1024 * 1024 + greedyStreams * streamBytes,
  attack: (target) =>
    Effect.flatMap(
      target.dial,
      (line) =>
        Effect.sync(() =>
          line.pause().write(Buffer.concat([
            http2.hello,
            http2.frame(http2.Type.settings, 0, 0, Buffer.concat([Uint8Array.of(0, 4), http2.uint32(largest)])),
            http2.frame(http2.Type.windowUpdate, 0, 0, http2.uint32(largest - 65_535)),
            http2.repeat(greedyStreams, (index) =>
              http2.call(2 * index + 1, raw.rpc.stream, {
                request: raw.opening({ kind: "driver", uuid: target.uuid, method: "endless" })
              }))
          ]))
        )
    )
}

const upload = http2.repeat(120, raw.prefixed(raw.field(1, new Uint8Array(60_000))))

/** Makes the exporter widen the windows of its streams, and then sends to streams that nobody reads. */
const widening: GreedyPeer = {
  name: "bytes that no device takes, in wide windows",
  bound: greedyStreams * streamBytes,
  attack: (target) =>
    Effect.gen(function*() {
      const session = yield* connect(target)
      const taken = raw.begin(session, { ...streamOf(target, "idle"), body: http2.repeat(2, upload) })
      yield* Effect.async<void>((resume) => {
        session.on("remoteSettings", ({ initialWindowSize = 0 }) => {
          if (initialWindowSize > 1024 * 1024) resume(Effect.void)
        })
      })
      taken.end()
      for (let streams = 0; streams < greedyStreams; streams++) {
        raw.begin(session, { ...streamOf(target, "stuck"), body: http2.repeat(2, upload) })
      }
    })
}

/** Calls that write more lines than the log keeps, each with a text of a megabyte. */
const talkative = (name: string, method: string): GreedyPeer => ({
  name,
  // 512 lines at most, cut to 64 KiB.
  bound: 512 * 65_536 * 2,
  attack: (target) =>
    Effect.flatMap(connect(target), (session) => {
      const body = raw.callOf(target.uuid, method, raw.text("x".repeat(1_000_000)))
      return Effect.all(times(140, () => raw.ask(session, { path: raw.rpc.call, body })), {
        concurrency: 4,
        discard: true
      })
    })
})

export const greedyPeers: ReadonlyArray<GreedyPeer> = [
  greedy("results that nobody reads", ({ uuid }) => ({
    path: raw.rpc.streamingCall,
    body: raw.callOf(uuid, "flood", raw.number(1_000_000))
  }), unread),
  greedy("bytes that nobody reads", (target) => streamOf(target, "endless"), unread),
  granting,
  greedy("bytes that no device takes", (target) => ({ ...streamOf(target, "stuck"), body: upload })),
  greedy("resources that no call uses", (target) => ({ ...resourceOf(target), body: upload })),
  widening,
  talkative("log lines that quote from messages", "excerpt"),
  talkative("failures", "fail")
]
