// Peers that do not keep to HTTP/2, or keep to all its rules and are a nuisance, each with what they deserve: nothing, the
// end of an RPC, or the end of the connection.
import * as raw from "../support/rawGrpc.ts"
import { block, call, Flag, frame, header, hello, repeat, Type, uint32, type Verdict } from "../support/rawHttp2.ts"

export interface BrokenHttp2 {
  readonly name: string
  /** How many requests or frames it is. */
  readonly requests: number
  /** What it says, given the uuid of the driver. */
  readonly bytes: (uuid: string) => Uint8Array
  readonly verdict: Verdict
}

// As much of it as says that more will follow.
export const clientHello = Buffer.from(`1603010200010001fc0303${"00".repeat(100)}`, "hex")


const then = (...frames: ReadonlyArray<Uint8Array>): Uint8Array => Buffer.concat([hello, ...frames])

const odd = (index: number): number => 2 * index + 1

const cancel = 8

const noError = 0

/** So many RPCs, each of which is reset right behind its request. */
const resets = (name: string, requests: number, code: number, begin: (stream: number, uuid: string) => Uint8Array) =>
  say(
    name,
    2 * requests,
    (uuid) =>
      then(
        repeat(requests, (index) =>
          Buffer.concat([begin(odd(index), uuid), frame(Type.reset, 0, odd(index), uint32(code))]))
      )
  )

const request = (stream: number, body: Uint8Array): Uint8Array => frame(Type.data, Flag.endStream, stream, body)

const opening = (uuid: string, method = "idle") => ({ request: raw.opening({ kind: "driver", uuid, method }) })

export const brokenHttp2: ReadonlyArray<BrokenHttp2> = [
  say("HTTP/1.1", 1, () => Buffer.from("GET / HTTP/1.1\r\nhost: victim\r\n\r\n")),
  say("TLS where there is none", 1, () => clientHello),
  say("noise", 1, () => Buffer.alloc(100_000, 7)),
  say("a flood of SETTINGS", 5_000, () => then(repeat(5_000, frame(Type.settings, 0, 0)))),
  say(
    "SETTINGS of two thousand entries",
    1,
    () => then(frame(Type.settings, 0, 0, repeat(2_000, Uint8Array.of(0, 1, 0, 0, 0, 1))))
  ),
  say("SETTINGS of no length", 1, () => then(frame(Type.settings, 0, 0, new Uint8Array(5)))),
  say("a flood of PING", 5_000, () => then(repeat(5_000, frame(Type.ping, 0, 0, new Uint8Array(8))))),
  say(
    "a flood of PRIORITY",
    5_000,
    () => then(repeat(5_000, frame(Type.priority, 0, 1, Uint8Array.of(0, 0, 0, 3, 9))))
  ),
  say(
    "a flood of CONTINUATION",
    5_000,
    () =>
      then(
        frame(Type.headers, 0, 1, block(raw.rpc.report)),
        repeat(5_000, frame(Type.continuation, 0, 1, header("a", "b")))
      )
  ),
  say(
    "a flood of empty DATA",
    5_000,
    (uuid) => then(call(1, raw.rpc.stream, opening(uuid)), repeat(5_000, frame(Type.data, 0, 1)))
  ),
  say("a flood of unknown frames", 5_000, () => then(repeat(5_000, frame(99, 0, 0, new Uint8Array(10))))),
  say(
    "one header ten thousand times",
    1,
    () =>
      then(frame(
        Type.headers,
        Flag.endHeaders | Flag.endStream,
        1,
        Buffer.concat([
          block(raw.rpc.report),
          header("a", "x".repeat(4_000), true),
          Buffer.alloc(10_000, 0xbe)
        ])
      ))
  ),
  say("headers that are none", 1, () => then(frame(Type.headers, Flag.endHeaders, 1, Buffer.alloc(100, 0xff)))),
  say("headers in capitals", 1, () => then(call(1, raw.rpc.report, { Loud: "x" }))),
  say("a path with a line break", 1, () => then(call(1, "/a\nb"))),
  say(
    "an RPC without a path",
    1,
    () => then(frame(Type.headers, Flag.endHeaders | Flag.endStream, 1, header(":method", "POST")))
  ),
  say("RPCs with numbers of the server", 2, () => then(call(2, raw.rpc.report), call(4, raw.rpc.report))),
  say("RPCs with descending numbers", 2, () => then(call(3, raw.rpc.report), call(1, raw.rpc.report))),
  say("DATA for no RPC", 1, () => then(frame(Type.data, 0, 5, new Uint8Array(10)))),
  say(
    "a frame beyond the limit",
    1,
    (uuid) => then(call(1, raw.rpc.stream, opening(uuid)), frame(Type.data, 0, 1, new Uint8Array(20_000)))
  ),
  say(
    "DATA after the end",
    1,
    () => then(call(1, raw.rpc.report), frame(Type.data, Flag.endStream, 1), frame(Type.data, 0, 1, new Uint8Array(10)))
  ),
  say("PUSH_PROMISE from a client", 1, () => then(frame(Type.pushPromise, Flag.endHeaders, 1, uint32(2)))),
  say("GOAWAY before an RPC", 1, () => then(frame(Type.goAway, 0, 0, new Uint8Array(8)), call(1, raw.rpc.report))),
  say("GOAWAY twice", 2, () => then(repeat(2, frame(Type.goAway, 0, 0, new Uint8Array(8))))),
  say("a window beyond the limit", 2, () => then(repeat(2, frame(Type.windowUpdate, 0, 0, uint32(0x7fff_ffff))))),
  say("a window of nothing", 1, () => then(frame(Type.windowUpdate, 0, 0, uint32(0)))),
  say("streams that are reset", 100, cancel, (id, uuid) => call(id, raw.rpc.stream, opening(uuid))),
  say(
    "streams that are reset without an error",
    100,
    noError,
    (id, uuid) => call(id, raw.rpc.stream, opening(uuid))
  ),
  say(
    "calls that are reset",
    100,
    cancel,
    (id, uuid) => Buffer.concat([call(id, raw.rpc.call), request(id, raw.callOf(uuid, "echo"))])
  ),
  say(
    "calls that are reset without an error",
    100,
    noError,
    (id, uuid) => Buffer.concat([call(id, raw.rpc.call), request(id, raw.callOf(uuid, "echo"))])
  ),
  say(
    "calls that hang and are reset without an error",
    100,
    noError,
    (id, uuid) => Buffer.concat([call(id, raw.rpc.call), request(id, raw.callOf(uuid, "hang"))])
  ),
  say("unknown RPCs that are reset", 100, cancel, (id) => call(id, "/a.B/c")),
  say("unknown RPCs that are reset without an error", 100, noError, (id) => call(id, "/a.B/c")),
  say(
    "requests of another kind that are reset",
    100,
    cancel,
    (id) => call(id, "/a.B/c", { "content-type": "text/html" })
  ),
  say("streams that are full and reset without an error", 5, noError, (id, uuid) =>
    Buffer.concat([
      // The window is as large as the server says once that is acknowledged.
      id === 1 ? frame(Type.settings, Flag.ack, 0) : new Uint8Array(),
      call(id, raw.rpc.stream, opening(uuid, "stuck")),
      repeat(255, frame(Type.data, 0, id, raw.prefixed(raw.field(1, new Uint8Array(4_000)))))
    ])),
  say(
    "more RPCs than one connection may have",
    2_200,
    () => then(repeat(2_200, (index) => call(odd(index), raw.rpc.call)))
  )
]

