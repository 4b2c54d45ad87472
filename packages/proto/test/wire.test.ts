import {
  ClientServiceDefinition,
  CreateLeaseRequest,
  Lease
} from "@effect-jumpstarter/proto/jumpstarter/client/v1/client"
import { ExporterStatus, LogSource } from "@effect-jumpstarter/proto/jumpstarter/v1/common"
import {
  ControllerServiceDefinition,
  DriverCallRequest,
  DriverCallResponse,
  DriverInstanceReport,
  ExporterServiceDefinition,
  GetStatusResponse,
  LogStreamResponse,
  RegisterRequest,
  StatusResponse,
  UnregisterRequest
} from "@effect-jumpstarter/proto/jumpstarter/v1/jumpstarter"
import { Condition, LabelSelector } from "@effect-jumpstarter/proto/jumpstarter/v1/kubernetes"
import { FrameType, RouterServiceDefinition, StreamRequest } from "@effect-jumpstarter/proto/jumpstarter/v1/router"
import { PushLogsResponse, TelemetryServiceDefinition } from "@effect-jumpstarter/proto/jumpstarter/v1/telemetry"
import { assert, describe, it } from "@effect/vitest"

interface Codec<T> {
  encode(message: T): { finish(): Uint8Array }
  decode(input: Uint8Array): T
}

// The expected bytes are written by hand, one field at a time: tag, length if there is one, content. A round trip alone would pass
// with two mistakes that cancel each other out.
const bytes = (...fields: ReadonlyArray<string>): Uint8Array =>
  Uint8Array.from(Buffer.from(fields.join("").replaceAll(" ", ""), "hex"))

const hex = (input: Uint8Array): string => Buffer.from(input).toString("hex")

const encodesTo = <T>(codec: Codec<T>, message: T, ...fields: ReadonlyArray<string>): void =>
  assert.strictEqual(hex(codec.encode(message).finish()), hex(bytes(...fields)))

const decodesTo = <T>(codec: Codec<T>, message: T, ...fields: ReadonlyArray<string>): void =>
  assert.deepStrictEqual(codec.decode(bytes(...fields)), message)

const isOnTheWire = <T>(codec: Codec<T>, message: T, ...fields: ReadonlyArray<string>): void => {
  encodesTo(codec, message, ...fields)
  decodesTo(codec, message, ...fields)
}

