import type { DriverError } from "@effect-jumpstarter/core"
import {
  ByteStream,
  Device,
  Driver,
  DriverFailure,
  DriverInterface,
  DriverMethod,
  ExporterConnection,
  Resource
} from "@effect-jumpstarter/core"
import type { JsonValue } from "@effect-jumpstarter/core/ProtobufValue"
import { ExporterTest } from "@effect-jumpstarter/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Schema, Sink, Stream } from "effect"
import { text, utf8 } from "../support/bytes.ts"

class Reading extends Schema.Class<Reading>("Reading")({ voltage: Schema.Number, at: Schema.optional(Schema.Date) }) {}

class Idle extends Schema.TaggedClass<Idle>("Idle")("Idle", {}) {}

class Busy extends Schema.TaggedClass<Busy>("Busy")("Busy", { since: Schema.Date, last: Reading }) {}

const Supply = DriverInterface.make("acme_drivers.client.SupplyClient", {
  on: DriverMethod.call(),
  limit: DriverMethod.call({
    args: [Schema.Number.pipe(Schema.between(0, 24)), DriverMethod.optional(Schema.Boolean)]
  }),
  configure: DriverMethod.call({
    args: [
      Schema.Struct({
        channels: Schema.Array(Schema.Struct({ volts: Schema.Number })),
        mode: Schema.Literal("fast", "safe")
      })
    ]
  }),
  store: DriverMethod.call({ args: [DriverMethod.Json] }),
  trim: DriverMethod.call({
    args: [Schema.String, DriverMethod.optional(Schema.Int, { fallback: 7 })],
    rest: Schema.Int,
    result: Schema.Array(Schema.Union(Schema.String, Schema.Number))
  }),
  flash: DriverMethod.call({ args: [DriverMethod.source, DriverMethod.optional(Schema.String)] }),
  dump: DriverMethod.call({ args: [DriverMethod.sink] }),
  verify: DriverMethod.call({ args: [DriverMethod.source], result: Schema.Number }),
  state: DriverMethod.call({ result: Schema.Union(Idle, Busy) }),
  read: DriverMethod.streamingCall({ args: [Schema.Int], item: Reading }),
  last: DriverMethod.call({ result: Schema.NullOr(Reading) }),
  calibrate: DriverMethod.call({ optional: true }),
  connect: DriverMethod.stream({ optional: true })
})

const handlers: DriverInterface.Handlers<typeof Supply> = {
  on: () => Effect.void,
  limit: () => Effect.void,
  configure: () => Effect.void,
  store: () => Effect.void,
  trim: (name, offset, ...steps) => Effect.succeed([name, offset, ...steps]),
  flash: Stream.runDrain,
  dump: (write) => write(Stream.make(utf8("dum"), utf8("ped"))),
  verify: (image) => Stream.runFold(image, 0, (size, bytes) => size + bytes.length),
  // Plain objects with the right fields work like instances.
  state: () => Effect.succeed({ _tag: "Busy", since: new Date(0), last: { voltage: 5 } }),
  read: (count) => Stream.map(Stream.range(1, count), (voltage) => ({ voltage, at: undefined })),
  last: () => Effect.succeed(null)
}

const supply = Driver.fromInterface(Supply, handlers)

// What a Python driver could return.
const answering = (methods: Record<string, JsonValue | ReadonlyArray<JsonValue>>, streaming = false) =>
  Driver.make({
    client: Supply.client,
    methods: Object.fromEntries(
      Object.entries(methods).map(([name, answer]) => [
        name,
        streaming
          ? Driver.streamingCall(() => Stream.fromIterable(answer as ReadonlyArray<JsonValue>))
          : Driver.call(() => Effect.succeed(answer))
      ])
    )
  })

const run = <A, E>(
  driver: Driver.Driver,
  use: Effect.Effect<A, E, ExporterConnection.ExporterConnection>
) => Effect.provide(use, ExporterTest.layer({ supply: driver }))

const typed = Effect.orDie(Device.connect(Supply, "supply"))

type Client = DriverInterface.Client<typeof Supply>

const says = (
  name: string,
  tag: DriverError.DriverCallError["_tag"],
  message: string,
  driver: Driver.Driver,
  call: (client: Client) => Effect.Effect<unknown, DriverError.DriverCallError>
) =>
  it.effect(name, () =>
    run(
      driver,
      Effect.gen(function*() {
        const error = yield* Effect.flip(Effect.flatMap(typed, call))
        assert.strictEqual(error._tag, tag)
        assert.strictEqual(error.message, message)
      })
    ))

