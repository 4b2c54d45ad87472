import { Context, Effect, type Scope } from "effect"
import { describe, expect, it } from "tstyche"
import * as ExporterConnection from "../src/client/ExporterConnection.ts"
import type { ControllerError } from "../src/controller/Controller.ts"
import type { Driver } from "../src/host/Driver.ts"
import type * as Exporter from "../src/host/Exporter.ts"
import type { HookFailed } from "../src/protocol/ExporterStatus.ts"
import * as ExporterRegistration from "../src/registration/ExporterRegistration.ts"

class Bus extends Context.Tag("Bus")<Bus, { readonly send: Effect.Effect<void> }>() {}

declare const power: Driver

declare const wired: Driver<Bus>

declare const scoped: Effect.Effect<{ readonly power: Driver }, "NoAdapter", Scope.Scope>

describe("ExporterRegistration", () => {
  it("requires the identity, and what drivers and hooks require", () => {
    expect(ExporterRegistration.run({ drivers: { power } })).type.toBe<
      Effect.Effect<void, Exporter.ResetError | ControllerError | HookFailed, ExporterRegistration.Identity>
    >()
    expect(ExporterRegistration.run({ drivers: { wired } })).type.toBe<
      Effect.Effect<void, Exporter.ResetError | ControllerError | HookFailed, Bus | ExporterRegistration.Identity>
    >()
  })

  it("gives drivers the scope of their lease, and fails as they do", () => {
    expect(ExporterRegistration.run({ drivers: scoped })).type.toBe<
      Effect.Effect<
        void,
        "NoAdapter" | Exporter.ResetError | ControllerError | HookFailed,
        ExporterRegistration.Identity
      >
    >()
  })

  it("gives hooks the drivers and the lease", () => {
    const run = Effect.gen(function*() {
      const lease = yield* ExporterRegistration.CurrentLease
      yield* Effect.log(lease.client)
      yield* Effect.flatMap(ExporterConnection.driver("power"), (power) => power.call("off"))
      yield* Effect.flatMap(Bus, ({ send }) => send)
    })
    expect(ExporterRegistration.run({ drivers: { power }, hooks: { afterLease: { run } } })).type.toBe<
      Effect.Effect<void, Exporter.ResetError | ControllerError | HookFailed, Bus | ExporterRegistration.Identity>
    >()
  })
})
