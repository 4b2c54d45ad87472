import { ExporterStatus as Wire } from "@effect-jumpstarter/proto/jumpstarter/v1/common"
import { assert, describe, it } from "@effect/vitest"
import * as ExporterStatus from "../src/ExporterStatus.ts"

const statuses = ExporterStatus.ExporterStatus.literals

describe("ExporterStatus", () => {
  it.each(statuses)("%s has the number of the protocol", (status) => {
    assert.strictEqual(ExporterStatus.toNumber(status), Wire[`EXPORTER_STATUS_${status}`])
    assert.strictEqual(ExporterStatus.fromNumber(Wire[`EXPORTER_STATUS_${status}`]), status)
  })

  it.each([-1, 8, 1_000, 0.5, NaN])("takes %d, which no version defines yet, for unspecified", (number) => {
    assert.strictEqual(ExporterStatus.fromNumber(number), "UNSPECIFIED")
  })

  it("admits driver calls while leased, during hooks, and when in doubt", () => {
    assert.deepStrictEqual(
      statuses.filter(ExporterStatus.admitsDriverCalls),
      ["UNSPECIFIED", "BEFORE_LEASE_HOOK", "LEASE_READY", "AFTER_LEASE_HOOK"]
    )
  })
})
