import { defineConfig } from "vitest/config"

const interop = "packages/*/test/interop/**/*.test.ts"

export default defineConfig({
  test: {
    pool: "forks",
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
