// The largest tree of drivers: its report is one gRPC message of 4 MiB.
import { Driver, Exporter, ExporterConnection } from "@effect-jumpstarter/core"
import { assert, it } from "@effect/vitest"
import { Cause, Effect, Exit, Option } from "effect"
import * as temporary from "../support/temporary.ts"

const maxBytes = 4 * 1024 * 1024

const device = (description: number) =>
  Driver.make({ client: "acme.Device", description: "d".repeat(description), methods: {} })

const deathOf = (description: number) =>
  Effect.map(
    Effect.exit(Effect.scoped(Exporter.make(device(description)))),
    (exit) => Exit.isFailure(exit) ? Cause.pretty(exit.cause) : ""
  )

it.scopedLive("a report of exactly 4 MiB reaches clients, and an exporter with a byte more dies and says why", () =>
  Effect.gen(function*() {
    const others = Number(/has (\d+) bytes/.exec(yield* deathOf(maxBytes))?.[1]) - maxBytes
    const largest = maxBytes - others

    const exporter = yield* Exporter.make(device(largest))
    const endpoint = yield* Exporter.serve(exporter, { path: `${yield* temporary.directory}/s` })
    const { root } = yield* ExporterConnection.fromEndpoint(endpoint)
    assert.strictEqual(Option.getOrElse(root.description, () => "").length, largest)

    assert.include(
      yield* deathOf(largest + 1),
      `has ${maxBytes + 1} bytes, and the protocol allows at most ${maxBytes}`
    )
  }))