describe("messages", () => {
  it("omits fields with their default value", () => {
    isOnTheWire(DriverCallRequest, DriverCallRequest.create(), "")
    isOnTheWire(GetStatusResponse, GetStatusResponse.create(), "")
    isOnTheWire(StreamRequest, StreamRequest.create(), "")
  })

  it("DriverCallRequest: uuid, method and arguments in order", () => {
    isOnTheWire(
      DriverCallRequest,
      { uuid: "u1", method: "set", args: ["a", 1, true] },
      "0a 02 7531",
      "12 03 736574",
      "1a 03 1a 01 61",
      "1a 09 11 000000000000f03f",
      "1a 02 20 01"
    )
  })

  it("DriverInstanceReport: an absent parent is not an empty one", () => {
    const report = DriverInstanceReport.create({ uuid: "u" })
    isOnTheWire(DriverInstanceReport, report, "0a 01 75")
    assert.isUndefined(report.parentUuid)
    isOnTheWire(DriverInstanceReport, { ...report, parentUuid: "" }, "0a 01 75", "12 00")
    isOnTheWire(DriverInstanceReport, { ...report, parentUuid: "p" }, "0a 01 75", "12 01 70")
  })

  it("DriverInstanceReport: maps and the optional description", () => {
    isOnTheWire(
      DriverInstanceReport,
      DriverInstanceReport.create({ labels: { k: "v" }, description: "", methodsDescription: { on: "help" } }),
      "1a 06 0a 01 6b 12 01 76",
      "22 00",
      "2a 0a 0a 02 6f6e 12 04 68656c70"
    )
  })

  it("GetStatusResponse: the version uses all 64 bits", () => {
    const status = GetStatusResponse.create({ status: ExporterStatus.EXPORTER_STATUS_LEASE_READY })
    isOnTheWire(GetStatusResponse, { ...status, statusVersion: 1n }, "08 04", "18 01")
    // A double would round this one.
    isOnTheWire(GetStatusResponse, { ...status, statusVersion: 2n ** 53n + 1n }, "08 04", "18 8180808080808010")
    isOnTheWire(GetStatusResponse, { ...status, statusVersion: 2n ** 63n }, "08 04", "18 80808080808080808001")
    isOnTheWire(GetStatusResponse, { ...status, statusVersion: 2n ** 64n - 1n }, "08 04", "18 ffffffffffffffffff01")
  })

  it("GetStatusResponse: refuses a version that has no encoding", () => {
    assert.throws(() => GetStatusResponse.encode(GetStatusResponse.create({ statusVersion: 2n ** 64n })))
    assert.throws(() => GetStatusResponse.encode(GetStatusResponse.create({ statusVersion: -1n })))
  })

  it("GetStatusResponse: an absent previous status is not an unspecified one", () => {
    const status = GetStatusResponse.create({ status: ExporterStatus.EXPORTER_STATUS_AVAILABLE, message: "" })
    isOnTheWire(GetStatusResponse, status, "08 02", "12 00")
    assert.isUndefined(status.previousStatus)
    const previousStatus = ExporterStatus.EXPORTER_STATUS_UNSPECIFIED
    isOnTheWire(GetStatusResponse, { ...status, previousStatus }, "08 02", "12 00", "20 00")
  })

  it("GetStatusResponse: keeps the number of an unknown status", () => {
    isOnTheWire(GetStatusResponse, GetStatusResponse.create({ status: 99 as ExporterStatus }), "08 63")
  })

  it("StreamRequest: data and goaway frames", () => {
    const payload = Buffer.from([0x00, 0xff])
    isOnTheWire(StreamRequest, { payload, frameType: FrameType.FRAME_TYPE_DATA }, "0a 02 00ff")
    isOnTheWire(StreamRequest, { payload: Buffer.alloc(0), frameType: FrameType.FRAME_TYPE_GOAWAY }, "10 07")
  })

  it("StreamRequest: keeps the number of an unknown frame type", () => {
    isOnTheWire(StreamRequest, { payload: Buffer.from("x"), frameType: 42 as FrameType }, "0a 01 78", "10 2a")
  })

  it("StreamRequest: a decoded payload does not share the input's memory", () => {
    const input = bytes("0a 01 78")
    const { payload } = StreamRequest.decode(input)
    input.fill(0)
    assert.strictEqual(hex(payload), "78")
  })

  it("LogStreamResponse: the timestamp keeps its nanoseconds", () => {
    isOnTheWire(
      LogStreamResponse,
      LogStreamResponse.create({
        severity: "INFO",
        message: "hi",
        source: LogSource.LOG_SOURCE_UNSPECIFIED,
        driverType: "power",
        operation: "on",
        timestamp: { seconds: 1700000000n, nanos: 678000001 },
        structuredFields: { result: "success" }
      }),
      "12 04 494e464f",
      "1a 02 6869",
      "20 00",
      "2a 05 706f776572",
      "32 02 6f6e",
      "3a 0c 08 80e2cfaa06 10 81eba5c302",
      "42 11 0a 06 726573756c74 12 07 73756363657373"
    )
  })

  it("LogStreamResponse: a timestamp before 1970, and an absent one", () => {
    const response = LogStreamResponse.create()
    assert.isUndefined(response.timestamp)
    isOnTheWire(
      LogStreamResponse,
      { ...response, timestamp: { seconds: -1n, nanos: 999999999 } },
      "3a 11 08 ffffffffffffffffff01 10 ff93ebdc03"
    )
    isOnTheWire(LogStreamResponse, { ...response, timestamp: { seconds: 0n, nanos: 0 } }, "3a 00")
  })

  it("UnregisterRequest: the reason has number 2", () => {
    isOnTheWire(UnregisterRequest, { reason: "bye" }, "12 03 627965")
    decodesTo(UnregisterRequest, { reason: "" }, "0a 03 627965")
  })

  it("Condition: the camelCase fields", () => {
    isOnTheWire(
      Condition,
      {
        type: "Ready",
        status: "True",
        observedGeneration: 3n,
        lastTransitionTime: { seconds: 1n, nanos: 2 },
        reason: "Ready",
        message: ""
      },
      "0a 05 5265616479",
      "12 04 54727565",
      "18 03",
      "22 04 08 01 10 02",
      "2a 05 5265616479",
      "32 00"
    )
    isOnTheWire(Condition, Condition.create({ observedGeneration: 0n }), "18 00")
    isOnTheWire(Condition, Condition.create({ observedGeneration: -1n }), "18 ffffffffffffffffff01")
  })

  it("Lease: an empty exporter name is present, and the numbers go past 15", () => {
    isOnTheWire(
      CreateLeaseRequest,
      {
        parent: "namespaces/n",
        leaseId: "",
        lease: Lease.create({
          selector: "a=b",
          duration: { seconds: 1800n, nanos: 0 },
          exporterName: "",
          tags: { t: "1" },
          allowDisabled: true,
          context: { c: "2" },
          deprecatedLabels: { d: "3" }
        })
      },
      "0a 0c 6e616d657370616365732f6e",
      "1a 27",
      "12 03 613d62",
      "1a 03 08 880e",
      "62 00",
      "6a 06 0a 01 74 12 01 31",
      "70 01",
      "7a 06 0a 01 63 12 01 32",
      "8201 06 0a 01 64 12 01 33"
    )
  })

  it("PushLogsResponse: uint32 does not turn negative", () => {
    isOnTheWire(PushLogsResponse, { accepted: 4294967295, dropped: 0 }, "08 ffffffff0f")
  })
})

