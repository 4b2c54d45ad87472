import { assert, describe, it } from "@effect/vitest"
import { Effect, Equal, Schema } from "effect"
import { GrpcCode, GrpcStatusError, type StatusOrigin } from "../../src/grpc/GrpcStatus.ts"
import * as DriverError from "../../src/protocol/DriverError.ts"

const site: DriverError.CallSite = {
  address: "unix:/x",
  driver: "storage.mux",
  uuid: "u-1",
  method: "write",
  kind: "call"
}

const status = (code: GrpcCode, origin: StatusOrigin, details = "why"): GrpcStatusError =>
  new GrpcStatusError({ code, details, origin, rpc: "/jumpstarter.v1.ExporterService/DriverCall", target: "unix:/x" })

// The table for statuses of the peer, written out so that a change of it shows here.
const fromPeer: Record<GrpcCode, DriverError.DriverCallError["_tag"]> = {
  OK: "DriverError",
  CANCELLED: "DriverError",
  UNKNOWN: "DriverError",
  INVALID_ARGUMENT: "InvalidArgument",
  DEADLINE_EXCEEDED: "DriverError",
  NOT_FOUND: "MethodNotImplemented",
  ALREADY_EXISTS: "DriverError",
  PERMISSION_DENIED: "DriverError",
  RESOURCE_EXHAUSTED: "DriverError",
  FAILED_PRECONDITION: "ExporterNotReady",
  ABORTED: "DriverError",
  OUT_OF_RANGE: "DriverError",
  UNIMPLEMENTED: "MethodNotImplemented",
  INTERNAL: "DriverError",
  UNAVAILABLE: "DriverError",
  DATA_LOSS: "DriverError",
  UNAUTHENTICATED: "DriverError"
}

const codes = GrpcCode.literals

