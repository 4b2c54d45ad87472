import { defineConfig } from "vitest/config"

// For failingBoard.ts alone, whose tests have to fail.
export default defineConfig({
  test: { include: ["packages/core/test/support/failingBoard.ts"], maxWorkers: 1, minWorkers: 1 }
})
