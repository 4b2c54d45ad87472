// The conformance suite of gRPC and Connect against both transports, the channel in memory, and the server. The files in
// `conformance` are what it drives.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { errorPages } from "../conformance/errorPages.ts"
import { excuses, judge } from "../conformance/excuses.ts"
import * as suite from "../conformance/suite.ts"

const client = (transport: keyof typeof excuses) =>
  ({
    mode: "client",
    program: ["conformanceClient", transport],
    tls: transport !== "memory",
    clientCertificates: transport !== "memory"
  }) satisfies suite.Run

// What is left out answers by hand, as no handler can.
const inMemory = [
  "Basic/**",
  "Client Cancellation/**",
  "Deadline Propagation/**",
  "Duplicate Metadata/**",
  "Errors/**",
  "Timeouts/**"
]

const runs: Record<keyof typeof excuses, suite.Run & { readonly total: number }> = {
  http2: { ...client("http2"), total: 348 },
  "grpc-js": { ...client("grpc-js"), total: 348 },
  memory: { ...client("memory"), only: inMemory, total: 174 },
  server: { mode: "server", program: ["conformanceServer"], tls: true, clientCertificates: false, total: 304 }
}

// scripts/test.mjs says why, where it cannot run.
describe.skipIf(suite.directory === undefined)("the conformance suite of gRPC", () => {
  for (const side of ["http2", "grpc-js", "memory", "server"] as const) {
    it.live(`has nothing against ${side}`, () =>
      Effect.gen(function*() {
        const { total, ...run } = runs[side]
        const report = yield* suite.run(run)
        assert.deepStrictEqual(judge(report.complaints, excuses[side]), { wrong: [], idle: [] })
        // Fewer would hide what is not looked at any more.
        assert.strictEqual(report.total, total)
      }))
  }

  for (const transport of ["http2", "grpc-js"] as const) {
    it.live(`has nothing against what ${transport} makes of error pages`, () =>
      Effect.gen(function*() {
        const { complaints, total } = yield* suite.run({
          ...client(transport),
          clientCertificates: false,
          cases: errorPages
        })
        assert.deepStrictEqual(complaints, [])
        assert.strictEqual(total, 2 * errorPages.testCases.length)
      }))
  }
})
