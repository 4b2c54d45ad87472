// Calls: values, refusals, and every way to fail (protocol.md 3 and 4).
import { describe, it } from "@effect/vitest"
import { assertMatch as match, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as fc from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as DriverClient from "../../src/client/DriverClient.ts"
import * as ExporterClient from "../../src/client/ExporterClient.ts"
import * as LogStream from "../../src/client/LogStream.ts"
import * as DriverMethod from "../../src/contract/DriverMethod.ts"
import * as DriverError from "../../src/protocol/DriverError.ts"
import * as DriverTree from "../../src/protocol/DriverTree.ts"
import type { JsonValue } from "../../src/protocol/ProtobufValue.ts"
import * as GrpcChannel from "../../src/transport/GrpcChannel.ts"
import * as arbitraries from "../support/arbitraries.ts"
import type { FailureKind } from "../support/probeContract.ts"
import * as probeValues from "../support/probeValues.ts"
import { awaitEvent, call, described, driver, fails, siteOf, test } from "./harness.ts"
import type * as peer from "./peer.ts"

/** How each kind of a driver's failure reaches the caller, according to protocol.md 4.3 and 4.4. */
export const failures: ReadonlyArray<{
  readonly kind: FailureKind
  readonly tag: DriverError.DriverCallError["_tag"]
  readonly code: DriverError.DriverCallError["code"]
}> = [
  { kind: "not_implemented", tag: "MethodNotImplemented", code: "UNIMPLEMENTED" },
  { kind: "value_error", tag: "InvalidArgument", code: "INVALID_ARGUMENT" },
  { kind: "timeout", tag: "DriverError", code: "DEADLINE_EXCEEDED" },
  { kind: "connection", tag: "DriverError", code: "UNAVAILABLE" },
  { kind: "connection_reset", tag: "DriverError", code: "UNAVAILABLE" },
  { kind: "os_error", tag: "DriverError", code: "INTERNAL" },
  { kind: "file_not_found", tag: "DriverError", code: "INTERNAL" },
  { kind: "runtime", tag: "DriverError", code: "UNKNOWN" },
  { kind: "key_error", tag: "DriverError", code: "UNKNOWN" },
  { kind: "type_error", tag: "DriverError", code: "UNKNOWN" }
]

/** A client of the probe under a uuid that no driver has. */
const stranger = Effect.gen(function*() {
  const exporter = ExporterClient.make(yield* GrpcChannel.GrpcChannel)
  const node = yield* driver("probe")
  const uuid = crypto.randomUUID()
  const session: DriverClient.Session = {
    exporter,
    logs: yield* LogStream.make(exporter),
    admit: ({ path, uuid }, called) =>
      Effect.succeed({ address: exporter.target, driver: DriverTree.formatPath(path), uuid, ...called }),
    explain: (_, status, site) => DriverError.fromStatus(status, site),
    name: exporter.target,
    transferIdleTimeout: "10 seconds"
  }
  return DriverClient.make(session, { ...node, uuid, children: new Map() })
})

const cyclic: { self?: unknown } = {}
cyclic.self = cyclic

// Values that the types do not allow, but that a program without types, or with a cast, can pass.
const untyped = (value: unknown): JsonValue => value as JsonValue

/** Arguments that the wire cannot carry, and the path to the unsendable value. */
const unsendable: ReadonlyArray<{
  readonly what: string
  readonly args: ReadonlyArray<JsonValue>
  readonly path: DriverError.ValuePath
}> = [
  { what: "NaN", args: [NaN], path: [0] },
  { what: "an infinity inside a list", args: ["x", [1, [-Infinity]]], path: [1, 1, 0] },
  { what: "an unsafe integer", args: [{ a: { b: 2 ** 53 } }], path: [0, "a", "b"] },
  { what: "a lone surrogate", args: [{ text: "\ud800" }], path: [0, "text"] },
  { what: "undefined", args: [[null, untyped(undefined)]], path: [0, 1] },
  { what: "a bigint", args: [untyped(1n)], path: [0] },
  { what: "bytes", args: [{ data: untyped(new Uint8Array(3)) }], path: [0, "data"] },
  { what: "an instance of a class", args: [null, untyped(new Map())], path: [1] },
  { what: "a cycle", args: [untyped(cyclic)], path: [0, "self"] }
]

const oversized = "x".repeat(5 * 1024 * 1024)

export const calls = (peer: peer.Peer): void => {
  const check = test(peer)
  const { quirks } = peer

  describe("calls", () => {
    check(
      "carries every kind of value",
      Effect.gen(function*() {
        const values = yield* call.values()
        deepStrictEqual(values, { ...probeValues.portable, ...(quirks.lossyNumbers ? probeValues.rounded : {}) })
      })
    )

    it.live.prop(
      "returns any JSON as it was sent",
      { values: fc.array(arbitraries.jsonValue, { maxLength: 4 }) },
      ({ values }) =>
        Effect.map(call.echo(...values), (echoed) => deepStrictEqual(echoed, values)).pipe(
          Effect.provide(peer.session),
          Effect.scoped
        ),
      { fastCheck: { numRuns: 10 } }
    )

    check(
      "sends values as deep as peers accept, and no deeper",
      Effect.gen(function*() {
        const nested = (depth: number): JsonValue => depth === 0 ? null : [nested(depth - 1)]
        strictEqual(yield* call.depth(nested(49)), 49)
        deepStrictEqual(yield* call.nested(40), nested(40))
        deepStrictEqual(yield* call.nested_struct(2), { k: { k: null } })
        yield* fails(call.depth(nested(50)), siteOf("depth", "call"), {
          tag: "InvalidArgument",
          code: "INVALID_ARGUMENT",
          origin: "client",
          details: /nested too deeply/
        })
      })
    )

    check(
      "returns null when a method returns nothing",
      Effect.gen(function*() {
        const clear = yield* described("clear_events", DriverMethod.call({ result: DriverMethod.Json }))
        strictEqual(yield* clear(), null)
      })
    )

    for (const { code, kind, tag } of failures) {
      check(
        `${kind} fails with ${tag}`,
        Effect.gen(function*() {
          const quirk = quirks.failures[kind]
          for (const method of ["fail", "fail_sync"] as const) {
            yield* fails(call[method](kind, "no"), siteOf(method, "call"), {
              tag,
              code: quirk?.code ?? code,
              origin: "driver",
              details: quirk?.details ?? "no"
            })
          }
        })
      )
    }

    check(
      "says that a failure has no details",
      Effect.gen(function*() {
        const error = yield* Effect.flip(call.fail("runtime"))
        match(
          error.message,
          /^call probe\.fail failed \(UNKNOWN(, (duplex|lease \S+|(unix|tcp|tls):\S+))?\): no details$/
        )
      })
    )

    check(
      "a call that its driver cancels",
      Effect.gen(function*() {
        const cancelled = call.fail("cancelled", "no")
        if (quirks.cancelledInside === "never answered") {
          strictEqual(Option.isNone(yield* Effect.timeoutOption(cancelled, "300 millis")), true)
        } else {
          yield* fails(cancelled, siteOf("fail", "call"), { tag: "DriverError", code: "CANCELLED", origin: "driver" })
        }
      })
    )

    check(
      "refuses arguments that the driver does not take",
      Effect.gen(function*() {
        deepStrictEqual(yield* call.typed(5, "x"), { count: 5, name: "x" })
        yield* fails(call.typed(5.5, "x"), siteOf("typed", "call"), {
          tag: "InvalidArgument",
          code: "INVALID_ARGUMENT",
          origin: "driver",
          details: /should be a valid integer/,
          path: []
        })
      })
    )

    for (const method of ["not_utf8", "unencodable", "huge_int", "nan"] as const) {
      const lossy = quirks.lossyNumbers && method === "nan"
      check(
        lossy ? "nan: becomes null" : `${method}: a result that cannot be sent is an error`,
        Effect.gen(function*() {
          if (lossy) {
            strictEqual(yield* call.nan(), null)
          } else {
            const code = method === "huge_int" ? "UNKNOWN" : quirks.unsendableResult
            const tag = code === "INVALID_ARGUMENT" ? "InvalidArgument" : "DriverError"
            yield* fails(call[method](), siteOf(method, "call"), { tag, code, origin: "driver" })
          }
        })
      )
    }

    for (
      const [what, method] of [
        ["does not exist", "missing"],
        ["is not exported", "unexported"],
        ["is named like a member of every object", "__proto__"],
        ["is a streaming call", "count"],
        ["is a byte stream", "idle"]
      ] as const
    ) {
      check(
        `refuses a method that ${what}`,
        Effect.gen(function*() {
          const call = yield* described(method, DriverMethod.call())
          yield* fails(call(), siteOf(method, "call"), {
            tag: "MethodNotImplemented",
            code: "NOT_FOUND",
            origin: "driver"
          })
        })
      )
    }

    check(
      "refuses a driver that does not exist",
      Effect.gen(function*() {
        const client = yield* stranger
        const call = yield* described("echo", DriverMethod.call(), client)
        const streamingCall = yield* described("echo", DriverMethod.streamingCall({ item: DriverMethod.Json }), client)
        const stream = yield* described("echo", DriverMethod.stream(), client)
        const site = (kind: DriverError.CallKind) =>
          Effect.succeed({ driver: "probe", uuid: client.uuid, method: "echo", kind })
        const { code, details } = quirks.unknownDriver
        const tag = code === "NOT_FOUND" ? "MethodNotImplemented" : "DriverError"
        const expected = { tag, code, details, origin: "driver" } as const
        yield* fails(call(), site("call"), expected)
        yield* fails(Stream.runDrain(streamingCall()), site("streamingCall"), expected)
        yield* fails(Effect.scoped(stream()), site("stream"), expected)
      })
    )

    for (const { args, path, what } of unsendable) {
      check(
        `does not send ${what}`,
        Effect.gen(function*() {
          const sleep = yield* described("sleep", DriverMethod.call({ rest: DriverMethod.Json }))
          const items = yield* described(
            "sleep",
            DriverMethod.streamingCall({ rest: DriverMethod.Json, item: DriverMethod.Json })
          )
          const expected = { tag: "InvalidArgument", code: "INVALID_ARGUMENT", origin: "client", path } as const
          yield* fails(sleep(...args), siteOf("sleep", "call"), expected)
          yield* fails(Stream.runDrain(items(...args)), siteOf("sleep", "streamingCall"), expected)
          deepStrictEqual(yield* call.events(), [])
        })
      )
    }

    check(
      "does not send a request that is too large",
      Effect.gen(function*() {
        const sleep = yield* described("sleep", DriverMethod.call({ args: [Schema.String] }))
        yield* fails(sleep(oversized), siteOf("sleep", "call"), {
          tag: "InvalidArgument",
          code: "INVALID_ARGUMENT",
          origin: "client",
          details: /^the message has \d+ bytes, and the protocol allows at most 4194304$/
        })
        deepStrictEqual(yield* call.events(), [])
      })
    )

    check(
      "fails with UnexpectedResult when the result is too large",
      Effect.gen(function*() {
        strictEqual(yield* call.big(4_000_000), "x".repeat(4_000_000))
        yield* fails(call.big(oversized.length), siteOf("big", "call"), {
          tag: "UnexpectedResult",
          code: "RESOURCE_EXHAUSTED",
          origin: "client",
          details: /larger than max/
        })
      })
    )

    check(
      "runs calls side by side",
      Effect.gen(function*() {
        const answers = yield* Effect.all(Array.from({ length: 100 }, (_, index) => call.echo(index)), {
          concurrency: "unbounded"
        })
        deepStrictEqual(answers, Array.from({ length: 100 }, (_, index) => [index]))
      })
    )

    check(
      "a timeout of the caller cancels the call",
      Effect.gen(function*() {
        const answer = yield* Effect.timeoutOption(call.hang(), "200 millis")
        strictEqual(Option.isNone(answer), true)
        yield* awaitEvent("hang:cancelled")
        yield* awaitEvent("hang:closed")
        strictEqual(yield* call.open_count(), 0)
      })
    )
  })
}
