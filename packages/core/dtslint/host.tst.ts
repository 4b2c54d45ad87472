import { Effect, type Layer, type Scope } from "effect"
import { describe, expect, it } from "tstyche"
import type * as DriverClient from "../src/client/DriverClient.ts"
import type * as ExporterConnection from "../src/client/ExporterConnection.ts"
import type * as Driver from "../src/host/Driver.ts"
import * as Exporter from "../src/host/Exporter.ts"
import type * as DriverError from "../src/protocol/DriverError.ts"
import type { JsonValue } from "../src/protocol/ProtobufValue.ts"
import * as Resource from "../src/resource/Resource.ts"
import * as ExporterTest from "../src/testing/ExporterTest.ts"

class PortError {
  readonly _tag = "PortError"
}

class Bus {
  readonly _tag = "Bus"
}

declare const driver: Driver.Driver
declare const acquired: Effect.Effect<Driver.Driver, PortError, Bus | Scope.Scope>
declare const client: DriverClient.DriverClient

describe("Exporter.make", () => {
  it("fails with a reset only", () => {
    expect(Exporter.make(driver)).type.toBe<Effect.Effect<Exporter.Exporter, Exporter.ResetError, Scope.Scope>>()
  })
})

describe("ExporterTest.layer", () => {
  it("of drivers is exchangeable with other connections", () => {
    expect(ExporterTest.layer({ driver })).type.toBe<
      Layer.Layer<ExporterConnection.ExporterConnection, ExporterConnection.ConnectError>
    >()
  })

  it("of acquired drivers keeps their errors and requirements, and takes care of their scope", () => {
    expect(ExporterTest.layer(Effect.all({ a: acquired, b: Effect.succeed(driver) }))).type.toBe<
      Layer.Layer<ExporterConnection.ExporterConnection, ExporterConnection.ConnectError | PortError, Bus>
    >()
  })
})

describe("Resource.presigned", () => {
  it("is an argument like any other", () => {
    expect(client.call("flash", Resource.presigned("https://images.example/"))).type.toBe<
      Effect.Effect<JsonValue, DriverError.DriverCallError>
    >()
    expect(Resource.presigned).type.not.toBeCallableWith("https://images.example/", { method: "POST" })
  })
})
