import { Effect, type Layer, type Option, Schema, type Scope, type Sink, Stream } from "effect"
import { describe, expect, it } from "tstyche"
import * as Device from "../src/client/Device.ts"
import type { ExporterConnection } from "../src/client/ExporterConnection.ts"
import * as DriverInterface from "../src/contract/DriverInterface.ts"
import * as DriverMethod from "../src/contract/DriverMethod.ts"
import * as Flasher from "../src/drivers/Flasher.ts"
import * as Power from "../src/drivers/Power.ts"
import type * as Shell from "../src/drivers/Shell.ts"
import * as Driver from "../src/host/Driver.ts"
import type { ByteStream } from "../src/protocol/ByteStream.ts"
import type { DriverCallError } from "../src/protocol/DriverError.ts"
import type { DriverFailure } from "../src/protocol/DriverFailure.ts"
import * as ProgressBar from "../src/resource/ProgressBar.ts"
import * as Resource from "../src/resource/Resource.ts"

class Reading extends Schema.Class<Reading>("Reading")({ voltage: Schema.Number }) {}

const Supply = DriverInterface.make("acme_drivers.client.SupplyClient", {
  on: DriverMethod.call(),
  limit: DriverMethod.call({
    args: [Schema.Number, DriverMethod.optional(Schema.Boolean, { fallback: false })],
    result: Schema.DateFromString
  }),
  trim: DriverMethod.call({ args: [Schema.String, DriverMethod.optional(Schema.Int)], rest: Schema.Int }),
  configure: DriverMethod.call({ args: [Schema.Struct({ channels: Schema.Array(Schema.Number) }), DriverMethod.Json] }),
  read: DriverMethod.streamingCall({ item: Reading, rest: Schema.Literal("a", "b") }),
  flash: DriverMethod.call({ args: [DriverMethod.source, DriverMethod.optional(Schema.String)] }),
  dump: DriverMethod.call({ args: [DriverMethod.sink] }),
  verify: DriverMethod.call({ args: [DriverMethod.sink], result: Schema.String }),
  follow: DriverMethod.streamingCall({ args: [DriverMethod.source], item: Schema.Number }),
  connect: DriverMethod.stream(),
  calibrate: DriverMethod.call({ optional: true }),
  console: DriverMethod.stream({ optional: true })
})

class DiskError {
  readonly _tag = "DiskError"
}

class Disk {
  readonly _tag = "Disk"
}

declare const client: DriverInterface.Client<typeof Supply>
declare const image: Resource.Source<void, DiskError, Disk>
declare const scopedImage: Resource.Source<void, never, Disk | Scope.Scope>
declare const digest: Resource.Sink<string, DiskError, Disk>
declare const memory: Sink.Sink<Uint8Array, Uint8Array>

describe("a description", () => {
  it("rejects unknown options", () => {
    expect(DriverMethod.call).type.not.toBeCallableWith({ args: [Schema.String], results: Schema.String })
    expect(DriverMethod.call).type.not.toBeCallableWith({ args: [Schema.String], item: Schema.String })
    expect(DriverMethod.streamingCall).type.not.toBeCallableWith({ item: Schema.String, idempotent: true })
    expect(DriverMethod.stream).type.not.toBeCallableWith({ optionl: true })
    expect(DriverMethod.call).type.not.toBeCallableWith({ effect: "reads" })
    expect(DriverMethod.stream).type.not.toBeCallableWith({ effect: "read" })
    expect(DriverMethod.streamingCall).type.toBeCallableWith({ item: Schema.String, effect: "read" })
    expect(DriverMethod.stream).type.not.toBeCallableWith({ args: [Schema.String] })
    // @ts-expect-error: is not assignable to type '"there is no such option"'
    DriverMethod.call({ args: [Schema.String], results: Schema.String })
  })

  it("requires a fixed number of arguments", () => {
    const args = [Schema.Number]
    expect(DriverMethod.call).type.not.toBeCallableWith({ args })
    expect(DriverMethod.streamingCall).type.not.toBeCallableWith({ args, item: Schema.String })
    // @ts-expect-error: is not assignable to type '"args has to be a tuple: write it here, or with `as const`"'
    DriverMethod.call({ args })
    const tuple = [Schema.Number, DriverMethod.optional(Schema.String)] as const
    expect(DriverMethod.call({ args: tuple })).type.toBe<DriverMethod.Call<{ readonly args: typeof tuple }>>()
    expect(DriverMethod.call({ args: [...tuple, Schema.String] })).type.toBe<
      DriverMethod.Call<
        {
          readonly args: readonly [
            typeof Schema.Number,
            DriverMethod.OptionalArgument<typeof Schema.String, undefined>,
            typeof Schema.String
          ]
        }
      >
    >()
  })

  it("names its arguments, and rejects names out of order", () => {
    const named = DriverMethod.named((
      volts = Schema.Number,
      ramp = DriverMethod.optional(Schema.Boolean)
    ) => [volts, ramp])
    expect(named).type.toBe<
      [volts: typeof Schema.Number, ramp: DriverMethod.OptionalArgument<typeof Schema.Boolean, undefined>]
    >()
    expect(DriverMethod.call({ args: named })).type.toBe<DriverMethod.Call<{ readonly args: typeof named }>>()
    expect(DriverMethod.named(() => [])).type.toBe<[]>()
    expect(DriverMethod.named).type.not.toBeCallableWith((volts: typeof Schema.Number) => [volts])
    // @ts-expect-error: return the parameters in their order
    DriverMethod.call({ args: DriverMethod.named((a = Schema.Number, b = Schema.String) => [b, a]) })
  })

  it("can be generic", () => {
    const list = <A, I>(item: Schema.Schema<A, I>) =>
      DriverMethod.call({ args: [item, DriverMethod.source], result: Schema.Array(item), documentation: "Lists." })
    expect(list(Schema.NumberFromString)).type.toBe<
      DriverMethod.Call<
        {
          readonly args: readonly [Schema.Schema<number, string>, DriverMethod.SourceArgument]
          readonly result: Schema.Array$<Schema.Schema<number, string>>
          readonly documentation: "Lists."
        }
      >
    >()
  })
})

