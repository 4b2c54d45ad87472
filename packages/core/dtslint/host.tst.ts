import { Context, Effect, type Layer, type Scope, Stream } from "effect"
import { describe, expect, it } from "tstyche"
import type * as DriverClient from "../src/client/DriverClient.ts"
import type * as ExporterConnection from "../src/client/ExporterConnection.ts"
import * as Flasher from "../src/drivers/Flasher.ts"
import * as Network from "../src/drivers/Network.ts"
import * as Power from "../src/drivers/Power.ts"
import * as Driver from "../src/host/Driver.ts"
import * as Exporter from "../src/host/Exporter.ts"
import type { ByteStream } from "../src/protocol/ByteStream.ts"
import type * as DriverError from "../src/protocol/DriverError.ts"
import type { DriverFailure } from "../src/protocol/DriverFailure.ts"
import type { JsonValue } from "../src/protocol/ProtobufValue.ts"
import * as Resource from "../src/resource/Resource.ts"
import * as ExporterTest from "../src/testing/ExporterTest.ts"
import * as FaultyExporter from "../src/testing/FaultyExporter.ts"
import type { GrpcChannel } from "../src/transport/GrpcChannel.ts"
import type { GrpcServerError } from "../src/transport/GrpcServer.ts"

class PortError {
  readonly _tag = "PortError"
}

class Bus {
  readonly _tag = "Bus"
}

declare const driver: Driver.Driver
declare const acquired: Effect.Effect<Driver.Driver, PortError, Bus | Scope.Scope>
declare const client: DriverClient.DriverClient

class Relay extends Context.Tag("Relay")<Relay, { readonly set: (closed: boolean) => Effect.Effect<void> }>() {}

const on = () => Effect.flatMap(Relay, (relay) => relay.set(true))
const off = () => Effect.void
const sample = () => Stream.fromEffect(Effect.as(Bell, { voltage: 5, current: 1 }))

class Bell extends Context.Tag("Bell")<Bell, Effect.Effect<void>>() {}

declare const openPort: Effect.Effect<ByteStream<DriverFailure>, DriverFailure, Bell | Scope.Scope>

describe("a driver", () => {
  it("has the requirements of its handlers, its reset and its children", () => {
    expect(Driver.fromInterface(Power.contract, { on: off, off })).type.toBe<Driver.Driver>()
    const power = Driver.fromInterface(Power.contract, { on, off, read: sample })
    expect(power).type.toBe<Driver.Driver<Relay | Bell>>()
    expect(Driver.fromInterface(Network.contract, { connect: openPort })).type.toBe<Driver.Driver<Bell>>()
    const echo = Driver.streamTransform((input) => Stream.tap(input, () => Effect.flatten(Bell)))
    expect(echo).type.toBe<Driver.DriverHandler<Bell>>()
    expect(Driver.stream(openPort)).type.toBe<Driver.DriverHandler<Bell>>()
    expect(Driver.make({ client: "a", methods: { on: Driver.call(on), echo, off: Driver.call(off) } })).type.toBe<
      Driver.Driver<Relay | Bell>
    >()
    expect(Driver.make({ client: "a", reset: on(), children: { power } })).type.toBe<Driver.Driver<Relay | Bell>>()
    expect(Driver.make({ client: "a", reset: on() })).type.toBe<Driver.Driver<Relay>>()
    expect(Driver.fromInterface(Power.contract, { on: off, off }, { reset: on() })).type.toBe<Driver.Driver<Relay>>()
    expect(Driver.composite({ a: driver, b: Driver.make({ client: "b", reset: on() }) })).type.toBe<
      Driver.Driver<Relay>
    >()
    expect(Driver.composite({})).type.toBe<Driver.Driver>()
  })

  it("keeps the parameters of its handlers, and rejects handlers outside the contract", () => {
    Driver.fromInterface(Flasher.contract, {
      flash: (source, target) => {
        expect(target).type.toBe<string | undefined>()
        return Effect.zipRight(on(), Stream.runDrain(source))
      },
      dump: (write) => write(Stream.empty)
    })
    // @ts-expect-error: is not assignable to type '"the contract has no such method"'
    Driver.fromInterface(Power.contract, { on, off, onn: on })
  })

  it("does not provide a scope to calls", () => {
    const leak = () => Effect.asVoid(Effect.scope)
    // @ts-expect-error: a call has no scope
    Driver.call(leak)
    // @ts-expect-error: a call has no scope
    Driver.fromInterface(Power.contract, { on: leak, off })
    expect(Driver.call(() => Effect.scoped(leak()))).type.toBe<Driver.DriverHandler>()
  })
})

describe("an exporter", () => {
  const power = Driver.fromInterface(Power.contract, { on, off })

  it("requires its handlers' services when it is made", () => {
    expect(Exporter.make(power)).type.toBe<Effect.Effect<Exporter.Exporter, Exporter.ResetError, Relay | Scope.Scope>>()
    expect(ExporterTest.layer({ power, driver })).type.toBe<
      Layer.Layer<ExporterConnection.ExporterConnection, ExporterConnection.ConnectError, Relay>
    >()
    expect(FaultyExporter.layer(Effect.all({ power: Effect.succeed(power), acquired }))).type.toBe<
      Layer.Layer<
        FaultyExporter.FaultyExporter | ExporterConnection.ExporterConnection | GrpcChannel,
        ExporterConnection.ConnectError | Exporter.ResetError | PortError,
        Relay | Bus
      >
    >()
  })

  it("is served while its layer lives", () => {
    type Failure = Exporter.ResetError | GrpcServerError
    expect(Exporter.layer({ driver }, { path: "/s" })).type.toBe<Layer.Layer<Exporter.ServedExporter, Failure>>()
    expect(Exporter.layer({ power }, { path: "/s" })).type.toBe<Layer.Layer<Exporter.ServedExporter, Failure, Relay>>()
    expect(Exporter.layer(Effect.all({ a: acquired, b: Effect.succeed(power) }), { path: "/s" })).type.toBe<
      Layer.Layer<Exporter.ServedExporter, Failure | PortError, Relay | Bus>
    >()
    expect(Exporter.layer).type.toBeCallableWith({ driver }, { path: "/s", mode: 0o660 }, { motd: "hello" })
  })
})

describe("Exporter.make", () => {
  it("fails only with ResetError", () => {
    expect(Exporter.make(driver)).type.toBe<Effect.Effect<Exporter.Exporter, Exporter.ResetError, Scope.Scope>>()
  })
})

describe("ExporterTest.layer", () => {
  it("of drivers can replace other connections", () => {
    expect(ExporterTest.layer({ driver })).type.toBe<
      Layer.Layer<ExporterConnection.ExporterConnection, ExporterConnection.ConnectError>
    >()
  })

  it("of acquired drivers keeps their errors and requirements, and provides their scope", () => {
    expect(ExporterTest.layer(Effect.all({ a: acquired, b: Effect.succeed(driver) }))).type.toBe<
      Layer.Layer<ExporterConnection.ExporterConnection, ExporterConnection.ConnectError | PortError, Bus>
    >()
  })
})

describe("Resource.presigned", () => {
  it("is accepted as an argument", () => {
    expect(client.call("flash", Resource.presigned("https://images.example/"))).type.toBe<
      Effect.Effect<JsonValue, DriverError.DriverCallError>
    >()
    expect(Resource.presigned).type.not.toBeCallableWith("https://images.example/", { method: "POST" })
  })
})
