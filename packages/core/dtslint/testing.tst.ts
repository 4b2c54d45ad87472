import type { FileSystem } from "@effect/platform"
import { Effect, type Layer, type Scope } from "effect"
import { describe, expect, it } from "tstyche"
import type * as ExporterConnection from "../src/client/ExporterConnection.ts"
import type { ClientConfigError } from "../src/controller/ClientConfig.ts"
import type { Controller, ControllerError } from "../src/controller/Controller.ts"
import type { GrpcStatusError } from "../src/grpc/GrpcStatus.ts"
import type { Driver } from "../src/host/Driver.ts"
import type * as Exporter from "../src/host/Exporter.ts"
import * as Lease from "../src/lease/Lease.ts"
import type * as ExporterRegistration from "../src/registration/ExporterRegistration.ts"
import * as ControllerTest from "../src/testing/ControllerTest.ts"
import * as Faults from "../src/testing/Faults.ts"
import * as FaultyExporter from "../src/testing/FaultyExporter.ts"
import * as Recording from "../src/testing/Recording.ts"
import type * as GrpcChannel from "../src/transport/GrpcChannel.ts"
import type * as GrpcServer from "../src/transport/GrpcServer.ts"

declare const power: Driver

declare const bus: Driver<Bus>

class Bus {
  readonly _tag = "Bus"
}

class BusError {
  readonly _tag = "BusError"
}

declare const acquired: Effect.Effect<{ readonly power: Driver }, BusError, Bus | Scope.Scope>

type Faulty = FaultyExporter.FaultyExporter | ExporterConnection.ExporterConnection | GrpcChannel.GrpcChannel

describe("a faulty exporter", () => {
  it("is a layer of its control, and of the connection and the channel to it", () => {
    expect(FaultyExporter.layer({ power })).type.toBe<
      Layer.Layer<Faulty, ExporterConnection.ConnectError | Exporter.ResetError>
    >()
  })

  it("has the requirements of its drivers, except the scope", () => {
    expect(FaultyExporter.layer(acquired)).type.toBe<
      Layer.Layer<Faulty, ExporterConnection.ConnectError | Exporter.ResetError | BusError, Bus>
    >()
  })
})

describe("a controller", () => {
  it("is a layer without requirements, and may have no address to listen on", () => {
    expect(ControllerTest.layer()).type.toBe<
      Layer.Layer<
        ControllerTest.ControllerTest | Controller,
        GrpcServer.GrpcServerError | GrpcStatusError | ClientConfigError
      >
    >()
  })

  it("provides everything that a program needs that leases", () => {
    const program = Lease.acquire({ selector: "board=rpi4", duration: "1 hour" })
    expect(Effect.provide(program, ControllerTest.layer())).type.toBe<
      Effect.Effect<
        Lease.HeldLease,
        Lease.AcquireError | GrpcServer.GrpcServerError | GrpcStatusError | ClientConfigError,
        Scope.Scope
      >
    >()
  })

  it("hosts drivers whose services the test provides", () => {
    expect((lab: ControllerTest.Control) => lab.hostExporter("rpi", { power })).type.toBe<
      (lab: ControllerTest.Control) => Effect.Effect<
        ExporterRegistration.Registration,
        Exporter.ResetError | ControllerError,
        Scope.Scope
      >
    >()
    expect((lab: ControllerTest.Control) => lab.hostExporter("rpi", { power, bus })).type.toBe<
      (lab: ControllerTest.Control) => Effect.Effect<
        ExporterRegistration.Registration,
        Exporter.ResetError | ControllerError,
        Bus | Scope.Scope
      >
    >()
  })

  it("can fail for unknown names", () => {
    expect<ControllerTest.Control["expire"]>().type.toBe<
      (lease: string) => Effect.Effect<void, ControllerTest.UnknownObject>
    >()
  })
})

describe("a fault", () => {
  it("that corrupts the next message cannot happen after the RPC", () => {
    expect(Faults.corrupt).type.toBeCallableWith({ bytes: 3 })
    expect(Faults.corrupt).type.not.toBeCallableWith("after")
    expect(Faults.malform).type.not.toBeCallableWith("after")
  })

  it("fails with a code other than OK", () => {
    expect(Faults.fail).type.toBeCallableWith("INTERNAL", "no")
    expect(Faults.fail).type.not.toBeCallableWith("OK", "yes")
  })

  it("matches only existing kinds", () => {
    expect<Faults.Match>().type.toBeAssignableFrom<{ kind: "log" }>()
    expect<Faults.Match>().type.not.toBeAssignableFrom<{ kind: "phone" }>()
  })
})

describe("a recording", () => {
  it("requires files, and an exporter only to record", () => {
    expect(Recording.layerRecord("run.jsonl")).type.toBe<
      Layer.Layer<
        GrpcChannel.GrpcChannel,
        Recording.RecordingError,
        GrpcChannel.GrpcChannel | FileSystem.FileSystem
      >
    >()
    expect(Recording.layerReplay("run.jsonl")).type.toBe<
      Layer.Layer<GrpcChannel.GrpcChannel, Recording.RecordingError, FileSystem.FileSystem>
    >()
  })

  it("has polled calls without an occurrence", () => {
    expect(Recording.layerReplay).type.toBeCallableWith("run.jsonl", { polled: [{ driver: "board" }] })
    expect(Recording.layerReplay).type.not.toBeCallableWith("run.jsonl", { polled: [{ occurrence: 1 }] })
  })
})
