import { availableParallelism } from "node:os"
import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"

// Vitest's own choice is one worker fewer than there are cores. Most tests wait for processes and sockets.
const workers = availableParallelism() + 1

const everything = "packages/*/test/**/*.test.ts"
const interoperation = "packages/*/test/interop/**/*.test.ts"

// The files that take longest, longest first. They start first, so that no worker starts one when the others are nearly done; the
// size of a file, by which Vitest orders them, says nothing about a suite that is imported. `npm run test:quick` leaves them out.
const longest = [
  "core/test/interop/behaviour",
  "core/test/suite/behaviourTunnel",
  "core/test/suite/faults/faults",
  "core/test/suite/behaviourNiceGrpc",
  "core/test/testing/BenchRecordPage",
  "core/test/interop/faults",
  "core/test/resource/ContentEncoding",
  "core/test/suite/blockedSenders",
  "core/test/interop/tunnel",
  "core/test/transport/GrpcChannel",
  "core/test/suite/behaviourUnix",
  "core/test/host/hostile",
  "core/test/registration/hostile",
  "core/test/transport/protocolMistakes",
  "core/test/lease/simulation",
  "core/test/interop/conformance",
  "core/test/suite/behaviourTcp",
  "core/test/lease/watch",
  "examples/test/examples",
  "core/test/suite/behaviourTls",
  "core/test/testing/transparent",
  "core/test/interop/controller",
  "core/test/interop/boards",
  "core/test/suite/behaviourRegistered",
  "core/test/suite/behaviourDuplex",
  "core/test/lease/heldLease",
  "core/test/interop/registration",
  "core/test/interop/pythonClient",
  "core/test/interop/networks",
  "core/test/interop/power",
  "core/test/interop/vehicles",
  "core/test/interop/drivers",
  "core/test/client/ExporterConnectionStatus",
  "core/test/suite/behaviourMemory",
  "core/test/transport/fairness",
  "core/test/controller/tokenFile",
  "core/test/controller/routerTunnel",
  "core/test/resource/ResourceFiles",
  "core/test/client/running",
  "core/test/resource/codecPackages",
  "core/test/lease/leaseSet",
  "core/test/transport/answers",
  "core/test/interop/replayBoard",
  "core/test/transport/GrpcServer",
  "core/test/suite/faults/leases",
  "core/test/registration/simulation",
  "core/test/registration/lending",
  "core/test/host/log",
  "examples/test/benchPage",
  "core/test/lease/Lease",
  "core/test/drivers/Opendal",
  "core/test/registration/hook",
  "core/test/registration/lifecycle",
  "core/test/client/LogStream",
  "core/test/grpc/exitStatus",
  "core/test/client/ConnectionState",
  "core/test/testing/Recording",
  "core/test/controller/Controller",
  "examples/test/flakyLab",
  "cli/test/commands",
  "cli/test/devices",
  "cli/test/lab",
  "core/test/contract/hover",
  "core/test/resource/ProgressBar",
  "core/test/transport/GrpcServerOptions",
  "core/test/suite/secrets",
  "core/test/lease/lastWords",
  "cli/test/target",
  "core/test/resource/Resource",
  "core/test/testing/FaultsLoss",
  "core/test/testing/BenchRecord",
  "core/test/suite/loss"
].map((name) => `packages/${name}.test.ts`)

class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    const place = ({ moduleId }: TestSpecification) => {
      const index = longest.findIndex((name) => moduleId.endsWith(`/${name}`))
      return index === -1 ? longest.length : index
    }
    return (await super.sort(files)).sort((one, other) => place(one) - place(other))
  }
}

const unit = {
  extends: true,
  test: {
    name: "unit",
    include: [everything],
    exclude: [interoperation, ...(process.env["TEST_QUICK"] === undefined ? [] : longest)],
    testTimeout: 30_000
  }
} as const

// Needs JUMPSTARTER_PYTHON: run through scripts/test.mjs. A Python process takes a second or two to start.
const interop = {
  extends: true,
  test: { name: "interop", include: [interoperation], testTimeout: 60_000, hookTimeout: 60_000 }
} as const

// Vitest runs one project after the other, each with workers and compiled modules of its own.
const both = { extends: true, test: { ...interop.test, name: "both", include: [everything] } } as const

export default defineConfig({
  test: {
    pool: "forks",
    // The files of a worker share its process and its modules, which are loaded once: loading effect and this library takes
    // longer than most files run. What is left in a process by one file meets the next one, so a test restores what it changes.
    isolate: false,
    maxWorkers: workers,
    // Vitest 3 ends shared workers that are idle, twice, and the second time rejects a promise that nobody awaits: the run ends
    // without the results of the other workers. With `minWorkers` equal to `maxWorkers` it ends none of them.
    minWorkers: workers,
    sequence: { sequencer: LongestFirst },
    globalSetup: ["./packages/core/test/support/programs.ts"],
    setupFiles: ["./vitest.setup.ts"],
    projects: process.env["TEST_BOTH"] === undefined ? [unit, interop] : [both]
  }
})
