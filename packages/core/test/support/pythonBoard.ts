// A board that Python's own clients drive: interop/drive.py prints what they saw.
import type { ProtobufValue } from "@effect-jumpstarter/core"
import { Driver, DriverFailure, DriverInterface, DriverMethod } from "@effect-jumpstarter/core"
import { Flasher, Power } from "@effect-jumpstarter/core/drivers"
import { FlasherTest, PowerTest, SerialTest, StorageTest } from "@effect-jumpstarter/core/testing"
import { assert } from "@effect/vitest"
import { Effect, Schema, Stream } from "effect"

const Probe = DriverInterface.make("jumpstarter_driver_network.client.NetworkClient", {
  identity: DriverMethod.call({ args: [DriverMethod.Json], result: DriverMethod.Json }),
  fail: DriverMethod.call({ args: [DriverFailure.FailureReason, Schema.String] }),
  fail_after: DriverMethod.streamingCall({ args: [DriverFailure.FailureReason, Schema.String], item: Schema.Number })
})

const Failure = Schema.Struct({ class: Schema.String, text: Schema.String })

const Failures = Schema.Record({ key: Schema.String, value: Failure })

const Report = Schema.parseJson(Schema.Struct({
  tree: DriverMethod.Json,
  power: Schema.Struct({ readings: Schema.Array(Schema.Tuple(Schema.Number, Schema.Number)) }),
  echo: Schema.String,
  storage: DriverMethod.Json,
  image: Schema.String,
  flasher: Schema.Record({ key: Schema.String, value: Schema.String }),
  unread: Failure,
  careless: Schema.Number,
  console: Schema.Array(Schema.String),
  failures: Schema.Struct({
    calls: Failures,
    streams: Failures,
    long: Failure,
    long_stream: Failure,
    unknown: Failure,
    unknown_stream: Failure,
    kind: Failure,
    kind_stream: Failure,
    arguments: Failure
  }),
  values: DriverMethod.Json,
  logs: Schema.Array(Schema.String)
}))

/** The drivers that interop/drive.py uses, and the power supply behind one of them. */
export const make = Effect.gen(function*() {
  const supply = yield* PowerTest.make()
  const storage = yield* StorageTest.make()
  const flasher = yield* FlasherTest.make()
  const console = yield* SerialTest.make({
    banner: "login: ",
    prompt: "# ",
    script: [{ expect: "root", reply: "welcome\r\n" }, { expect: "uname", reply: "Zephyr\r\n" }]
  })
  // Python reads until the stream ends, which the readings of PowerTest never do.
  const power: Driver.Driver = {
    ...supply.driver,
    methods: { ...supply.driver.methods, read: Driver.streamingCall(() => Stream.make({ voltage: 5, current: 2 })) }
  }
  const probe = Driver.fromInterface(Probe, {
    identity: (value) => Effect.succeed(value),
    fail: (reason, message) => Effect.zipRight(Effect.logWarning("about to fail"), DriverFailure.make(reason, message)),
    fail_after: (reason, message) => Stream.concat(Stream.make(1), Stream.fail(DriverFailure.make(reason, message)))
  })
  // Python's clients wait for the end of what they lend.
  const careless = Driver.fromInterface(Flasher.contract, { flash: () => Effect.void, dump: () => Effect.void })
  const drivers = {
    power,
    meterless: Driver.fromInterface(Power.contract, { on: () => Effect.void, off: () => Effect.void }),
    storage: storage.driver,
    flasher: flasher.driver,
    careless,
    console: console.driver,
    echo: Driver.make({
      client: "jumpstarter_driver_network.client.NetworkClient",
      methods: { connect: Driver.streamTransform((input) => input) }
    }),
    probe,
    nested: Driver.composite({ power })
  }
  return { drivers, supply }
})

/** Reads what interop/drive.py has printed. */
export const reported = (output: string) => Schema.decode(Report)(output.slice(output.lastIndexOf("\n") + 1))

const families = {
  NotImplemented: ["UNIMPLEMENTED", "DriverMethodNotImplemented"],
  InvalidArgument: ["INVALID_ARGUMENT", "DriverInvalidArgument"],
  Timeout: ["DEADLINE_EXCEEDED", "DriverError"],
  Connection: ["UNAVAILABLE", "DriverError"],
  Device: ["INTERNAL", "DriverError"],
  Other: ["UNKNOWN", "DriverError"]
} as const

const composite = (children: Record<string, ProtobufValue.JsonValue>) => ({ class: "CompositeClient", children })

const leaf = (name: string) => ({ class: name, children: {} })

/** Checks what Python saw, and what its clients did to the supply. */
export const check = (report: typeof Report.Type, events: ReadonlyArray<PowerTest.PowerEvent>) => {
  assert.deepStrictEqual(
    report.tree,
    composite({
      power: leaf("PowerClient"),
      meterless: leaf("PowerClient"),
      storage: leaf("OpendalClient"),
      flasher: leaf("FlasherClient"),
      careless: leaf("FlasherClient"),
      console: leaf("PySerialClient"),
      echo: leaf("NetworkClient"),
      probe: leaf("NetworkClient"),
      nested: composite({ power: leaf("PowerClient") })
    })
  )
  assert.deepStrictEqual(report.power.readings, [[5, 2]])
  assert.deepStrictEqual(events.map(({ _tag }) => _tag), ["on", "off", "off", "on"], "on, off, and a cycle")
  assert.strictEqual(report.echo, "through a port")
  assert.deepStrictEqual(report.storage, {
    same: true,
    hash: true,
    size: 1_000_000,
    exists: [true, false],
    capable: [true, null],
    list: ["images/", "images/a.bin"]
  })
  for (const encoding of ["None", "gzip", "xz", "bz2", "zstd"]) {
    assert.strictEqual(report.flasher[encoding], report.image, `flashed and dumped as ${encoding}`)
  }
  assert.strictEqual(report.careless, 0)
  assert.deepStrictEqual(report.console, ["Zephyr"])
  for (const [reason, [code, name]] of Object.entries(families)) {
    const call = report.failures.calls[reason]
    assert.strictEqual(call?.class, name, `a call that fails with ${reason}`)
    assert.include(call?.text, `gRPC ${code}: boom`)
    const stream = report.failures.streams[reason]
    assert.strictEqual(stream?.class, name, `a streaming call that fails with ${reason}`)
    assert.include(stream?.text, "boom")
  }
  // gRPC's C core takes 8 KiB of trailers. A longer failure would reach nobody.
  for (const { text } of [report.failures.long, report.failures.long_stream]) {
    assert.match(text, /(é{900}|x{6000})… \(\d+ more characters\)/)
  }
  const { kind, kind_stream, unknown, unknown_stream } = report.failures
  for (const { class: name } of [unknown, unknown_stream, kind, kind_stream, report.unread]) {
    assert.strictEqual(name, "DriverMethodNotImplemented")
  }
  assert.strictEqual(report.failures.arguments.class, "DriverInvalidArgument")
  assert.include(report.failures.arguments.text, "the argument is missing, the method takes 2 arguments")
  assert.deepStrictEqual(report.values, [null, true, 1, 2.5, "é", [], {}, JSON.parse(`{"__proto__":{"a":[null]}}`)])
  assert.include(report.logs, "exporter:driver INFO Operation started")
  assert.include(report.logs, "exporter:driver WARNING about to fail")
}
