import { ExporterConnection, Lease } from "@effect-jumpstarter/core"
import type { Controller, ExporterStatus } from "@effect-jumpstarter/core"
import type { ConfigError, Effect, Scope, Stream } from "effect"
import { Context, DateTime, Layer } from "effect"
import { describe, expect, it } from "tstyche"

type Failure =
  | Lease.LeaseError
  | Controller.ControllerError
  | ExporterConnection.ConnectError
  | ExporterStatus.HookFailed
  | ExporterStatus.StatusNotReached

declare const lease: Lease.HeldLease
declare const pending: Lease.PendingLease
class Gateway extends Context.Tag("Gateway")<Gateway, string>() {}

class Sensor extends Context.Tag("Sensor")<Sensor, string>() {}

class Logbook extends Context.Tag("Logbook")<Logbook, string>() {}

declare const declared: <A, E, R>() => Layer.Layer<A, E, R>

declare const Lab: Layer.Layer<Controller.Controller>

const request = { selector: "board=rpi4", duration: "30 minutes" } as const

describe("Lease", () => {
  it("requires a controller, and a scope that releases it", () => {
    expect(Lease.acquire(request)).type.toBe<
      Effect.Effect<Lease.HeldLease, Failure, Controller.Controller | Scope.Scope>
    >()
    expect(Lease.attach("one")).type.toBe<
      Effect.Effect<Lease.HeldLease, Failure, Controller.Controller | Scope.Scope>
    >()
    expect(Lease.request(request)).type.toBe<
      Effect.Effect<Lease.PendingLease, never, Controller.Controller | Scope.Scope>
    >()
    expect(pending.acquired).type.toBe<Effect.Effect<Lease.HeldLease, Failure>>()
    expect(pending.changes).type.toBe<Stream.Stream<Lease.LeaseState>>()
  })

  it("provides the connection as a layer", () => {
    expect(Lease.layer(request)).type.toBe<
      Layer.Layer<Lease.Lease | ExporterConnection.ExporterConnection, Failure, Controller.Controller>
    >()
    expect(Lease.toLayer(lease)).type.toBe<Layer.Layer<Lease.Lease | ExporterConnection.ExporterConnection>>()
    expect(ExporterConnection.layerEnvOr(Lease.layer(request).pipe(Layer.provide(Lab)))).type.toBe<
      Layer.Layer<ExporterConnection.ExporterConnection, Failure | ConfigError.ConfigError>
    >()
  })

  it("accepts a selector, an exporter, or both, and a duration", () => {
    expect(Lease.layer).type.toBeCallableWith({ exporterName: "rpi", duration: "1 hour" })
    expect(Lease.layer).type.toBeCallableWith({ exporterName: "rpi", selector: "a=b", duration: "1 hour" })
    expect(Lease.layer).type.not.toBeCallableWith({ duration: "1 hour" })
    expect(Lease.layer).type.not.toBeCallableWith({ selector: "a=b" })
    // A lease decides this itself.
    expect(Lease.layer).type.not.toBeCallableWith({ ...request, connect: { leased: false } })
  })

  it("acquires a record of leases", () => {
    expect(Lease.acquireAll({ gateway: request, sensor: { exporterName: "sensor", duration: "1 hour" } })).type.toBe<
      Effect.Effect<
        Readonly<Record<"gateway" | "sensor", Lease.HeldLease>>,
        Failure,
        Controller.Controller | Scope.Scope
      >
    >()
    expect(Lease.acquireAll).type.not.toBeCallableWith({ gateway: { ...request, beginTime: DateTime.unsafeMake(0) } })
    expect(Lease.acquireAll).type.not.toBeCallableWith({ gateway: {} })
  })

  it("provides the devices of several leases", () => {
    const members = {
      gateway: { request, devices: declared<Gateway, "no gateway", ExporterConnection.ExporterConnection>() },
      sensor: { request, devices: declared<Sensor, never, Lease.Lease | Logbook>() }
    }
    expect(Lease.layerAll(members)).type.toBe<
      Layer.Layer<Gateway | Sensor, Failure | "no gateway", Controller.Controller | Logbook>
    >()
    expect(Lease.layerAll).type.not.toBeCallableWith({ gateway: { devices: members.gateway.devices } })
  })

  it("ends without an error", () => {
    expect(lease.ended).type.toBe<Effect.Effect<Lease.LeaseEnded>>()
  })
})
