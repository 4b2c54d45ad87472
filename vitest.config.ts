import { availableParallelism } from "node:os"
import { defineConfig } from "vitest/config"

const interop = "packages/*/test/interop/**/*.test.ts"

export default defineConfig({
  test: {
    pool: "forks",
    // Vitest's own choice is one worker fewer than there are cores. Most tests wait for processes and sockets.
    maxWorkers: availableParallelism() + 1,
    setupFiles: ["./vitest.setup.ts"],
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["packages/*/test/**/*.test.ts"],
          exclude: [interop],
          testTimeout: 30_000
        }
      },
      {
        extends: true,
        test: {
          // Needs JUMPSTARTER_PYTHON: run through scripts/test.mjs. A Python process takes a second or two to start.
          name: "interop",
          include: [interop],
          testTimeout: 60_000,
          hookTimeout: 60_000
        }
      }
    ]
  }
})