describe("maps", () => {
  it("treats a missing key or value of an entry as empty", () => {
    decodesTo(StatusResponse, StatusResponse.create({ context: { "": "" } }), "22 00")
    decodesTo(StatusResponse, StatusResponse.create({ context: { "": "" } }), "22 04 0a 00 12 00")
    const encoded = StatusResponse.encode(StatusResponse.create({ context: { "": "" } })).finish()
    assert.deepStrictEqual(StatusResponse.decode(encoded).context, { "": "" })
  })

  it("keeps the last of two entries with the same key, and accepts a value before its key", () => {
    decodesTo(
      StatusResponse,
      StatusResponse.create({ context: { k: "2" } }),
      "22 06 0a 01 6b 12 01 31",
      "22 06 12 01 32 0a 01 6b"
    )
  })

  it("holds several entries, and nests in repeated messages", () => {
    isOnTheWire(
      RegisterRequest,
      {
        labels: { a: "1", b: "2" },
        reports: [DriverInstanceReport.create({ uuid: "u", labels: { c: "3" } })]
      },
      "0a 06 0a 01 61 12 01 31",
      "0a 06 0a 01 62 12 01 32",
      "12 0b 0a 01 75 1a 06 0a 01 63 12 01 33"
    )
    isOnTheWire(
      LabelSelector,
      { matchExpressions: [{ key: "k", operator: "In", values: ["a", ""] }], matchLabels: { l: "v" } },
      "0a 0c 0a 01 6b 12 02 496e 1a 01 61 1a 00",
      "12 06 0a 01 6c 12 01 76"
    )
  })
})

describe("unknown fields", () => {
  const known = ["0a 02 7531", "12 03 736574"] as const
  const message: DriverCallRequest = { uuid: "u1", method: "set", args: [] }
  const unknown: Record<string, string> = {
    varint: "b801 ffffffffffffffffff01",
    "64-bit": "b901 0102030405060708",
    "length-delimited": "ba01 02 0102",
    "empty length-delimited": "ba01 00",
    group: "bb01 08 01 12 01 61 bc01",
    "32-bit": "bd01 01020304",
    "high number": "faffffff0f 01 00"
  }
  for (const [kind, field] of Object.entries(unknown)) {
    it(`skips a ${kind} field at any position`, () => {
      decodesTo(DriverCallRequest, message, field, ...known)
      decodesTo(DriverCallRequest, message, known[0], field, known[1])
      decodesTo(DriverCallRequest, message, ...known, field)
    })
  }

  it("skips a known number with another wire type", () => {
    decodesTo(DriverCallRequest, message, "08 01", ...known, "15 01020304")
  })

  it("skips them inside nested messages and map entries", () => {
    decodesTo(
      RegisterRequest,
      { labels: { a: "1" }, reports: [DriverInstanceReport.create({ uuid: "u" })] },
      "0a 08 0a 01 61 12 01 31 18 01",
      "12 06 0a 01 75 ba01 00"
    )
  })

  it("fails on input that ends early", () => {
    assert.throws(() => DriverCallRequest.decode(bytes("0a 05 61")))
    assert.throws(() => GetStatusResponse.decode(bytes("18 80")))
  })
})

