// Requests that no client of ours would send, each with the expected response. Where HTTP/2 has no place for a status, the
// response resets the stream.
import { constants } from "node:http2"
import * as raw from "../support/rawGrpc.ts"

export interface Malformed {
  readonly name: string
  /** The request, given the uuid of the driver. */
  readonly request: (uuid: string) => raw.Request
  readonly answer: Omit<raw.Answer, "details" | "reset"> & {
    readonly details?: string | RegExp
    /** Any of these codes. */
    readonly reset?: ReadonlyArray<number | undefined>
  }
}

const nothing = raw.prefixed(new Uint8Array())

const unknownUuid = "00000000-0000-0000-0000-000000000000"

const status = (code: raw.Answer["code"], details: string | RegExp): Malformed["answer"] => ({
  http: 200,
  code,
  details
})

const call = (
  name: string,
  body: (uuid: string) => Uint8Array,
  answer: Malformed["answer"],
  headers?: raw.Request["headers"]
): Malformed => ({ name, answer, request: (uuid) => ({ path: raw.rpc.call, body: body(uuid), headers }) })

const stream = (name: string, request: (uuid: string) => string, answer: Malformed["answer"]): Malformed => ({
  name,
  answer,
  request: (uuid) => ({ path: raw.rpc.stream, headers: { request: request(uuid) } })
})

const opening = (name: string, request: (uuid: string) => object, answer: Malformed["answer"]): Malformed =>
  stream(name, (uuid) => raw.opening(request(uuid)), answer)

const notFound = (uuid: string) => status("NOT_FOUND", `no driver has the uuid ${JSON.stringify(uuid)}`)

const malformedOpening = status("INVALID_ARGUMENT", /^the metadata "request" is malformed/)

const report = (
  name: string,
  body: Uint8Array | undefined,
  answer: Malformed["answer"],
  headers?: raw.Request["headers"]
) => ({ name, answer, request: () => ({ path: raw.rpc.report, body, headers }) })

const noRequest = status("UNIMPLEMENTED", "the request ended without a message")

const partRequest = status("INTERNAL", "the request ended inside its message")

/** Nested lists of that depth, without a value. */
const nested = (depth: number): Uint8Array => {
  const parts: Array<Uint8Array> = []
  let size = 0
  for (let level = 0; level < 2 * depth; level++) {
    const key = Uint8Array.of((level % 2 === 0 ? 1 : 6) << 3 | 2, ...raw.varint(size))
    parts.push(key)
    size += key.length
  }
  return Buffer.concat(parts.reverse())
}

const frame = (name: string, bytes: Uint8Array, answer: Malformed["answer"]): Malformed => ({
  name,
  answer,
  request: (uuid) => ({
    path: raw.rpc.stream,
    headers: { request: raw.opening({ kind: "driver", uuid, method: "idle" }) },
    body: raw.prefixed(bytes)
  })
})

const unlikelyUuids: ReadonlyArray<readonly [string, string]> = [
  ["an unknown uuid", unknownUuid],
  ["an empty uuid", ""],
  ["a uuid of another alphabet", "ünïcødé-漢字-\u{1f600}"],
  ["a uuid that is a property of every object", "__proto__"]
]

const unlikelyMethods: ReadonlyArray<readonly [string, string]> = [
  ["an unknown method", "explode"],
  ["a method that is a property of every object", "constructor"],
  ["the prototype for a method", "__proto__"],
  ["an empty method", ""]
]

