// A lab for hours in memory: hundreds of programs lease boards and sets of boards, while what they need is lost at times. A run can be
// repeated with its `SIMULATION_SEED`, and made longer with `SIMULATION_CLIENTS` and `SIMULATION_HOURS`.
import { describe, it } from "@effect/vitest"
import { assertTrue, deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import type { Holding } from "../../src/testing/ControllerTest.ts"
import * as leaseSimulation from "../support/leaseSimulation.ts"

const { SIMULATION_CLIENTS, SIMULATION_HOURS, SIMULATION_SEED } = process.env

const seed = Number(SIMULATION_SEED ?? Math.floor(Math.random() * 1e9))

const size: leaseSimulation.Size = {
  exporters: 300,
  kinds: 30,
  clients: Number(SIMULATION_CLIENTS ?? 500),
  hours: Number(SIMULATION_HOURS ?? 2)
}

/** The periods in which somebody had an exporter that somebody else had already. */
const overlaps = (holdings: ReadonlyArray<Holding>): ReadonlyArray<Holding> => {
  const latest = new Map<string, number>()
  return [...holdings].sort((a, b) => a.from - b.from).filter(({ exporter, from, until = Infinity }) => {
    const before = latest.get(exporter) ?? 0
    latest.set(exporter, Math.max(before, until))
    return from < before
  })
}

describe("500 programs that lease 300 exporters, alone, in pairs and in threes, with losses", () => {
  it.live(`are all served, and leave nothing behind (SIMULATION_SEED=${seed})`, () =>
    Effect.gen(function*() {
      const { exporters, failed, givenBack, holdings, leases, lines, served, used } = yield* leaseSimulation.run(
        seed,
        size
      )
      strictEqual(served, size.clients)
      deepStrictEqual(overlaps(holdings), [])
      deepStrictEqual(leases.filter(({ ended, reason }) => !ended || reason !== "Released"), [])
      deepStrictEqual(holdings.filter(({ until }) => until === undefined), [])
      deepStrictEqual(exporters.filter(({ lease, status }) => lease !== undefined || status !== "AVAILABLE"), [])
      deepStrictEqual(lines.filter((line) => line.includes("could not be released")), [])
      // Of a hundred leases that are used, at most one is requested in vain, and at most one is held in vain.
      const vain = leases.length - used - failed
      assertTrue(vain <= used / 100, `${vain} leases were requested in vain, and ${used} were used`)
      assertTrue(givenBack <= used / 100, `${givenBack} leases were released for want of others, and ${used} were used`)
    }), 600_000)
})