it.effect("accepts a byte stream made of its parts, or of a transformation", () =>
  Effect.gen(function*() {
    const said: Array<string> = []
    const silent = ByteStream.make({
      read: Stream.empty,
      write: (bytes) => Effect.sync(() => void said.push(text(bytes))),
      end: Effect.void
    })
    const shout = ByteStream.transform((input) =>
      Stream.map(Stream.decodeText(input), (words) => utf8(words.toUpperCase()))
    )
    const dialogue = (connect: DriverInterface.Handlers<typeof Supply>["connect"]) =>
      run(
        Driver.fromInterface(Supply, { ...handlers, connect }),
        Effect.scoped(Effect.gen(function*() {
          const { end, read, write } = yield* (yield* typed).connect()
          yield* write(utf8("hello"))
          yield* end
          return yield* Stream.mkString(Stream.decodeText(read))
        }))
      )
    assert.strictEqual(yield* dialogue(shout), "HELLO")
    assert.strictEqual(yield* dialogue(Effect.succeed(silent)), "")
    assert.deepStrictEqual(said, ["hello"])
  }))

it.effect("treats data that is tagged like a resource as data", () =>
  Effect.gen(function*() {
    const kept: Array<unknown> = []
    const driver = Driver.fromInterface(Supply, {
      ...handlers,
      store: (value) =>
        Effect.sync(() => {
          kept.push(value)
        })
    })
    yield* run(driver, Effect.flatMap(typed, (client) => client.store({ _tag: "Source", stream: "main" })))
    assert.deepStrictEqual(kept, [{ _tag: "Source", stream: "main" }])
  }))

