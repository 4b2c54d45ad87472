// A program that reads an image from its standard input, in the way that its argument names, and prints the outcome.
import { Resource } from "@effect-jumpstarter/core"
import { NodeFileSystem } from "@effect/platform-node"
import { Console, Effect, Fiber, Stream } from "effect"

const image = Stream.unwrap(Effect.map(Resource.fromFile("/dev/stdin"), ({ stream }) => stream))

const size = Stream.runFold(image, 0, (sum, bytes) => sum + bytes.length)

// A transfer that has read all available bytes, and waits for more.
const waiting = Effect.flatMap(
  Effect.makeLatch(),
  (latch) => Effect.zipLeft(Effect.fork(Stream.runDrain(Stream.tap(image, () => latch.open))), latch.await)
)

const programs = {
  whole: size,
  interrupted: Effect.as(Effect.flatMap(waiting, Fiber.interrupt), "interrupted"),
  early: Effect.as(Stream.runHead(image), "early"),
  // More transfers in a row than the listeners that Node accepts without a warning. The last transfer waits for the first byte.
  often: Effect.zipRight(
    Effect.repeatN(Stream.runDrain(Stream.interruptWhen(image, Effect.sleep("1 millis"))), 20),
    Effect.zipRight(Console.log("often"), Effect.as(Stream.runHead(image), "and again"))
  ),
  closed: Effect.flatMap(
    waiting,
    (transfer) => Effect.zipRight(Effect.sync(() => process.stdin.destroy()), Fiber.join(transfer))
  ).pipe(
    Effect.match({ onFailure: ({ message }) => message, onSuccess: () => "complete" })
  )
}

const [, , name = "whole"] = process.argv
const [, program = size] = Object.entries(programs).find(([key]) => key === name) ?? []

Effect.runFork(program.pipe(Effect.flatMap(Console.log), Effect.provide(NodeFileSystem.layer)))
