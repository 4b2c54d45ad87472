// Peers that break the rules of HTTP/2, or keep all of them and are a nuisance. Each has a cost for the peer: its connection, its
// RPC, or nothing.
import * as raw from "../support/rawGrpc.ts"
import { block, call, Flag, frame, header, hello, repeat, Type, uint32, type Verdict } from "../support/rawHttp2.ts"

export interface BrokenHttp2 {
  readonly name: string
  /** How many requests or frames the peer sends. */
  readonly requests: number
  /** The bytes that the peer sends, given the uuid of the driver. */
  readonly bytes: (uuid: string) => Uint8Array
  readonly costs: Verdict
}

/** The beginning of a TLS handshake, which announces more bytes. */
export const clientHello = Buffer.from(`1603010200010001fc0303${"00".repeat(100)}`, "hex")

const peer = (costs: Verdict) => (name: string, requests: number, bytes: BrokenHttp2["bytes"]): BrokenHttp2 => ({
  name,
  requests,
  costs,
  bytes
})

const hungUp = peer("the connection")

const refused = peer("the RPC")

const tolerated = peer("nothing")

const then = (...frames: ReadonlyArray<Uint8Array>): Uint8Array => Buffer.concat([hello, ...frames])

const streamOf = (stream: number, uuid: string, method = "idle"): Uint8Array =>
  call(stream, raw.rpc.stream, { request: raw.opening({ kind: "driver", uuid, method }) })

const callOf = (stream: number, uuid: string, method: string): Uint8Array =>
  Buffer.concat([
    call(stream, raw.rpc.call),
    frame(Type.data, Flag.endStream, stream, raw.callOf(uuid, method))
  ])

const cancel = 8

const noError = 0

/** Sends a number of RPCs, and resets each right after its request. */
const resets = (rpcs: number, code: number, begin: (stream: number, uuid: string) => Uint8Array) => (uuid: string) =>
  then(repeat(rpcs, (index) => {
    const stream = 2 * index + 1
    return Buffer.concat([begin(stream, uuid), frame(Type.reset, 0, stream, uint32(code))])
  }))

const report = raw.rpc.report