describe("a typed client refuses before anything is sent", () => {
  const untouched = Driver.make({ client: Supply.client })

  const refuses = (
    name: string,
    message: string,
    call: (client: Client) => Effect.Effect<unknown, DriverError.DriverCallError>
  ) => says(name, "InvalidArgument", message, untouched, call)

  refuses(
    "an argument of another type",
    "call supply.limit was not sent, arguments[0] (INVALID_ARGUMENT): expected number, actual \"5\"",
    // @ts-expect-error: not a number
    (client) => client.limit("5")
  )
  refuses(
    "a value out of bounds",
    "call supply.limit was not sent, arguments[0] (INVALID_ARGUMENT): expected a number between 0 and 24, actual 25",
    (client) => client.limit(25)
  )
  refuses(
    "a missing argument",
    "call supply.limit was not sent, arguments[0] (INVALID_ARGUMENT): the argument is missing, the method takes 1 to 2 arguments",
    // @ts-expect-error: none is given
    (client) => client.limit()
  )
  refuses(
    "an argument too many",
    "call supply.limit was not sent, arguments[2] (INVALID_ARGUMENT): the method takes 1 to 2 arguments, not 3",
    // @ts-expect-error: three are given
    (client) => client.limit(5, true, 1)
  )
  refuses(
    "any argument of a method that takes none",
    "call supply.on was not sent, arguments[0] (INVALID_ARGUMENT): the method takes no arguments, not 1",
    // @ts-expect-error: one is given
    (client) => client.on(true)
  )
  refuses(
    "an optional argument of another type",
    "call supply.limit was not sent, arguments[1] (INVALID_ARGUMENT): expected boolean, actual 1",
    // @ts-expect-error: not a boolean
    (client) => client.limit(5, 1)
  )
  refuses(
    "a value that is wrong inside, with its path",
    "call supply.configure was not sent, arguments[0].channels[1].volts (INVALID_ARGUMENT): expected number, actual \"5\"",
    // @ts-expect-error: not a number
    (client) => client.configure({ channels: [{ volts: 5 }, { volts: "5" }], mode: "safe" })
  )
  refuses(
    "a value that is not one of the literals",
    "call supply.configure was not sent, arguments[0].mode (INVALID_ARGUMENT): expected \"fast\" | \"safe\", actual \"slow\"",
    // @ts-expect-error: no such mode
    (client) => client.configure({ channels: [], mode: "slow" })
  )
  refuses(
    "an object without a property",
    "call supply.configure was not sent, arguments[0].mode (INVALID_ARGUMENT): it is missing, expected \"fast\" | \"safe\"",
    // @ts-expect-error: no mode
    (client) => client.configure({ channels: [] })
  )
  refuses(
    "undefined in a list",
    "call supply.configure was not sent, arguments[0].channels[0] (INVALID_ARGUMENT): expected { readonly volts: number }, actual undefined",
    // @ts-expect-error: undefined
    (client) => client.configure({ channels: [undefined], mode: "safe" })
  )
  refuses(
    "undefined in a list of JSON",
    "call supply.store was not sent, arguments[0][1] (INVALID_ARGUMENT): undefined cannot be sent, leave it out or send null",
    // @ts-expect-error: undefined
    (client) => client.store([1, undefined])
  )
  refuses(
    "a number that the wire cannot carry",
    "call supply.store was not sent, arguments[0].a (INVALID_ARGUMENT): NaN cannot be sent, the protocol has finite numbers only",
    (client) => client.store({ a: NaN })
  )
  refuses(
    "a wrong value among any number of arguments",
    "call supply.trim was not sent, arguments[3] (INVALID_ARGUMENT): expected an integer, actual 2.5",
    (client) => client.trim("fine", 1, 2, 2.5)
  )
  refuses(
    "undefined as one of any number of arguments",
    "call supply.trim was not sent, arguments[2] (INVALID_ARGUMENT): expected number, actual undefined",
    // @ts-expect-error: undefined
    (client) => client.trim("fine", 1, undefined)
  )
  refuses(
    "too few of any number of arguments",
    "call supply.trim was not sent, arguments[0] (INVALID_ARGUMENT): the argument is missing, the method takes at least 1 argument",
    // @ts-expect-error: none is given
    (client) => client.trim()
  )
  refuses(
    "a resource instead of JSON",
    "call supply.store was not sent, arguments[0] (INVALID_ARGUMENT): expected Json, actual a source",
    // @ts-expect-error: a resource
    (client) => client.store(Resource.source(Stream.empty))
  )
  refuses(
    "JSON instead of a resource",
    "call supply.flash was not sent, arguments[0] (INVALID_ARGUMENT): expected a source, actual {\"path\":\"image\"}",
    // @ts-expect-error: no resource
    (client) => client.flash({ path: "image" })
  )
  refuses(
    "a sink for what the driver reads",
    "call supply.flash was not sent, arguments[0] (INVALID_ARGUMENT): expected a source, actual a sink",
    // @ts-expect-error: the other direction
    (client) => client.flash(Resource.sink(Sink.drain))
  )
  refuses(
    "a source for what the driver writes",
    "call supply.dump was not sent, arguments[0] (INVALID_ARGUMENT): expected a sink, actual a source",
    // @ts-expect-error: the other direction
    (client) => client.dump(Resource.source(Stream.empty))
  )
  refuses(
    "a presigned request of the other direction, without its URL",
    "call supply.flash was not sent, arguments[0] (INVALID_ARGUMENT): expected a source, actual a presigned PUT",
    (client) => client.flash(Resource.presigned("https://images.example/?signature=secret", { method: "PUT" }))
  )
  refuses(
    "a long value, of which it shows the beginning",
    `call supply.limit was not sent, arguments[0] (INVALID_ARGUMENT): expected number, actual "${"x".repeat(175)}…`,
    // @ts-expect-error: not a number
    (client) => client.limit("x".repeat(1_000_000))
  )
  refuses(
    "an argument of a streaming call",
    "streaming call supply.read was not sent, arguments[0] (INVALID_ARGUMENT): expected an integer, actual 0.5",
    (client) => Stream.runDrain(client.read(0.5))
  )

  it.effect("a wrong argument after a resource, which stays unopened", () => {
    let opened = false
    const source = Resource.source(Stream.sync(() => {
      opened = true
      return new Uint8Array()
    }))
    return run(
      supply,
      Effect.gen(function*() {
        const client = yield* typed
        // @ts-expect-error: not a string
        const error = yield* Effect.flip(client.flash(source, 5))
        assert.deepStrictEqual("path" in error && error.path, [1])
        assert.isFalse(opened)
      })
    )
  })
})