describe("a typed client", () => {
  it("has method types as short as written by hand", () => {
    expect<Power.Client["read"]>().type.toBe<() => Stream.Stream<Power.PowerReading, DriverCallError>>()
    expect<Power.Client["on"]>().type.toBe<() => Effect.Effect<void, DriverCallError>>()
    expect<DriverInterface.Client<typeof Power.contract>>().type.toBe<{
      readonly on: () => Effect.Effect<void, DriverCallError>
      readonly off: () => Effect.Effect<void, DriverCallError>
      readonly read: () => Stream.Stream<Power.PowerReading, DriverCallError>
      readonly rescue: () => Effect.Effect<void, DriverCallError>
      readonly read_pin: () => Effect.Effect<0 | 1, DriverCallError>
    }>()
  })

  it("accepts and returns the types of the schemas", () => {
    expect(client.limit(5)).type.toBe<Effect.Effect<Date, DriverCallError>>()
    expect(client.limit(5, true)).type.toBe<Effect.Effect<Date, DriverCallError>>()
    expect(client.limit(5, undefined)).type.toBe<Effect.Effect<Date, DriverCallError>>()
    expect(client.read("a", "b")).type.toBe<Stream.Stream<Reading, DriverCallError>>()
    expect(client.connect()).type.toBe<Effect.Effect<ByteStream<DriverCallError>, DriverCallError, Scope.Scope>>()
  })

  it("rejects other types", () => {
    expect(client.limit).type.not.toBeCallableWith()
    expect(client.limit).type.not.toBeCallableWith("5")
    expect(client.limit).type.not.toBeCallableWith(5, "fast")
    expect(client.limit).type.not.toBeCallableWith(5, true, 1)
    expect(client.limit).type.not.toBeCallableWith(undefined, true)
    expect(client.on).type.not.toBeCallableWith(1)
    expect(client.configure).type.not.toBeCallableWith({ channels: [1, undefined] }, null)
    expect(client.configure).type.not.toBeCallableWith({ channels: ["1"] }, null)
    expect(client.configure).type.not.toBeCallableWith({}, null)
    expect(client.configure).type.not.toBeCallableWith({ channels: [] }, [1, undefined])
    expect(client.configure).type.not.toBeCallableWith({ channels: [] }, new Date())
    expect(client).type.not.toHaveProperty("off")
  })

  it("accepts any number of further arguments", () => {
    expect<Parameters<typeof client.trim>>().type.toBe<
      [argument: string, argument?: number | undefined, ...rest: Array<number>]
    >()
    expect<Parameters<Shell.Client["call_method"]>>().type.toBe<
      [argument: string, argument: { readonly [x: string]: string }, ...rest: Array<string>]
    >()
    expect(client.trim("a", undefined, 1, 2, 3)).type.toBe<Effect.Effect<void, DriverCallError>>()
    expect(client.trim).type.not.toBeCallableWith("a", 1, "2")
    expect(client.trim).type.not.toBeCallableWith("a", 1, undefined)
    expect(client.read).type.not.toBeCallableWith("a", "c")
  })

  it("keeps the errors and requirements of resources, except the scope", () => {
    expect(client.flash(image, "root")).type.toBe<Effect.Effect<void, DriverCallError | DiskError, Disk>>()
    expect(client.flash(scopedImage)).type.toBe<Effect.Effect<void, DriverCallError, Disk>>()
    expect(client.follow(image)).type.toBe<Stream.Stream<number, DriverCallError | DiskError, Disk>>()
    expect(client.flash(Resource.presigned("https://a/b"))).type.toBe<Effect.Effect<void, DriverCallError>>()
  })

  it("returns the result of a sink, unless the call has a result", () => {
    expect(client.dump(digest)).type.toBe<Effect.Effect<string, DriverCallError | DiskError, Disk>>()
    expect(client.dump(Resource.sink(memory))).type.toBe<Effect.Effect<Uint8Array, DriverCallError>>()
    expect(client.dump(Resource.presigned("https://a/b", { method: "PUT" }))).type.toBe<
      Effect.Effect<void, DriverCallError>
    >()
    expect(client.verify(digest)).type.toBe<Effect.Effect<string, DriverCallError | DiskError, Disk>>()
    expect(client.verify(Resource.sink(memory))).type.toBe<Effect.Effect<string, DriverCallError>>()
  })

  it("distinguishes JSON, sources and sinks", () => {
    expect(client.flash).type.not.toBeCallableWith(digest)
    expect(client.dump).type.not.toBeCallableWith(image)
    expect(client.flash).type.not.toBeCallableWith({ kind: "client_stream" })
    expect(client.flash).type.not.toBeCallableWith("image.img")
    expect(client.configure).type.not.toBeCallableWith({ channels: [] }, image)
  })

  it("can be named as an interface", () => {
    interface SupplyClient extends DriverInterface.Client<typeof Supply> {}
    expect<SupplyClient>().type.toBeAssignableFrom<typeof client>()
  })
})

