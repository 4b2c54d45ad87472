import { Device, Driver } from "@effect-jumpstarter/core"
import { ExporterTest } from "@effect-jumpstarter/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import ts from "typescript"

const fan = Driver.make({
  client: "acme_drivers.client.FanClient",
  description: "The fan */ of the board",
  methodsDescription: { set_speed: "Sets the \"speed\".\nIn percent.", "spin-up": "Spins up." },
  methods: {},
  children: { power: Driver.make({ client: "jumpstarter_driver_power.client.PowerClient", methods: {} }) }
})

const exporter = ExporterTest.layer({
  cooling: Driver.make({
    client: "jumpstarter_driver_composite.client.CompositeClient",
    methods: {},
    children: { fan }
  })
})

describe("Device.skeleton", () => {
  it.effect("has the label, and the methods that the exporter describes", () =>
    Effect.gen(function*() {
      const text = yield* Device.skeleton("cooling.fan")
      assert.strictEqual(
        text,
        `import { DriverInterface, DriverMethod } from "@effect-jumpstarter/core"

// The driver cooling.fan, as its exporter reports it.
// A report has only the methods that are described, and neither their arguments nor their results: complete them with the
// driver's source. See "Writing a contract" in docs/drivers.md.
// Its children have contracts of their own: power (jumpstarter_driver_power.client.PowerClient).

/** The fan * / of the board */
export const Fan = DriverInterface.make("acme_drivers.client.FanClient", {
  /** Sets the "speed". In percent. */
  set_speed: DriverMethod.call({ documentation: "Sets the \\"speed\\".\\nIn percent." }),
  /** Spins up. */
  "spin-up": DriverMethod.call({ documentation: "Spins up." })
})

export interface Fan extends DriverInterface.Client<typeof Fan> {}
`
      )
    }).pipe(Effect.provide(exporter)))

  it.effect("is TypeScript, whatever the names are", () =>
    Effect.gen(function*() {
      for (const path of ["", "cooling"]) {
        const text = yield* Device.skeleton(path)
        const { diagnostics } = ts.transpileModule(text, { reportDiagnostics: true })
        assert.deepStrictEqual(diagnostics, [])
        assert.match(text, /export const Composite = DriverInterface\.make\("[\w.]+", \{\}\)/)
      }
    }).pipe(Effect.provide(exporter)))

  it.effect("fails for a path without a driver", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Device.skeleton("heating"))
      assert.strictEqual(error._tag, "DriverNotFound")
    }).pipe(Effect.provide(exporter)))
})
