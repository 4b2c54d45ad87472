// Calls: values, refusals, and every way to fail (protocol.md 3 and 4).
import { describe, it } from "@effect/vitest"
import { deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as fc from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as DriverClient from "../../src/DriverClient.ts"
import type * as DriverError from "../../src/DriverError.ts"
import * as ExporterClient from "../../src/ExporterClient.ts"
import * as GrpcChannel from "../../src/GrpcChannel.ts"
import * as LogStream from "../../src/LogStream.ts"
import type { JsonValue } from "../../src/ProtobufValue.ts"
import * as arbitraries from "../support/arbitraries.ts"
import * as probeValues from "../support/probeValues.ts"
import { awaitEvent, call, fails, probe, test } from "./harness.ts"
import type * as peer from "./peer.ts"

/** How each kind of failure of a driver reaches the caller, as protocol.md 4.3 and 4.4 have it. */
export const failures: ReadonlyArray<{
  readonly kind: string
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
  const client = yield* probe
  const uuid = crypto.randomUUID()
  const session = { exporter, gate: () => Effect.void, logs: yield* LogStream.make(exporter) }
  return DriverClient.make(session, { ...client, uuid, children: new Map() })
})

const cyclic: { self?: unknown } = {}
cyclic.self = cyclic

// Values no type admits: what a program without types, or with a cast, hands over.
const untyped = (value: unknown): JsonValue => value as JsonValue