describe("a host with a contract refuses", () => {
  const refuses = (name: string, message: string, method: string, ...args: ReadonlyArray<JsonValue>) =>
    it.effect(name, () =>
      run(
        supply,
        Effect.gen(function*() {
          const client = yield* ExporterConnection.driver("supply")
          const error = yield* Effect.flip(client.call(method, ...args))
          assert.strictEqual(error._tag, "InvalidArgument")
          assert.strictEqual(
            error.message,
            `call supply.${method} was refused for its arguments (INVALID_ARGUMENT): ${message}`
          )
        })
      ))

  refuses("an argument of another type", "arguments[0]: expected number, actual \"5\"", "limit", "5")
  refuses("a value out of bounds", "arguments[0]: expected a number between 0 and 24, actual 25", "limit", 25)
  refuses(
    "a missing argument",
    "arguments[0]: the argument is missing, the method takes 1 to 2 arguments",
    "limit"
  )
  refuses(
    "an argument too many",
    "arguments[2]: the method takes 1 to 2 arguments, not 3",
    "limit",
    5,
    true,
    1
  )
  refuses("null for an argument that is no optional one", "arguments[0]: expected number, actual null", "limit", null)
  refuses(
    "a value that is wrong inside",
    "arguments[0].channels[0].volts: expected number, actual \"5\"",
    "configure",
    { channels: [{ volts: "5" }], mode: "safe" }
  )
  refuses("one of any number of arguments", "arguments[3]: expected number, actual null", "trim", "fine", 1, 2, null)
  refuses(
    "a value that is not a resource",
    "arguments[0]: expected a resource handle or a presigned request, actual \"image.img\"",
    "flash",
    "image.img"
  )
  refuses(
    "a malformed presigned request, without showing its URL",
    "arguments[0]: expected a resource handle or a presigned request",
    "flash",
    { kind: "presigned_request", url: "https://images.example/?signature=secret", method: "DELETE", headers: {} }
  )
})

describe("a typed client fails when a driver returns what its contract does not have", () => {
  says(
    "a result of another shape",
    "UnexpectedResult",
    "call supply.verify returned an unexpected result (UNKNOWN): expected number, actual \"12\"",
    answering({ verify: "12" }),
    (client) => client.verify(Resource.source(Stream.empty))
  )
  says(
    "a result of another shape inside, with its path",
    "UnexpectedResult",
    "call supply.last returned an unexpected result at .voltage (UNKNOWN): it is missing, expected number",
    answering({ last: { current: 1 } }),
    (client) => client.last()
  )
  says(
    "an unknown variant",
    "UnexpectedResult",
    "call supply.state returned an unexpected result at ._tag (UNKNOWN): expected \"Idle\" | \"Busy\", actual \"Broken\"",
    answering({ state: { _tag: "Broken" } }),
    (client) => client.state()
  )
  says(
    "null instead of a result",
    "UnexpectedResult",
    "call supply.verify returned an unexpected result (UNKNOWN): expected number, actual null",
    answering({ verify: null }),
    (client) => client.verify(Resource.source(Stream.empty))
  )
  says(
    "an item of another shape, with its index",
    "UnexpectedResult",
    "streaming call supply.read returned an unexpected result at [2].voltage (UNKNOWN): expected number, actual \"high\"",
    answering({ read: [{ voltage: 1 }, { voltage: 2 }, { voltage: "high" }, { voltage: 4 }] }, true),
    (client) => Stream.runDrain(client.read(4))
  )
  says(
    "no such method, as an older driver",
    "MethodNotImplemented",
    "call supply.on is not implemented (NOT_FOUND): method on not found on driver, it has no methods",
    answering({}),
    (client) => client.on()
  )
  says(
    "no such method, and which there are",
    "MethodNotImplemented",
    "call supply.on is not implemented (NOT_FOUND): method on not found on driver, it has: off, read",
    answering({ off: null, read: 1 }),
    (client) => client.on()
  )
  says(
    "a method of another kind",
    "MethodNotImplemented",
    "streaming call supply.read is not implemented (UNIMPLEMENTED): method read is a call, not a streaming call",
    answering({ read: 1 }),
    (client) => Stream.runDrain(client.read(1))
  )

  it.effect("after the valid items before it", () =>
    run(
      answering({ read: [{ voltage: 1 }, { voltage: 2 }, { voltage: "high" }] }, true),
      Effect.gen(function*() {
        const seen: Array<number> = []
        const client = yield* typed
        yield* Effect.flip(Stream.runForEach(client.read(3), ({ voltage }) => Effect.sync(() => seen.push(voltage))))
        assert.deepStrictEqual(seen, [1, 2])
      })
    ))

  it.effect("not when a method without a result returns something", () =>
    run(answering({ on: { surprise: true } }), Effect.flatMap(typed, (client) => client.on())))
})

