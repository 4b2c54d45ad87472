// A Python exporter from before the status calls (protocol.md 9.5).
import { it } from "@effect/vitest"
import { deepStrictEqual, strictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import * as Endpoint from "../../src/grpc/Endpoint.ts"
import * as process from "../support/process.ts"
import * as python from "../support/python.ts"

it.scopedLive("an exporter without GetStatus counts as ready", () =>
  Effect.gen(function*() {
    const { ready } = yield* process.start(python.exporter(), ["--no-status", "--status", "AVAILABLE"])
    const connection = yield* ExporterConnection.fromEndpoint(Endpoint.unix(ready.unix))
    const status = yield* connection.status
    deepStrictEqual([status.status, status.version], ["LEASE_READY", Option.none()])
    strictEqual((yield* connection.awaitReady).status, "LEASE_READY")
    deepStrictEqual(yield* Effect.flatMap(connection.driver("probe"), (probe) => probe.call("echo", 1)), [1])
  }))
