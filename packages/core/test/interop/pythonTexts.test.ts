// What Python's exporter says that only its text explains, and what the messages here make of it.
import { type DriverError, Endpoint, ExporterConnection, Resource } from "@effect-jumpstarter/core"
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer, type Scope, Stream } from "effect"
import * as process from "../support/process.ts"
import * as python from "../support/python.ts"

const exporter = Layer.unwrapScoped(
  Effect.map(process.start(python.exporter()), ({ ready }) => ExporterConnection.layer(Endpoint.unix(ready.unix)))
)

const probe = Effect.orDie(ExporterConnection.driver("probe"))
const bytes = Resource.source(Stream.make(new Uint8Array(8)))

type Driver = Effect.Effect.Success<typeof probe>
type Connected = ExporterConnection.ExporterConnection

const cases: Readonly<
  Record<string, {
    readonly run: (driver: Driver) => Effect.Effect<unknown, DriverError.DriverCallError, Scope.Scope | Connected>
    readonly original: string
    readonly advice: string
  }>
> = {
  "a streaming call that is called": {
    run: (driver) => driver.call("count", 3),
    original: "method count missing marker marker_drivercall",
    advice: "`count` is not a call of this driver: try `streamingCall` or `stream`"
  },
  "a byte stream that is called": {
    run: (driver) => driver.call("connect"),
    original: "method connect missing marker marker_drivercall",
    advice: "`connect` is not a call of this driver: try `streamingCall` or `stream`"
  },
  "a call that is made as a streaming call": {
    run: (driver) => Stream.runDrain(driver.streamingCall("echo")),
    original: "method echo missing marker marker_streamingdrivercall",
    advice: "`echo` is not a streaming call of this driver: try `call` or `stream`"
  },
  "a call that is opened": {
    run: (driver) => driver.stream("echo"),
    original: "method echo missing marker marker_streamcall",
    advice: "`echo` is not a byte stream of this driver: try `call` or `streamingCall`"
  },
  "what is not exported": {
    run: (driver) => driver.call("close"),
    original: "method close missing marker marker_drivercall",
    advice: "if neither works, the driver does not export it"
  },
  "a handle that is used twice": {
    run: (driver) =>
      Effect.flatMap(
        driver.resource(bytes),
        (handle) => Effect.zipRight(driver.call("consume", handle), driver.call("consume", handle))
      ),
    original: "UUID('",
    advice: "a handle works for one call, to the driver it was opened with"
  },
  "a handle of another driver": {
    run: (driver) =>
      Effect.flatMap(
        Effect.orDie(ExporterConnection.driver("power")),
        (other) => Effect.flatMap(other.resource(bytes), (handle) => driver.call("consume", handle))
      ),
    original: "UUID('",
    advice: "a handle works for one call, to the driver it was opened with"
  },
  "a path instead of a resource": {
    run: (driver) => driver.call("consume", "image.img"),
    original: "validation error for tagged-union",
    advice: "an argument is not a resource: pass the handle of `driver.resource`"
  },
  "an argument too much": {
    run: (driver) => driver.call("events", 1),
    original: "ProbeDriver.events() takes 1 positional argument but 2 were given",
    advice: "the method takes no arguments and got 1; Python counts `self`"
  },
  "arguments too many, where some are optional": {
    run: (driver) => driver.call("fail", 1, 2, 3, 4),
    original: "ProbeDriver.fail() takes from 2 to 3 positional arguments but 5 were given",
    advice: "the method takes 1 to 2 arguments and got 4; Python counts `self`"
  },
  "an argument that is missing": {
    run: (driver) => driver.call("depth"),
    original: "ProbeDriver.depth() missing 1 required positional argument: 'value'",
    advice: "the call is missing these arguments, in this order: 'value'"
  },
  "arguments of other types": {
    run: (driver) => driver.call("typed", "one", 2),
    original: "2 validation errors for ProbeDriver.typed",
    advice: "the driver refused arguments[0] and arguments[1]"
  },
  "a stream whose device does not open": {
    run: (driver) => driver.stream("fail_open"),
    original: "Unexpected <class 'ConnectionRefusedError'>: nope",
    advice: "Python's ConnectionRefusedError was raised while the driver opened its device"
  },
  "a key error": {
    run: (driver) => driver.call("fail", "key_error", "boot"),
    original: "'boot'",
    advice: "Python raised a KeyError: the driver has nothing by this name"
  }
}

describe("a message of a Python exporter says what to do about", () => {
  layer(exporter, { excludeTestServices: true, timeout: "30 seconds" })((it) => {
    it.scoped.each(Object.keys(cases))("%s", (name) =>
      Effect.gen(function*() {
        const { advice, original, run } = cases[name] ?? (yield* Effect.dieMessage(name))
        const error = yield* Effect.flip(run(yield* probe))
        assert.include(error.details, original)
        assert.notInclude(error.details, advice)
        assert.include(error.message, `: ${error.details}; `)
        assert.include(error.message, advice)
      }))
  })
})
