// What answers of the controller mean for a lease: the conditions that it was seen to set.
import type { Lease } from "@effect-jumpstarter/proto/jumpstarter/client/v1/client"
import { describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as records from "../../src/controller/records.ts"
import * as reading from "../../src/lease/reading.ts"
import * as fake from "../support/fakeController.ts"

const { Reading } = reading

const condition = (type: string, status: boolean, reason: string, message = "why") => ({
  type,
  status: status ? "True" : "False",
  reason,
  message,
  observedGeneration: 1n,
  lastTransitionTime: undefined
})

const at = (seconds: number) => ({ seconds: BigInt(seconds), nanos: 0 })

const pending = condition("Pending", true, "NotReady")

const read = (fields: Partial<Lease>) => reading.of(records.leaseOf(fake.lease(fields)), "c1")

type Case = readonly [string, Partial<Lease>, reading.Reading]

describe("an answer says of a lease", () => {
  const cases: ReadonlyArray<Case> = [
    ["that nobody has looked at it", {}, Reading.Requested()],
    [
      "that it begins later, while there are no conditions",
      { beginTime: at(60) },
      Reading.Scheduled({ begins: DateTime.unsafeMake(60_000) })
    ],
    ...(["Offline", "NotAvailable", "NotReady"] as const).map((reason): Case => [
      `that it waits, with the reason ${reason}`,
      { conditions: [condition("Pending", true, reason)], beginTime: at(60) },
      Reading.Waiting({ reason, message: `${reason}: why` })
    ]),
    [
      "that it waits for a reason that is new",
      { conditions: [condition("Pending", true, "OutToLunch")] },
      Reading.Waiting({ reason: "Other", message: "OutToLunch: why" })
    ],
    [
      "that it is ready, with Pending as it was",
      { conditions: [pending, condition("Ready", true, "Ready")], exporter: "namespaces/lab/exporters/e1" },
      Reading.Ready({ exporter: "e1" })
    ],
    ...(["Unsatisfiable", "Invalid"] as const).map((reason): Case => [
      `that it is ${reason}`,
      { conditions: [pending, condition(reason, true, "NoAccess")] },
      Reading.Refused({ reason, message: "NoAccess: why" })
    ]),
    [
      "that it has expired, and when",
      { conditions: [pending, condition("Ready", false, "Expired")], effectiveEndTime: at(9) },
      Reading.Over({ how: "Expired", message: "why", at: Option.some(DateTime.unsafeMake(9000)) })
    ],
    [
      "that it was released before it began, which has no time",
      { conditions: [pending, condition("Ready", false, "Released")] },
      Reading.Over({ how: "Deleted", message: "why", at: Option.none() })
    ],
    [
      "that it is over for a reason that is new",
      { conditions: [condition("Ready", false, "Evicted")] },
      Reading.Over({ how: "Deleted", message: "Evicted: why", at: Option.none() })
    ],
    [
      "that it is over, without a word",
      { conditions: [condition("Ready", false, "Released", "")] },
      Reading.Over({ how: "Deleted", message: "Released", at: Option.none() })
    ],
    [
      "that it is over, by its end alone",
      { effectiveEndTime: at(9) },
      Reading.Over({
        how: "Expired",
        message: "it has an end in the past",
        at: Option.some(DateTime.unsafeMake(9000))
      })
    ],
    [
      "that it is another client's, ready or not",
      {
        client: "namespaces/lab/clients/c2",
        conditions: [condition("Ready", true, "Ready")],
        exporter: "namespaces/lab/exporters/e1"
      },
      Reading.Over({ how: "Transferred", message: "it belongs to the client c2 now", at: Option.none() })
    ],
    [
      "with control characters made visible",
      { conditions: [condition("Pending", true, "Offline", "\u001b[2J")] },
      Reading.Waiting({ reason: "Offline", message: "Offline: \\x1b[2J" })
    ]
  ]
  for (const [what, fields, expected] of cases) {
    it(what, () => deepStrictEqual(read(fields), expected))
  }
})

describe("the time that is left", () => {
  const left = (fields: Partial<Lease>) =>
    Option.map(reading.remaining(records.leaseOf(fake.lease(fields))), Duration.toMillis)
  const held = {
    duration: at(600),
    effectiveDuration: { seconds: 100n, nanos: 5e8 },
    effectiveBeginTime: at(1_000_000)
  }

  it("is unknown before the begin", () => deepStrictEqual(left({ duration: at(600) }), Option.none()))

  it("is the duration less what has passed, and less a second", () => deepStrictEqual(left(held), Option.some(498_500)))

  it("is never less than nothing", () => deepStrictEqual(left({ ...held, effectiveDuration: at(700) }), Option.some(0)))

  it("is less where the begin was asked for, and the exporter came later", () =>
    deepStrictEqual(left({ ...held, beginTime: at(1_000_000 - 200) }), Option.some(298_500)))

  it("is less where the end was asked for", () =>
    deepStrictEqual(left({ ...held, endTime: at(1_000_000 + 150) }), Option.some(48_500)))

  it("is not more for an end that is later", () =>
    deepStrictEqual(left({ ...held, endTime: at(1_000_000 + 9000) }), Option.some(498_500)))
})