// Edge cases of google.protobuf.Value in the generated code, where generators have been wrong before: null must not become 0, and an
// empty container must not become null.
describe("google.protobuf.Value", () => {
  // [name, value, the encoded Value]
  const values: ReadonlyArray<readonly [string, unknown, string]> = [
    ["null", null, "08 00"],
    ["0", 0, "11 0000000000000000"],
    ["-0", -0, "11 0000000000000080"],
    ["1.5", 1.5, "11 000000000000f83f"],
    ["2^53", 2 ** 53, "11 0000000000004043"],
    ["the empty string", "", "1a 00"],
    ["a string", "ä", "1a 02 c3a4"],
    ["false", false, "20 00"],
    ["true", true, "20 01"],
    ["an empty struct", {}, "2a 00"],
    ["an empty list", [], "32 00"],
    ["null in a list", [null], "32 04 0a 02 08 00"],
    ["null in a struct", { a: null }, "2a 09 0a 07 0a 01 61 12 02 08 00"],
    ["an empty key", { "": true }, "2a 08 0a 06 0a 00 12 02 20 01"],
    ["empty containers in a list", [[], {}, ""], "32 0c 0a 02 32 00 0a 02 2a 00 0a 02 1a 00"],
    ["an empty list in a struct", { a: [] }, "2a 09 0a 07 0a 01 61 12 02 32 00"]
  ]
  const lengthOf = (encoded: string): string => bytes(encoded).length.toString(16).padStart(2, "0")

  for (const [name, value, encoded] of values) {
    // The generated code omits an empty key from its entry, like any default. Both forms mean the same.
    const check = name === "an empty key" ? decodesTo : isOnTheWire

    it(`carries ${name} as a result`, () => {
      check(DriverCallResponse, { uuid: "", result: value }, "12", lengthOf(encoded), encoded)
    })

    it(`carries ${name} as an argument`, () => {
      const argument = `1a ${lengthOf(encoded)} ${encoded}`
      check(DriverCallRequest, { uuid: "", method: "", args: [value, value] }, argument, argument)
    })
  }

  it("distinguishes -0 from 0", () => {
    const { result } = DriverCallResponse.decode(bytes("12 09 11 0000000000000080"))
    assert.isTrue(Object.is(result, -0))
  })

  it("tells a null result from a missing one", () => {
    isOnTheWire(DriverCallResponse, { uuid: "u", result: null }, "0a 01 75", "12 02 08 00")
    isOnTheWire(DriverCallResponse, { uuid: "u", result: undefined }, "0a 01 75")
  })
})

describe("services", () => {
  const kind = (method: { readonly requestStream: boolean; readonly responseStream: boolean }): string =>
    `${method.requestStream ? "stream" : "one"} -> ${method.responseStream ? "stream" : "one"}`

  const methods = (service: {
    readonly fullName: string
    readonly methods: Record<
      string,
      { readonly name: string; readonly requestStream: boolean; readonly responseStream: boolean }
    >
  }): ReadonlyArray<string> =>
    Object.values(service.methods).map((method) => `/${service.fullName}/${method.name} ${kind(method)}`)

  it("ExporterService has the right paths and kinds", () => {
    assert.deepStrictEqual(methods(ExporterServiceDefinition), [
      "/jumpstarter.v1.ExporterService/GetReport one -> one",
      "/jumpstarter.v1.ExporterService/DriverCall one -> one",
      "/jumpstarter.v1.ExporterService/StreamingDriverCall one -> stream",
      "/jumpstarter.v1.ExporterService/LogStream one -> stream",
      "/jumpstarter.v1.ExporterService/Reset one -> one",
      "/jumpstarter.v1.ExporterService/GetStatus one -> one",
      "/jumpstarter.v1.ExporterService/EndSession one -> one"
    ])
  })

  it("RouterService and TelemetryService have the right paths and kinds", () => {
    assert.deepStrictEqual(methods(RouterServiceDefinition), ["/jumpstarter.v1.RouterService/Stream stream -> stream"])
    assert.deepStrictEqual(methods(TelemetryServiceDefinition), [
      "/jumpstarter.v1.TelemetryService/PushLogs one -> one"
    ])
  })

  it("the two lease services do not share their names", () => {
    assert.include(methods(ControllerServiceDefinition), "/jumpstarter.v1.ControllerService/GetLease one -> one")
    assert.include(methods(ClientServiceDefinition), "/jumpstarter.client.v1.ClientService/GetLease one -> one")
  })

  it("only Listen and Status stream from the controller", () => {
    assert.deepStrictEqual(methods(ControllerServiceDefinition).filter((method) => method.includes("stream")), [
      "/jumpstarter.v1.ControllerService/Listen one -> stream",
      "/jumpstarter.v1.ControllerService/Status one -> stream"
    ])
  })
})
