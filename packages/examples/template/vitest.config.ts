import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // A board takes its time to boot.
    testTimeout: 120_000
  }
})