describe("a host that breaks its contract fails the call", () => {
  const broken = (changed: Partial<Record<keyof typeof handlers, unknown>>) =>
    Driver.fromInterface(Supply, Object.assign({}, handlers, changed))

  says(
    "with a result of another shape",
    "DriverError",
    "call supply.last failed (UNKNOWN): the driver's result breaks its contract at .voltage: expected number, actual \"5\"",
    broken({ last: () => Effect.succeed({ voltage: "5" }) }),
    (client) => client.last()
  )
  says(
    "with a missing result",
    "DriverError",
    "call supply.verify failed (UNKNOWN): the driver's result breaks its contract: expected number, actual undefined",
    broken({ verify: () => Effect.void }),
    (client) => client.verify(Resource.source(Stream.empty))
  )
  says(
    "with an item of another shape",
    "DriverError",
    "streaming call supply.read failed (UNKNOWN): the driver's result breaks its contract at [1].voltage: it is missing, expected number",
    broken({ read: () => Stream.make({ voltage: 1 }, {}) }),
    (client) => Stream.runDrain(client.read(2))
  )
})

// The wire has only null.
describe("undefined", () => {
  const maybe = Schema.UndefinedOr(Schema.String)
  const Memo = DriverInterface.make("acme_drivers.client.MemoClient", {
    echo: DriverMethod.call({ args: [maybe], result: maybe }),
    pair: DriverMethod.call({
      args: [DriverMethod.optional(maybe, { fallback: "left out" }), maybe],
      result: DriverMethod.Json
    }),
    all: DriverMethod.streamingCall({ rest: maybe, item: maybe }),
    nothing: DriverMethod.call({ result: Schema.Void }),
    either: DriverMethod.call({ args: [Schema.NullishOr(Schema.String)], result: DriverMethod.Json }),
    json: DriverMethod.call({ result: DriverMethod.Json })
  })
  const memo = (json: unknown) =>
    Driver.fromInterface(Memo, {
      echo: Effect.succeed,
      pair: (first, second) => Effect.succeed([String(first), String(second)]),
      all: (...items) => Stream.fromIterable(items),
      nothing: () => Effect.void,
      either: (value) => Effect.succeed(String(value)),
      json: () => Effect.succeed(json as JsonValue)
    })

  it.effect("travels as null when a schema allows it", () =>
    run(
      memo(null),
      Effect.gen(function*() {
        const client = yield* Effect.orDie(Device.connect(Memo, "supply"))
        assert.isUndefined(yield* client.echo(undefined))
        assert.strictEqual(yield* client.echo("a"), "a")
        yield* client.nothing()
        assert.deepStrictEqual([...yield* Stream.runCollect(client.all("a", undefined, "b"))], ["a", undefined, "b"])
        assert.strictEqual(yield* client.either(undefined), "null")
        const untyped = yield* ExporterConnection.driver("supply")
        assert.isNull(yield* untyped.call("echo", null))
      })
    ))

  it.effect("keeps arguments in their positions", () =>
    run(
      memo(null),
      Effect.gen(function*() {
        const client = yield* Effect.orDie(Device.connect(Memo, "supply"))
        assert.deepStrictEqual(yield* client.pair(undefined, undefined), ["left out", "undefined"])
        assert.deepStrictEqual(yield* client.pair(undefined, "b"), ["left out", "b"])
      })
    ))

  it.effect("is not JSON", () =>
    run(
      memo(undefined),
      Effect.gen(function*() {
        const client = yield* Effect.orDie(Device.connect(Memo, "supply"))
        assert.strictEqual(
          (yield* Effect.flip(client.json())).message,
          "call supply.json failed (UNKNOWN): the driver's result breaks its contract: expected Json, actual undefined"
        )
      })
    ))
})

