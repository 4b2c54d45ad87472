// A fiber may give others a turn between any two of its steps, so also between a look at the pipe and the wait for it.
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { MemoryPipe } from "../../../src/transport/memory/pipe.ts"

const turns = (count: number) => Effect.repeatN(Effect.yieldNow(), count)

it.effect("a reader notices what was sent between any two steps of its take", () =>
  Effect.gen(function*() {
    for (let operations = 10; operations < 24; operations++) {
      for (let step = 0; step < 12; step++) {
        const pipe = new MemoryPipe<never>()
        const reader = yield* Effect.fork(Effect.withMaxOpsBeforeYield(Effect.exit(pipe.take), operations))
        yield* turns(step)
        yield* Effect.zipRight(pipe.send(Uint8Array.of(1)), pipe.end(Exit.void))
        yield* turns(100)
        assert.isNotNull(reader.unsafePoll(), `sent after ${step} turns, with ${operations} operations a turn`)
      }
    }
  }))

it.effect("a sender notices room that was made between any two steps of its send", () =>
  Effect.gen(function*() {
    for (let operations = 10; operations < 24; operations++) {
      for (let step = 0; step < 12; step++) {
        const pipe = new MemoryPipe<never>(1024)
        yield* pipe.send(new Uint8Array(1024))
        const sender = yield* Effect.fork(Effect.withMaxOpsBeforeYield(pipe.send(Uint8Array.of(1)), operations))
        yield* turns(step)
        yield* pipe.take
        const rest = yield* Effect.fork(pipe.take)
        yield* turns(100)
        assert.isNotNull(sender.unsafePoll(), `read after ${step} turns, with ${operations} operations a turn`)
        assert.isNotNull(rest.unsafePoll(), `read after ${step} turns, with ${operations} operations a turn`)
      }
    }
  }))