describe("DriverError", () => {
  describe("fromStatus", () => {
    it("knows 17 codes", () => assert.strictEqual(codes.length, 17))

    describe.each(DriverError.CallKind.literals.map((kind) => ({ kind })))("$kind", ({ kind }) => {
      it.each(codes.map((code) => ({ code, tag: fromPeer[code] })))("$code of the peer is $tag", ({ code, tag }) => {
        const error = DriverError.fromStatus(status(code, "peer"), { ...site, kind })
        assert.strictEqual(error._tag, tag)
        assert.strictEqual(error.origin, "driver")
        assert.strictEqual(error.code, code)
        assert.strictEqual(error.details, "why")
        assert.deepStrictEqual(
          {
            address: error.address,
            driver: error.driver,
            uuid: error.uuid,
            method: error.method,
            kind: error.kind
          },
          { ...site, kind }
        )
      })
    })

    it.each(codes)("%s of the transport is a lost connection", (code) => {
      const error = DriverError.fromStatus(status(code, "transport"), site)
      assert.strictEqual(error._tag, "ConnectionLost")
      assert.strictEqual(error.origin, "transport")
      assert.strictEqual(error.code, code)
    })

    it.each(codes)("%s of the client is a refused argument, a closed connection or an unexpected result", (code) => {
      const error = DriverError.fromStatus(status(code, "client"), site)
      const expected: Partial<Record<GrpcCode, DriverError.DriverCallError["_tag"]>> = {
        INVALID_ARGUMENT: "InvalidArgument",
        UNAVAILABLE: "ConnectionLost",
        FAILED_PRECONDITION: "ConnectionLost",
        CANCELLED: "ConnectionLost"
      }
      assert.strictEqual(error._tag, expected[code] ?? "UnexpectedResult")
      assert.strictEqual(error.origin, code === "CANCELLED" ? "transport" : "client")
      assert.strictEqual(error.code, code)
    })

    it("keeps the cause", () => {
      const cause = new Error("socket")
      const lost = new GrpcStatusError({
        code: "UNAVAILABLE",
        details: "",
        origin: "transport",
        rpc: "",
        target: "",
        cause
      })
      assert.strictEqual(DriverError.fromStatus(lost, site).cause, cause)
    })
  })

  describe("messages read well alone in a log line", () => {
    const common = { ...site, details: "image.bin", cause: undefined } as const
    const table: ReadonlyArray<readonly [DriverError.DriverCallError, string]> = [
      [
        new DriverError.MethodNotImplemented({ ...common, code: "UNIMPLEMENTED", origin: "driver" }),
        "call storage.mux.write is not implemented (UNIMPLEMENTED, unix:/x): image.bin"
      ],
      [
        new DriverError.InvalidArgument({ ...common, code: "INVALID_ARGUMENT", origin: "driver", path: [] }),
        "call storage.mux.write was refused for its arguments (INVALID_ARGUMENT, unix:/x): image.bin"
      ],
      [
        new DriverError.InvalidArgument({
          ...common,
          code: "INVALID_ARGUMENT",
          origin: "client",
          path: [0, "channels", 2, "my key"],
          details: "NaN cannot be sent"
        }),
        "call storage.mux.write was not sent, arguments[0].channels[2][\"my key\"] (INVALID_ARGUMENT, unix:/x): " +
        "NaN cannot be sent"
      ],
      [
        new DriverError.ExporterNotReady({ ...common, code: "FAILED_PRECONDITION", origin: "driver" }),
        "call storage.mux.write was refused, exporter not ready (FAILED_PRECONDITION, unix:/x): image.bin"
      ],
      [
        new DriverError.ExporterNotReady({ ...common, code: "FAILED_PRECONDITION", origin: "client" }),
        "call storage.mux.write was not sent, exporter not ready (FAILED_PRECONDITION, unix:/x): image.bin"
      ],
      [
        new DriverError.DriverError({ ...common, code: "INTERNAL", origin: "driver", kind: "streamingCall" }),
        "streaming call storage.mux.write failed (INTERNAL, unix:/x): image.bin"
      ],
      [
        new DriverError.ConnectionLost({ ...common, code: "UNAVAILABLE", origin: "transport", kind: "stream" }),
        "stream storage.mux.write lost its connection, outcome unknown (UNAVAILABLE, unix:/x): image.bin"
      ],
      [
        new DriverError.ConnectionLost({ ...common, code: "UNAVAILABLE", origin: "client" }),
        "call storage.mux.write was not sent, connection lost (UNAVAILABLE, unix:/x): image.bin"
      ],
      [
        new DriverError.ConnectionLost({ ...common, code: "FAILED_PRECONDITION", origin: "client", kind: "stream" }),
        "stream storage.mux.write has ended, nothing was sent (FAILED_PRECONDITION, unix:/x): image.bin"
      ],
      [
        new DriverError.UnexpectedResult({
          ...common,
          code: "INTERNAL",
          origin: "client",
          kind: "resource",
          driver: "",
          path: ["volts"],
          details: ""
        }),
        "transfer (root).write returned an unexpected result at .volts (INTERNAL, unix:/x): no details"
      ]
    ]
    it.each(table.map(([error, message]) => ({ error, message })))("$message", ({ error, message }) => {
      assert.strictEqual(error.message, message)
    })

    it("does not name an exporter in this process, and names no address twice", () => {
      const failed = (address: string, details: string) =>
        new DriverError.DriverError({ ...site, address, details, code: "UNKNOWN", origin: "driver" }).message
      const plain = "call storage.mux.write failed (UNKNOWN): no answer from unix:/x"
      assert.deepStrictEqual(["", "memory", "unix:/x"].map((address) => failed(address, "no answer from unix:/x")), [
        plain,
        plain,
        plain
      ])
    })
  })

  describe("as data", () => {
    const all = codes.flatMap((code) =>
      (["peer", "transport", "client"] as const).map((origin) =>
        DriverError.fromStatus(status(code, origin), { ...site, kind: "resource" })
      )
    )

    it("is recognised, and nothing else is", () => {
      for (const error of all) assert.isTrue(DriverError.isDriverCallError(error))
      for (const other of [new Error("no"), status("UNKNOWN", "peer"), null, { ...all[0] }]) {
        assert.isFalse(DriverError.isDriverCallError(other))
      }
    })

    it.effect("survives encoding and decoding", () =>
      Effect.gen(function*() {
        const schema = Schema.parseJson(DriverError.DriverCallError)
        const withPath = new DriverError.InvalidArgument({
          ...site,
          code: "INVALID_ARGUMENT",
          details: "NaN",
          origin: "client",
          path: [0, "a b", 1]
        })
        for (const error of [...all, withPath]) {
          const copy = yield* Schema.decode(schema)(yield* Schema.encode(schema)(error))
          assert.deepStrictEqual(copy, error)
          assert.strictEqual(copy.message, error.message)
          assert.strictEqual(copy.constructor, error.constructor)
        }
      }))

    it.effect("decodes an error without an address, and can be made without one", () =>
      Effect.gen(function*() {
        const { address, ...rest } = yield* Schema.encode(DriverError.DriverError)(
          new DriverError.DriverError({ ...site, code: "UNKNOWN", details: "oops", origin: "driver" })
        )
        assert.strictEqual(address, "unix:/x")
        const copy = yield* Schema.decodeUnknown(DriverError.DriverCallError)(rest)
        assert.strictEqual(copy.message, "call storage.mux.write failed (UNKNOWN): oops")
        const { driver, kind, method, uuid } = site
        const made = new DriverError.DriverError({
          driver,
          kind,
          method,
          uuid,
          code: "UNKNOWN",
          details: "oops",
          origin: "driver"
        })
        assert.isTrue(Equal.equals(copy, made))
      }))

    it.effect("encodes the readable part of a cause", () =>
      Effect.gen(function*() {
        const lost = new DriverError.ConnectionLost({
          ...site,
          code: "UNAVAILABLE",
          details: "",
          origin: "transport",
          cause: new Error("socket hang up")
        })
        const schema = Schema.parseJson(DriverError.DriverCallError)
        const copy = yield* Schema.decode(schema)(yield* Schema.encode(schema)(lost))
        assert.instanceOf(copy.cause, Error)
        assert.strictEqual((copy.cause as Error).message, "socket hang up")
      }))
  })
})