describe("a contract", () => {
  it.effect("carries instances of classes, also made from plain objects", () =>
    run(
      supply,
      Effect.gen(function*() {
        const client = yield* typed
        const state = yield* client.state()
        assert.instanceOf(state, Busy)
        assert.deepStrictEqual(state, new Busy({ since: new Date(0), last: new Reading({ voltage: 5 }) }))
        const readings = Chunk.toReadonlyArray(yield* Stream.runCollect(client.read(2)))
        assert.deepStrictEqual(readings, [new Reading({ voltage: 1 }), new Reading({ voltage: 2 })])
        assert.instanceOf(readings[0], Reading)
      })
    ))

  it.effect("passes any number of arguments after optional ones", () =>
    run(
      supply,
      Effect.gen(function*() {
        const client = yield* typed
        assert.deepStrictEqual(yield* client.trim("a"), ["a", 7])
        assert.deepStrictEqual(yield* client.trim("a", 1), ["a", 1])
        assert.deepStrictEqual(yield* client.trim("a", undefined, 2, 3), ["a", 7, 2, 3])
        const untyped = yield* ExporterConnection.driver("supply")
        assert.deepStrictEqual(yield* untyped.call("trim", "a", null, 2), ["a", 7, 2])
      })
    ))

  it.effect("lends sources and sinks, and returns a sink's result", () =>
    run(
      supply,
      Effect.gen(function*() {
        const client = yield* typed
        assert.strictEqual(yield* client.verify(Resource.source(Stream.make(utf8("12345")))), 5)
        const dumped = yield* client.dump(Resource.sink(Sink.collectAll<Uint8Array>()))
        assert.deepStrictEqual(Array.from(dumped, text), ["dum", "ped"])
        yield* Effect.scoped(Effect.gen(function*() {
          const untyped = yield* ExporterConnection.driver("supply")
          const handle = yield* untyped.resource(Resource.sink(Sink.count))
          assert.strictEqual(yield* client.dump(handle), 2)
        }))
      })
    ))

  // Clients wait for the end of the resources they lend.
  it.effect("releases resources that the handler did not open", () =>
    run(
      Driver.fromInterface(Supply, {
        ...handlers,
        flash: () => Effect.void,
        dump: () => Effect.void,
        verify: () => DriverFailure.make("Device", "not now")
      }),
      Effect.gen(function*() {
        const client = yield* typed
        yield* client.flash(Resource.source(Stream.never))
        assert.strictEqual(yield* client.dump(Resource.sink(Sink.count)), 0)
        const untyped = yield* ExporterConnection.driver("supply")
        const handle = yield* untyped.resource(Resource.source(Stream.never))
        assert.strictEqual((yield* Effect.flip(client.verify(handle))).details, "not now")
        assert.strictEqual((yield* Effect.flip(handle.result)).code, "ABORTED")
      }).pipe(Effect.scoped)
    ), 5_000)

  it.effect("fails a transfer, and its call, when the handler fails after it", () =>
    run(
      Driver.fromInterface(Supply, {
        ...handlers,
        dump: (write) => Effect.zipRight(handlers.dump(write), DriverFailure.make("Device", "bad checksum"))
      }),
      Effect.gen(function*() {
        const client = yield* typed
        const untyped = yield* ExporterConnection.driver("supply")
        const handle = yield* untyped.resource(Resource.sink(Sink.count))
        assert.strictEqual((yield* Effect.flip(client.dump(handle))).details, "bad checksum")
        assert.strictEqual((yield* Effect.flip(handle.result)).code, "ABORTED")
      }).pipe(Effect.scoped)
    ))

  it.effect("reports the contract's documentation of the methods that are there", () => {
    const Relay = DriverInterface.make("acme_drivers.client.RelayClient", {
      close: DriverMethod.call({ documentation: "Closes the relay." }),
      open: DriverMethod.call({ documentation: "Opens the relay." }),
      trip: DriverMethod.call({ documentation: "Opens it for good.", optional: true }),
      state: DriverMethod.call({ result: Schema.Boolean })
    })
    const relay = Driver.fromInterface(
      Relay,
      { close: () => Effect.void, open: () => Effect.void, state: () => Effect.succeed(true) },
      { methodsDescription: { open: "Opens the relay, slowly." } }
    )
    return run(
      relay,
      Effect.map(
        ExporterConnection.driver("supply"),
        ({ methodsDescription }) =>
          assert.deepStrictEqual(methodsDescription, { close: "Closes the relay.", open: "Opens the relay, slowly." })
      )
    )
  })

  it.effect("lets a driver do without optional methods", () =>
    run(
      supply,
      Effect.gen(function*() {
        const client = yield* typed
        assert.strictEqual((yield* Effect.flip(client.calibrate()))._tag, "MethodNotImplemented")
        assert.strictEqual((yield* Effect.flip(Effect.scoped(client.connect())))._tag, "MethodNotImplemented")
        const calibrated = Driver.fromInterface(Supply, { ...handlers, calibrate: () => Effect.void })
        yield* run(calibrated, Effect.flatMap(typed, (client) => client.calibrate()))
      })
    ))
})
