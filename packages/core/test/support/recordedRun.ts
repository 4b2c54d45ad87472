// A program with a record, whose driver never answers the last call: `recordedRun.mjs DIRECTORY`. A test kills it.
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as ExporterConnection from "../../src/client/ExporterConnection.ts"
import * as Driver from "../../src/host/Driver.ts"
import * as BenchRecord from "../../src/testing/BenchRecord.ts"
import * as ExporterTest from "../../src/testing/ExporterTest.ts"

const board = Driver.make({
  client: "test.client.Board",
  methods: {
    login: Driver.call(() => Effect.succeed("welcome")),
    read: Driver.streamingCall(() => Stream.range(1, 100)),
    hang: Driver.call(() => Effect.never)
  }
})

const program = Effect.gen(function*() {
  const board = yield* ExporterConnection.driver("board")
  yield* board.call("login", { password: "correct-horse-battery-staple" })
  yield* Stream.runDrain(board.streamingCall("read"))
  yield* board.call("hang")
})

await Effect.runPromise(
  program.pipe(
    Effect.provide(ExporterTest.layer({ board })),
    Effect.provide(BenchRecord.layer({ directory: process.argv[2] ?? "", name: "killed", keep: "failed" })),
    Effect.provide(NodeFileSystem.layer)
  )
)