export const brokenHttp2: ReadonlyArray<BrokenHttp2> = [
  hungUp("HTTP/1.1", 1, () => Buffer.from("GET / HTTP/1.1\r\nhost: victim\r\n\r\n")),
  hungUp("TLS where there is none", 1, () => clientHello),
  hungUp("noise", 1, () => Buffer.alloc(100_000, 7)),
  hungUp("a flood of SETTINGS", 5_000, () => then(repeat(5_000, frame(Type.settings, 0, 0)))),
  hungUp(
    "SETTINGS of two thousand entries",
    1,
    () => then(frame(Type.settings, 0, 0, repeat(2_000, Uint8Array.of(0, 1, 0, 0, 0, 1))))
  ),
  hungUp("SETTINGS of no length", 1, () => then(frame(Type.settings, 0, 0, new Uint8Array(5)))),
  hungUp("a flood of PING", 5_000, () => then(repeat(5_000, frame(Type.ping, 0, 0, new Uint8Array(8))))),
  hungUp(
    "a flood of CONTINUATION",
    5_000,
    () =>
      then(frame(Type.headers, 0, 1, block(report)), repeat(5_000, frame(Type.continuation, 0, 1, header("a", "b"))))
  ),
  hungUp("a flood of empty DATA", 5_000, (uuid) => then(streamOf(1, uuid), repeat(5_000, frame(Type.data, 0, 1)))),
  hungUp("headers that do not decode", 1, () => then(frame(Type.headers, Flag.endHeaders, 1, Buffer.alloc(100, 0xff)))),
  hungUp("RPCs with numbers of the server", 2, () => then(call(2, report), call(4, report))),
  hungUp("DATA for no RPC", 1, () => then(frame(Type.data, 0, 5, new Uint8Array(10)))),
  hungUp(
    "a frame beyond the limit",
    1,
    (uuid) => then(streamOf(1, uuid), frame(Type.data, 0, 1, new Uint8Array(2_000_000)))
  ),
  hungUp("PUSH_PROMISE from a client", 1, () => then(frame(Type.pushPromise, Flag.endHeaders, 1, uint32(2)))),
  hungUp("a window beyond the limit", 2, () => then(repeat(2, frame(Type.windowUpdate, 0, 0, uint32(0x7fff_ffff))))),
  hungUp("a window of nothing", 1, () => then(frame(Type.windowUpdate, 0, 0, uint32(0)))),
  hungUp("GOAWAY before an RPC", 1, () => then(frame(Type.goAway, 0, 0, new Uint8Array(8)), call(1, report))),
  hungUp("GOAWAY before RPCs that end with their headers", 20, () =>
    then(
      frame(Type.goAway, 0, 0, new Uint8Array(8)),
      repeat(20, (index) => frame(Type.headers, Flag.endHeaders | Flag.endStream, 2 * index + 1, block(report)))
    )),
  hungUp("GOAWAY twice", 2, () => then(repeat(2, frame(Type.goAway, 0, 0, new Uint8Array(8))))),

  refused("one header ten thousand times", 1, () =>
    then(frame(
      Type.headers,
      Flag.endHeaders | Flag.endStream,
      1,
      Buffer.concat([block(report), header("a", "x".repeat(4_000), true), Buffer.alloc(10_000, 0xbe)])
    ))),
  refused("headers in capitals", 1, () => then(call(1, report, { Loud: "x" }))),
  refused("a path with a line break", 1, () => then(call(1, "/a\nb"))),
  refused(
    "an RPC without a path",
    1,
    () => then(frame(Type.headers, Flag.endHeaders | Flag.endStream, 1, header(":method", "POST")))
  ),
  hungUp(
    "DATA after the end",
    1,
    () => then(call(1, report), frame(Type.data, Flag.endStream, 1), frame(Type.data, 0, 1, new Uint8Array(10)))
  ),
  refused(
    "more RPCs than one connection may have",
    2_200,
    () => then(repeat(2_200, (index) => call(2 * index + 1, raw.rpc.call)))
  ),

  tolerated(
    "a flood of PRIORITY",
    5_000,
    () => then(repeat(5_000, frame(Type.priority, 0, 1, Uint8Array.of(0, 0, 0, 3, 9))))
  ),
  tolerated("a flood of unknown frames", 5_000, () => then(repeat(5_000, frame(99, 0, 0, new Uint8Array(10))))),
  tolerated("RPCs with descending numbers", 2, () => then(call(3, report), call(1, report))),
  tolerated("streams that are reset", 200, resets(100, cancel, streamOf)),
  tolerated("streams that are reset without an error", 200, resets(100, noError, streamOf)),
  tolerated("streams that are full and reset without an error", 5, (uuid) =>
    Buffer.concat([
      // The server's window size applies after the acknowledgement.
      then(frame(Type.settings, Flag.ack, 0)),
      ...[1, 3, 5].flatMap((stream) => [
        streamOf(stream, uuid, "stuck"),
        repeat(255, frame(Type.data, 0, stream, raw.prefixed(raw.field(1, new Uint8Array(4_000))))),
        frame(Type.reset, 0, stream, uint32(noError))
      ])
    ])),
  tolerated("calls that are reset", 200, resets(100, cancel, (stream, uuid) => callOf(stream, uuid, "echo"))),
  tolerated("calls that hang and are reset", 200, resets(100, noError, (stream, uuid) => callOf(stream, uuid, "hang"))),
  tolerated("unknown RPCs that are reset", 200, resets(100, cancel, (stream) => call(stream, "/a.B/c"))),
  tolerated(
    "requests of another kind that are reset",
    200,
    resets(100, noError, (stream) => call(stream, "/a.B/c", { "content-type": "text/html" }))
  )
]
