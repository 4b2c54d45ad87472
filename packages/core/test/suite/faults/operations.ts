// Operations that continue until something ends them. The tests apply the faults of the table to them.
import * as Effect from "effect/Effect"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { DriverClient } from "../../../src/client/DriverClient.ts"
import type { Connection } from "../../../src/client/ExporterConnection.ts"
import * as Resource from "../../../src/resource/Resource.ts"
import { pattern, patternChunks } from "../../support/probePattern.ts"
import type { Operation } from "./table.ts"

interface Stage {
  readonly connection: Connection
  readonly probe: DriverClient
  /** Reports a sign that the exporter's events do not have. */
  readonly tell: (sign: string) => Effect.Effect<void>
}

export interface Ongoing {
  readonly operation: Operation
  readonly name: string
  /** The sign that the operation has begun: an event of the exporter, or a text passed to `tell`. */
  readonly sign: string
  /** Succeeds with the outcome, unless that is a failure or an interruption. */
  readonly run: (stage: Stage) => Effect.Effect<unknown, unknown>
}

const chunk = pattern(0, 65_536)

/** At the pace of the drivers and sinks below, this many bytes take longer than any test. */
const much = 64 * 1024 * 1024

const endless: ReadonlyArray<Ongoing> = [
  { operation: "call", name: "a call", sign: "hang:open", run: ({ probe }) => probe.call("hang") },
  {
    operation: "streaming call",
    name: "a streaming call",
    sign: "forever:open",
    run: ({ probe }) => Stream.runDrain(probe.streamingCall("forever"))
  },
  {
    operation: "streaming call",
    name: "a streaming call that is silent",
    sign: "silent:open",
    run: ({ probe }) => Stream.runDrain(probe.streamingCall("silent"))
  },
  {
    operation: "byte stream",
    name: "an idle byte stream",
    sign: "idle:open",
    run: ({ probe }) => Effect.scoped(Effect.flatMap(probe.stream("idle"), ({ read }) => Stream.runDrain(read)))
  },
  {
    operation: "byte stream",
    name: "a byte stream that is written to",
    sign: "sink:open",
    run: ({ probe }) => Effect.scoped(Effect.flatMap(probe.stream("sink"), ({ write }) => Effect.forever(write(chunk))))
  },
  {
    operation: "byte stream",
    name: "a byte stream that waits for its device",
    sign: "sink_stuck:open",
    run: ({ probe }) =>
      Effect.scoped(Effect.flatMap(probe.stream("sink_stuck"), ({ write }) => Effect.forever(write(chunk))))
  },
  {
    operation: "byte stream",
    name: "a byte stream that is read",
    sign: "source_endless:open",
    run: ({ probe }) =>
      Effect.scoped(Effect.flatMap(probe.stream("source_endless"), ({ read }) => Stream.runDrain(read)))
  },
  {
    operation: "upload",
    name: "an upload",
    sign: "consume_slow:open",
    run: ({ probe }) =>
      Effect.scoped(Effect.gen(function*() {
        const source = Resource.source(Stream.fromIterable(patternChunks(much)))
        return yield* probe.call("consume_slow", yield* probe.resource(source), 0.05)
      }))
  },
  {
    operation: "upload",
    name: "an upload whose source has paused",
    sign: "consume:open",
    run: ({ probe }) =>
      Effect.scoped(Effect.gen(function*() {
        const source = Resource.source(Stream.concat(Stream.make(chunk), Stream.never))
        return yield* probe.call("consume", yield* probe.resource(source))
      }))
  },
  {
    operation: "download",
    name: "a download",
    sign: "produce:open",
    run: ({ probe }) =>
      Effect.scoped(Effect.gen(function*() {
        const slow = Resource.sink(Sink.forEach(() => Effect.sleep("20 millis")))
        return yield* probe.call("produce", yield* probe.resource(slow), much)
      }))
  }
]

const logStream: Ongoing = {
  operation: "log stream",
  name: "a log stream",
  sign: "log:open",
  run: ({ connection, tell }) => {
    let gap = false
    let continued = false
    return Stream.runForEachWhile(connection.logs, (event) => {
      if (event._tag === "LogGap") gap = event.reason === "interrupted"
      else continued = gap
      return Effect.as(tell("log:open"), !continued)
    }).pipe(Effect.map(() => continued ? "continues after a gap" : "ends"))
  }
}

/** The status that the status wait waits for. */
export const awaited = "AFTER_LEASE_HOOK"

const statusWait: Ongoing = {
  operation: "status wait",
  name: "a status wait",
  sign: "status:open",
  run: ({ connection, tell }) =>
    Effect.scoped(Effect.gen(function*() {
      const waiting = yield* Effect.forkScoped(connection.awaitStatus(awaited))
      // One poller requests the status for all who wait, so this stream sees the same requests.
      yield* Effect.forkScoped(Effect.ignore(Stream.runForEach(connection.statusChanges, () => tell("status:open"))))
      yield* waiting
      return "continues"
    }))
}

export const ongoing: ReadonlyArray<Ongoing> = [...endless, logStream, statusWait]