export const malformedRequests: ReadonlyArray<Malformed> = [
  ...unlikelyUuids.flatMap(([name, uuid]) => [
    call(`a call of ${name}`, () => raw.callOf(uuid, "echo"), notFound(uuid)),
    {
      name: `a streaming call of ${name}`,
      answer: notFound(uuid),
      request: () => ({ path: raw.rpc.streamingCall, body: raw.callOf(uuid, "flood") })
    },
    opening(`a stream of ${name}`, () => ({ kind: "driver", uuid, method: "idle" }), notFound(uuid)),
    opening(`a resource of ${name}`, () => ({ kind: "resource", uuid }), notFound(uuid))
  ]),
  ...unlikelyMethods.map(([name, method]) =>
    call(
      `a call of ${name}`,
      (uuid) => raw.callOf(uuid, method),
      status("NOT_FOUND", new RegExp(`^method ${method} not found on driver, it has: .*\\becho\\b`))
    )
  ),
  call(
    "a call of a uuid without end",
    () => raw.callOf("x".repeat(1_000_000), "echo"),
    status("NOT_FOUND", /^no driver has the uuid "x{6000,6144}… \(99\d{4} more characters\)$/)
  ),
  call(
    "a call that is a stream",
    (uuid) => raw.callOf(uuid, "idle"),
    status("NOT_FOUND", "method idle is a stream, not a call")
  ),
  call("a call of no protobuf", () => raw.prefixed(Buffer.alloc(100, 0xff)), status("INVALID_ARGUMENT", /^malformed/)),
  call(
    "a call whose uuid is longer than the message",
    () => raw.prefixed(Uint8Array.of(0x0a, 0xff, 0x7f, 0x41)),
    status("INVALID_ARGUMENT", /^malformed/)
  ),
  call(
    "a value without bottom",
    (uuid) => raw.callOf(uuid, "echo", nested(5_000)),
    status("INVALID_ARGUMENT", "the value is nested more than 1000 levels deep")
  ),
  call(
    "a number that is none",
    (uuid) => raw.callOf(uuid, "echo", raw.number(NaN)),
    status("INVALID_ARGUMENT", "NaN was received, the protocol has finite numbers only")
  ),
  call(
    "a call that fails with more than trailers can carry",
    (uuid) => raw.callOf(uuid, "fail", raw.text("é".repeat(1_000_000))),
    status("INVALID_ARGUMENT", /^é{1000,}… \(99\d{4} more characters\)$/)
  ),

  {
    name: "a stream without metadata",
    answer: status("INVALID_ARGUMENT", "the metadata \"request\" is malformed: it is missing"),
    request: () => ({ path: raw.rpc.stream })
  },
  stream("a stream of bad JSON", () => `{"kind":`, malformedOpening),
  stream("a stream of empty metadata", () => "", malformedOpening),
  stream("a stream of JSON without end", () => "[".repeat(50_000), malformedOpening),
  stream("a stream of nested JSON", () => `{"kind":${"[".repeat(20_000)}${"]".repeat(20_000)}}`, malformedOpening),
  stream("a stream of metadata that is not ASCII", () => "\u00e9\u00ff", malformedOpening),
  opening("a stream of no object", () => [1], malformedOpening),
  opening("a stream of an unknown kind", (uuid) => ({ kind: "router", uuid, method: "idle" }), malformedOpening),
  opening("a stream of wrong types", () => ({ kind: "driver", uuid: 5, method: {} }), malformedOpening),
  opening("a stream without a method", (uuid) => ({ kind: "driver", uuid }), malformedOpening),
  {
    name: "a stream of metadata given twice",
    answer: malformedOpening,
    request: (uuid) => ({
      path: raw.rpc.stream,
      headers: { request: [JSON.stringify({ kind: "driver", uuid, method: "idle" }), "nonsense"] }
    })
  },
  stream(
    "a stream of a method that is no Unicode",
    (uuid) => `{"kind":"driver","uuid":"${uuid}","method":"\\ud800"}`,
    status("NOT_FOUND", /^method \ufffd not found on driver, it has: .*\becho\b/)
  ),
  opening(
    "a stream that is a call",
    (uuid) => ({ kind: "driver", uuid, method: "echo" }),
    status("NOT_FOUND", "method echo is a call, not a stream")
  ),
  opening(
    "a resource of an unknown encoding",
    (uuid) => ({ kind: "resource", uuid, x_jmp_content_encoding: "br" }),
    status("INVALID_ARGUMENT", "unsupported content encoding \"br\"")
  ),
  frame("a frame that is none", Buffer.alloc(10, 0xff), status("INVALID_ARGUMENT", /^malformed frame/)),
  frame("a frame longer than its message", Uint8Array.of(0x0a, 0x7f), status("INVALID_ARGUMENT", /^malformed frame/)),

  {
    name: "an unknown RPC",
    answer: status("UNIMPLEMENTED", /does not implement the method \/jumpstarter.v1.ExporterService\/Explode$/),
    request: () => ({ path: "/jumpstarter.v1.ExporterService/Explode", body: nothing })
  },
  {
    name: "an unknown RPC of a long path",
    answer: status("UNIMPLEMENTED", /method \/x{6000,}… \(\d{5} more characters\)$/),
    request: () => ({ path: `/${"x".repeat(50_000)}`, body: nothing })
  },
  {
    name: "an RPC of no path",
    answer: status("UNIMPLEMENTED", /does not implement the method/),
    request: () => ({ path: "/", body: nothing })
  },
  ...[
    "application/json",
    "application/grpc+json",
    "application/grpc+foo",
    "application/grpc+",
    "application/grpc-web",
    "application/grpc-web+proto",
    "application/grpcfoo",
    "application/grpc+protobuf",
    "application/grpc, application/grpc"
  ].map((type) => report(`the content type ${type}`, nothing, { http: 415 }, { "content-type": type })),
  {
    name: "another HTTP method",
    answer: status("UNIMPLEMENTED", /does not implement the method/),
    request: () => ({ path: raw.rpc.report, method: "GET" })
  },
  report("no message", undefined, noRequest),
  report("half a length", Uint8Array.of(0, 0, 0), partRequest),
  report("half a message", raw.prefixed(new Uint8Array(10), { length: 20 }), partRequest),
  report(
    "two messages",
    Buffer.concat([nothing, nothing]),
    status("UNIMPLEMENTED", "more than one request message")
  ),
  report(
    "a message that is too large by its own account",
    raw.prefixed(new Uint8Array(10), { length: 0xffff_ffff }),
    status("RESOURCE_EXHAUSTED", "Received message larger than max (4294967295 vs 4194304)")
  ),
  call(
    "a message that is too large",
    () => raw.prefixed(new Uint8Array(4 * 1024 * 1024 + 1)),
    status("RESOURCE_EXHAUSTED", "Received message larger than max (4194305 vs 4194304)")
  ),
  report(
    "garbage that claims to be compressed",
    raw.prefixed(Buffer.from("garbage"), { flag: 1 }),
    status("INTERNAL", "Received a compressed message, but no encoding (grpc-encoding)")
  ),
  report(
    "garbage that claims to be compressed with nothing",
    raw.prefixed(Buffer.from("garbage"), { flag: 1 }),
    status("INTERNAL", "Received a compressed message, but no encoding (grpc-encoding)"),
    { "grpc-encoding": "identity" }
  ),
  report(
    "a message with an unknown flag",
    raw.prefixed(Buffer.from("garbage"), { flag: 2 }),
    status("INTERNAL", "Received a message with the flag 2, which gRPC does not define")
  ),
  report(
    "a compression",
    raw.prefixed(Buffer.from("garbage"), { flag: 1 }),
    status("UNIMPLEMENTED", "messages compressed with gzip are not supported"),
    { "grpc-encoding": "gzip" }
  ),
  {
    name: "a deadline that passes before the message is here",
    answer: status("DEADLINE_EXCEEDED", "the caller's deadline has passed"),
    request: () => ({ path: raw.rpc.report, headers: { "grpc-timeout": "10m" }, open: true })
  },
  {
    name: "a deadline that has passed",
    answer: status("DEADLINE_EXCEEDED", "the caller's deadline has passed"),
    request: (uuid) => ({ path: raw.rpc.call, body: raw.callOf(uuid, "hang"), headers: { "grpc-timeout": "1n" } })
  },
  report("more headers than fit", nothing, { reset: [constants.NGHTTP2_REFUSED_STREAM] }, {
    a: "x".repeat(70_000)
  }),
  report(
    "more headers than anybody needs",
    nothing,
    // Node resets the stream, and so does nghttp2 below it. While Node writes something else, nghttp2 is the first.
    { reset: [constants.NGHTTP2_ENHANCE_YOUR_CALM, constants.NGHTTP2_INTERNAL_ERROR] },
    Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`key-${index}`, "x"]))
  )
]