describe("a resource", () => {
  it("can be piped, and keeps its type with the additions of each step", () => {
    expect(image.pipe(Resource.withIdleTimeout("1 minute"))).type.toBe<
      Resource.Source<void, DiskError | Resource.TransferStalled, Disk>
    >()
    expect(digest.pipe(ProgressBar.show({ label: "dump" }), Resource.withProgress(() => Effect.asVoid(Effect.scope))))
      .type.toBe<Resource.Sink<string, DiskError, Disk | Scope.Scope>>()
    expect(ProgressBar.show(image)).type.toBe<Resource.Source<void, DiskError, Disk>>()
    expect(Effect.map(Resource.fromFile("a"), ProgressBar.show())).type.toBe<
      ReturnType<typeof Resource.fromFile>
    >()
    const either = image as Resource.Source<void, DiskError, Disk> | Resource.Sink<string, DiskError, Disk>
    expect(Resource.withIdleTimeout(either, "1 minute")).type.toBe<
      | Resource.Source<void, DiskError | Resource.TransferStalled, Disk>
      | Resource.Sink<string, DiskError | Resource.TransferStalled, Disk>
    >()
    const generic = <A, E>(sink: Resource.Sink<A, E, never>): Resource.Sink<A, E | Resource.TransferStalled, never> =>
      sink.pipe(Resource.withIdleTimeout("1 minute"), ProgressBar.show())
    expect(generic(Resource.toBytes())).type.toBe<
      Resource.Sink<Uint8Array, Resource.TransferTooLarge | Resource.TransferStalled, never>
    >()
  })

  it("of bytes has no size error, and into memory fails at a limit", () => {
    expect(Resource.fromBytes(new Uint8Array())).type.toBe<Resource.Source<void, never, never>>()
    expect(Resource.fromString("")).type.toBe<Resource.Source<void, never, never>>()
    expect(client.dump(Resource.toBytes())).type.toBe<
      Effect.Effect<Uint8Array, DriverCallError | Resource.TransferTooLarge>
    >()
    expect(client.dump(Resource.toBytes({ size: 5 }))).type.toBe<
      Effect.Effect<Uint8Array, DriverCallError | Resource.TransferTooLarge | Resource.SizeMismatch>
    >()
  })
})

describe("a progress observer", () => {
  it("adds its requirements", () => {
    const watched = Resource.withProgress(image, () => Effect.asVoid(Effect.scope))
    expect(watched).type.toBe<Resource.Source<void, DiskError, Disk | Scope.Scope>>()
    expect(Resource.withProgress(digest, () => Effect.void)).type.toBe<Resource.Sink<string, DiskError, Disk>>()
  })

  it("adds its errors", () => {
    const watched = Resource.withProgress(image, () => Effect.fail("no" as const))
    expect(watched).type.toBe<Resource.Source<void, DiskError | "no", Disk>>()
    const bounded = Resource.withIdleTimeout(digest, "1 minute")
    expect(bounded).type.toBe<Resource.Sink<string, DiskError | Resource.TransferStalled, Disk>>()
    expect(client.dump(bounded)).type.toBe<
      Effect.Effect<string, DriverCallError | DiskError | Resource.TransferStalled, Disk>
    >()
  })
})

