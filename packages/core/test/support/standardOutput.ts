// A program that writes to the path of its first argument: twenty lines, each in its own transfer. With a second argument,
// it writes more than fits without a reader, and gives up.
import { Resource } from "@effect-jumpstarter/core"
import { NodeFileSystem } from "@effect/platform-node"
import { Console, Effect, Fiber, Stream } from "effect"

const [, , path = "", stalled] = process.argv

const write = (bytes: Uint8Array) =>
  Effect.flatMap(Resource.toFile(path), ({ sink }) => Stream.run(Stream.make(bytes), sink))

const lines = Effect.forEach(
  Array.from({ length: 20 }, (_, index) => new TextEncoder().encode(`${index}\n`)),
  write,
  { discard: true }
)

const program = Effect.gen(function*() {
  const writing = yield* Effect.fork(write(new Uint8Array(8 * 1024 * 1024)))
  yield* Effect.repeat(Effect.sleep("1 millis"), { until: () => process.stdout.writableLength > 0 })
  yield* Fiber.interrupt(writing)
  yield* Console.error("interrupted")
})

Effect.runFork(Effect.provide(stalled === undefined ? lines : program, NodeFileSystem.layer))
