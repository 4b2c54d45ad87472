// A lab for hours in memory: programs lease boards and sets of boards, while what they need is lost at times. These are small runs from
// fixed seeds; `npm run soak -- --only=simulation` makes large ones from random seeds, which `SIMULATION_SEED` repeats here.
import { describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as leaseSimulation from "../support/leaseSimulation.ts"

const { SIMULATION_CLIENTS, SIMULATION_HOURS, SIMULATION_SEED } = process.env

const small: leaseSimulation.Size = { exporters: 50, kinds: 5, clients: 80, hours: 2 }

const full: leaseSimulation.Size = {
  ...leaseSimulation.fullSize,
  clients: Number(SIMULATION_CLIENTS ?? leaseSimulation.fullSize.clients),
  hours: Number(SIMULATION_HOURS ?? leaseSimulation.fullSize.hours)
}

const runs = SIMULATION_SEED === undefined
  ? [1, 2].map((seed) => ({ seed, size: small }))
  : [{ seed: Number(SIMULATION_SEED), size: full }]

describe("programs that lease exporters, alone, in pairs and in threes, with losses", () => {
  for (const { seed, size } of runs) {
    it.live(
      `are all served, and leave nothing behind (${size.clients} programs, ${size.exporters} exporters, seed ${seed})`,
      () =>
        Effect.gen(function*() {
          deepStrictEqual(leaseSimulation.problems(yield* leaseSimulation.run(seed, size), size), [])
        }),
      600_000
    )
  }
})