describe("handlers", () => {
  type Handlers = DriverInterface.Handlers<typeof Supply>

  it("receive the types of the schemas, and streams and writers instead of resources", () => {
    expect<Handlers["limit"]>().type.toBe<(volts: number, ramp: boolean) => Effect.Effect<Date, DriverFailure>>()
    expect<Handlers["trim"]>().type.toBe<
      (name: string, offset: number | undefined, ...steps: Array<number>) => Effect.Effect<void, DriverFailure>
    >()
    expect<Handlers["flash"]>().type.toBe<
      (
        source: Stream.Stream<Uint8Array, DriverFailure>,
        target: string | undefined
      ) => Effect.Effect<void, DriverFailure>
    >()
    expect<Handlers["dump"]>().type.toBe<
      (
        write: (bytes: Stream.Stream<Uint8Array, DriverFailure>) => Effect.Effect<void, DriverFailure>
      ) => Effect.Effect<void, DriverFailure>
    >()
    expect<Handlers["read"]>().type.toBe<(...rest: Array<"a" | "b">) => Stream.Stream<Reading, DriverFailure>>()
    expect<Handlers["connect"]>().type.toBe<
      Effect.Effect<ByteStream<DriverFailure>, DriverFailure, Scope.Scope>
    >()
  })

  it("are required, except those of optional methods", () => {
    const handlers = { on: () => Effect.void, off: () => Effect.void }
    expect(Driver.fromInterface).type.toBeCallableWith(Power.contract, handlers)
    expect(Driver.fromInterface).type.toBeCallableWith(Power.contract, { ...handlers, rescue: () => Effect.void })
    expect(Driver.fromInterface).type.not.toBeCallableWith(Power.contract, { on: () => Effect.void })
    expect(Driver.fromInterface).type.not.toBeCallableWith(Power.contract, { ...handlers, onn: () => Effect.void })
  })

  it("return the types of the schemas", () => {
    const off = () => Effect.void
    const on = () => Effect.void
    const read = () => Stream.make({ voltage: 5, current: 1 })
    expect(Driver.fromInterface).type.toBeCallableWith(Power.contract, { on, off, read })
    expect(Driver.fromInterface).type.not.toBeCallableWith(Power.contract, { on: () => Effect.fail("no"), off })
    expect(Driver.fromInterface).type.not.toBeCallableWith(Power.contract, { on: (_: number) => Effect.void, off })
    expect(Driver.fromInterface).type.not.toBeCallableWith(Power.contract, {
      on,
      off,
      read: () => Stream.make({ voltage: 5 })
    })
    expect(Driver.fromInterface).type.not.toBeCallableWith(Supply, { on })
  })
})

describe("a device", () => {
  class BoardPower extends Device.Tag("acme/BoardPower", Power.contract)<BoardPower>() {}
  class BoardFlasher extends Device.Tag("acme/BoardFlasher", Flasher.contract)<BoardFlasher>() {}

  it("is a service whose layer needs a connection", () => {
    expect(Effect.flatMap(BoardPower, (power) => power.on())).type.toBe<
      Effect.Effect<void, DriverCallError, BoardPower>
    >()
    expect(BoardPower.layer("power")).type.toBe<
      Layer.Layer<BoardPower, Device.DeviceError, ExporterConnection>
    >()
  })

  it("that is optional does not satisfy a requirement for the device", () => {
    expect(BoardPower.layerOptional("power")).type.toBe<
      Layer.Layer<never, Device.InterfaceMismatch, ExporterConnection>
    >()
    expect(Effect.serviceOption(BoardPower)).type.toBe<
      Effect.Effect<Option.Option<DriverInterface.Client<typeof Power.contract>>>
    >()
  })

  it("can be faked by some of its methods, with the right types", () => {
    expect(BoardPower.layerTest({ on: () => Effect.void })).type.toBe<Layer.Layer<BoardPower>>()
    expect(BoardPower.layerTest).type.toBeCallableWith({ read: () => Stream.make({ voltage: 5, current: 1 }) })
    expect(BoardPower.layerTest).type.not.toBeCallableWith({ read: () => Stream.make({ voltage: 5 }) })
    expect(BoardPower.layerTest).type.not.toBeCallableWith({ on: () => Effect.succeed(1).pipe(Effect.flip) })
    expect(BoardPower.layerTest).type.not.toBeCallableWith({ on: (_: number) => Effect.void })
    expect(BoardPower.layerTest).type.not.toBeCallableWith({ onn: () => Effect.void })
    expect(BoardFlasher.layerTest).type.toBeCallableWith({ flash: () => Effect.void })
  })
})
