// A program that reads an image from its standard input, and prints how many bytes there were.
import { Resource } from "@effect-jumpstarter/core"
import { NodeFileSystem } from "@effect/platform-node"
import { Console, Effect, Stream } from "effect"

Effect.runFork(
  Resource.fromFile("/dev/stdin").pipe(
    Effect.flatMap(({ stream }) => Stream.runFold(stream, 0, (sum, bytes) => sum + bytes.length)),
    Effect.flatMap(Console.log),
    Effect.provide(NodeFileSystem.layer)
  )
)