/** Arguments the wire cannot carry, and where in them the trouble is. */
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
        const values = yield* call("values")
        deepStrictEqual(values, { ...probeValues.portable, ...(quirks.lossyNumbers ? probeValues.rounded : {}) })
      })
    )

    it.live.prop(
      "returns any JSON as it was sent",
      { values: fc.array(arbitraries.jsonValue, { maxLength: 4 }) },
      ({ values }) =>
        Effect.map(call("echo", ...values), (echoed) => deepStrictEqual(echoed, values)).pipe(
          Effect.provide(peer.session),
          Effect.scoped
        ),
      { fastCheck: { numRuns: 10 } }
    )

    check(
      "carries values as deep as peers accept them, and no deeper",
      Effect.gen(function*() {
        const nested = (depth: number): JsonValue => depth === 0 ? null : [nested(depth - 1)]
        const site = { ...yield* siteOf("depth"), kind: "call" } as const
        strictEqual(yield* call("depth", nested(49)), 49)
        deepStrictEqual(yield* call("nested", 40), nested(40))
        deepStrictEqual(yield* call("nested_struct", 2), { k: { k: null } })
        yield* fails(call("depth", nested(50)), site, {
          tag: "InvalidArgument",
          code: "INVALID_ARGUMENT",
          origin: "client",
          details: /nested too deeply/
        })
      })
    )

    check(
      "answers null when a method returns nothing",
      Effect.map(call("clear_events"), (answer) => strictEqual(answer, null))
    )

    for (const { code, kind, tag } of failures) {
      check(
        `${kind} fails with ${tag}`,
        Effect.gen(function*() {
          const quirk = quirks.failures[kind]
          for (const method of ["fail", "fail_sync"]) {
            yield* fails(call(method, kind, "no"), { ...yield* siteOf(method), kind: "call" }, {
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
      "says so when a failure has no details",
      Effect.gen(function*() {
        const error = yield* Effect.flip(call("fail", "runtime", ""))
        strictEqual(error.message, "call probe.fail failed (UNKNOWN): no details")
      })
    )

    check(
      "a call that the driver cancels itself",
      Effect.gen(function*() {
        const site = { ...yield* siteOf("fail"), kind: "call" } as const
        const cancelled = call("fail", "cancelled", "no")
        if (quirks.cancelledInside === "never answered") {
          strictEqual(Option.isNone(yield* Effect.timeoutOption(cancelled, "300 millis")), true)
        } else {
          yield* fails(cancelled, site, { tag: "DriverError", code: "CANCELLED", origin: "driver" })
        }
      })
    )

    check(
      "refuses arguments that the driver does not take",
      Effect.gen(function*() {
        deepStrictEqual(yield* call("typed", 5, "x"), { count: 5, name: "x" })
        const site = { ...yield* siteOf("typed"), kind: "call" } as const
        yield* fails(call("typed", 5.5, "x"), site, {
          tag: "InvalidArgument",
          code: "INVALID_ARGUMENT",
          origin: "driver",
          details: /should be a valid integer/,
          path: []
        })
      })
    )

    for (const method of ["not_utf8", "unencodable", "huge_int", "nan"]) {
      const lossy = quirks.lossyNumbers && method === "nan"
      check(
        lossy ? "nan: becomes null" : `${method}: a result that cannot be sent is an error`,
        Effect.gen(function*() {
          if (lossy) {
            strictEqual(yield* call(method), null)
          } else {
            const code = method === "huge_int" ? quirks.hugeIntegerCode : "INVALID_ARGUMENT"
            const tag = code === "INVALID_ARGUMENT" ? "InvalidArgument" : "DriverError"
            yield* fails(call(method), { ...yield* siteOf(method), kind: "call" }, { tag, code, origin: "driver" })
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
          yield* fails(call(method), { ...yield* siteOf(method), kind: "call" }, {
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
        const { code, details } = quirks.unknownDriver
        const tag = code === "NOT_FOUND" ? "MethodNotImplemented" : "DriverError"
        const site = { driver: "probe", uuid: client.uuid, method: "echo" }
        const expected = { tag, code, details, origin: "driver" } as const
        yield* fails(client.call("echo"), { ...site, kind: "call" }, expected)
        yield* fails(Stream.runDrain(client.streamingCall("echo")), { ...site, kind: "streamingCall" }, expected)
        yield* fails(Effect.scoped(client.stream("echo")), { ...site, kind: "stream" }, expected)
      })
    )

    for (const { args, path, what } of unsendable) {
      check(
        `does not send ${what}`,
        Effect.gen(function*() {
          const client = yield* probe
          const site = { driver: "probe", uuid: client.uuid, method: "sleep" }
          const expected = { tag: "InvalidArgument", code: "INVALID_ARGUMENT", origin: "client", path } as const
          yield* fails(client.call("sleep", ...args), { ...site, kind: "call" }, expected)
          yield* fails(
            Stream.runDrain(client.streamingCall("sleep", ...args)),
            { ...site, kind: "streamingCall" },
            expected
          )
          deepStrictEqual(yield* call("events"), [])
        })
      )
    }

    check(
      "does not send a request that is too large",
      Effect.gen(function*() {
        const site = { ...yield* siteOf("sleep"), kind: "call" } as const
        yield* fails(call("sleep", 0, oversized), site, {
          tag: "InvalidArgument",
          code: "INVALID_ARGUMENT",
          origin: "client",
          details: /^the message has \d+ bytes, the protocol allows 4194304$/
        })
        deepStrictEqual(yield* call("events"), [])
      })
    )

    check(
      "tells of a result that is too large",
      Effect.gen(function*() {
        strictEqual(yield* call("big", 4_000_000), "x".repeat(4_000_000))
        yield* fails(call("big", oversized.length), { ...yield* siteOf("big"), kind: "call" }, {
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
        const answers = yield* Effect.all(Array.from({ length: 100 }, (_, index) => call("echo", index)), {
          concurrency: "unbounded"
        })
        deepStrictEqual(answers, Array.from({ length: 100 }, (_, index) => [index]))
      })
    )

    check(
      "a timeout of the caller cancels the call",
      Effect.gen(function*() {
        const answer = yield* Effect.timeoutOption(call("hang"), "200 millis")
        strictEqual(Option.isNone(answer), true)
        yield* awaitEvent("hang:cancelled")
        yield* awaitEvent("hang:closed")
        strictEqual(yield* call("open_count"), 0)
      })
    )
  })
}

export const siteOf = (method: string) => Effect.map(probe, ({ uuid }) => ({ driver: "probe", uuid, method }))
