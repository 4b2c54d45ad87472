// Programs that have changed since they were recorded, and the messages they get.
import { ExporterClient, ExporterConnection, GrpcChannel, GrpcStatus, Resource } from "@effect-jumpstarter/core"
import { Recording } from "@effect-jumpstarter/core/testing"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as FileSystem from "@effect/platform/FileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Logger, Stream } from "effect"
import type { DriverClient } from "../../src/client/DriverClient.ts"
import { utf8 } from "../support/bytes.ts"
import * as bench from "./bench.ts"
import { file, lines, outcome, record, replay } from "./recordings.ts"

type Program = (power: DriverClient) => Effect.Effect<unknown, unknown, ExporterConnection.ExporterConnection>

const run = (program: Program) => Effect.flatMap(bench.power, program)

/** Records one program, replays it to another, and returns the outcome without the name of the file. */
const changed = (before: Program, after: Program, options: Recording.ReplayOptions & Recording.RecordOptions = {}) =>
  Effect.gen(function*() {
    const path = yield* file
    yield* record(path, run(before), options)
    const told = yield* outcome(replay(path, run(after), options))
    return String(told).replaceAll(path, "FILE").split("\n")
  }).pipe(Effect.provide(NodeFileSystem.layer))

describe("a call", () => {
  const before: Program = (power) =>
    Effect.gen(function*() {
      yield* power.call("on")
      yield* power.call("set", 12, { channel: "main", limits: [1, 2] })
      yield* power.call("off")
    })

  it.scoped("fails with other arguments", () =>
    Effect.gen(function*() {
      const told = yield* changed(before, (power) =>
        Effect.gen(function*() {
          yield* power.call("on")
          yield* power.call("set", 12, { channel: "aux", limits: [1, 2, 3] })
        }))
      assert.deepStrictEqual(told, [
        `call power.set was not sent (INVALID_ARGUMENT): call power.set(12, {"channel":"aux","limits":[1,2,3]}) ` +
        `is not in the recording FILE`,
        `  expected next: call power.set(12, {"channel":"main","limits":[1,2]}) (line 8)`,
        `  arguments[1].channel: recorded "main", got "aux"`,
        `  arguments[1].limits[2]: recorded nothing, got 3`
      ])
    }))

  it.scoped("fails with a long text, and shows its first difference", () =>
    Effect.gen(function*() {
      const say = (end: string): Program => (power) => power.call("set", `${"x".repeat(1_000)} ${end}`)
      assert.strictEqual(
        (yield* changed(say("ends well"), say("ends badly, and goes on for a while")))[2],
        `  arguments[0] at character 1006: recorded "well", got "badly, and goes on for a"...`
      )
      assert.strictEqual(
        (yield* changed(say("ends"), say("")))[2],
        `  arguments[0] at character 1001: recorded "ends", got the end of the text`
      )
    }))

  it.scoped("fails in place of another call", () =>
    Effect.gen(function*() {
      const told = yield* changed(before, (power) =>
        Effect.gen(function*() {
          yield* power.call("on")
          yield* power.call("broken")
        }))
      assert.deepStrictEqual(told, [
        "call power.broken was not sent (INVALID_ARGUMENT): call power.broken() is not in the recording FILE",
        `  expected next: call power.set(12, {"channel":"main","limits":[1,2]}) (line 8)`
      ])
    }))

  it.scoped("fails when it is made too often", () =>
    Effect.gen(function*() {
      const told = yield* changed(before, (power) => Effect.zipRight(before(power), power.call("off")))
      assert.deepStrictEqual(told, [
        "call power.off was not sent (INVALID_ARGUMENT): call power.off() is made more often than in the recording FILE",
        "  expected next: nothing, the recording is complete"
      ])
    }))

  it.scoped("fails when it is made too early", () =>
    Effect.gen(function*() {
      const told = yield* changed(before, (power) =>
        Effect.gen(function*() {
          yield* power.call("on")
          yield* power.call("off")
        }), { patience: "100 millis" })
      assert.deepStrictEqual(told, [
        "call power.off was not sent (INVALID_ARGUMENT): call power.off() cannot continue at line 11 of the recording FILE",
        `  expected first: call power.set(12, {"channel":"main","limits":[1,2]}) (line 8)`
      ])
    }))

  it.scoped("is reported when it is omitted at the end", () =>
    Effect.gen(function*() {
      const told = yield* changed(before, (power) => power.call("on"))
      assert.deepStrictEqual(told, [
        "the program differs from the recording FILE:",
        `- call power.set(12, {"channel":"main","limits":[1,2]}) was not made (line 8)`,
        "- call power.off() was not made (line 10)"
      ])
    }))

  it.scoped("is logged when its failure was swallowed and the program fails later", () =>
    Effect.gen(function*() {
      const logged: Array<string> = []
      const logger = Logger.make<unknown, void>(({ message }) => void logged.push(String(message)))
      const told = yield* changed(
        (power) => power.call("on"),
        (power) => Effect.zipRight(Effect.ignore(power.call("off")), Effect.fail("the assertion"))
      ).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
      assert.deepStrictEqual(told, ["the assertion"])
      assert.include(logged.join("\n"), "- call power.off() is not in the recording")
    }))

  it.scoped("is reported even when its failure is swallowed", () =>
    Effect.gen(function*() {
      const told = yield* changed(
        (power) => power.call("on"),
        (power) => Effect.zipRight(power.call("on"), Effect.ignore(power.call("off")))
      )
      assert.deepStrictEqual(told, [
        "the program differs from the recording FILE:",
        "- call power.off() is not in the recording FILE",
        "  expected next: nothing, the recording is complete"
      ])
    }))

  it.scoped("is accepted in any order of fibers", () =>
    Effect.gen(function*() {
      const calls = (order: ReadonlyArray<number>): Program => (power) =>
        Effect.forEach(order, (n) => power.call("set", n), { concurrency: "unbounded" })
      assert.deepStrictEqual(yield* changed(calls([1, 2, 3]), calls([3, 1, 2])), ["3", "1", "2"].join().split("\n"))
    }))
})

describe("a stream", () => {
  const converse = (...said: ReadonlyArray<string>): Program => () =>
    Effect.flatMap(bench.converse(...said), ({ exit }) => exit)

  it.scoped("fails when it is sent different data", () =>
    Effect.gen(function*() {
      const told = yield* changed(converse("printenv console\n"), converse("printenv bootcmd\n"))
      assert.deepStrictEqual(told.slice(0, 2), [
        "stream console.connect was not sent (INVALID_ARGUMENT): stream console.connect was sent different data than in " +
        "the recording FILE",
        `  at byte 9: recorded "console\\n", got "bootcmd\\n" (line 8)`
      ])
    }))

  it.scoped("accepts the same data in other pieces", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* changed(converse("print", "env\n"), converse("p", "rinten", "v\n")), ["undefined"])
    }))

  it.scoped("fails when it is sent more, or less", () =>
    Effect.gen(function*() {
      const more = yield* changed(converse("abc"), converse("abc", "def"))
      assert.strictEqual(more[1], `  recorded the end after 3 bytes (line 9), got "def"`)
      const less = yield* changed(converse("abc", "def"), converse("abc"))
      assert.strictEqual(less[1], "  the program ended it after 3 of 6 bytes (line 9)")
    }))

  it.scoped("is reported when it is not opened, or replaced by another", () =>
    Effect.gen(function*() {
      const told = yield* changed(converse("abc"), () => Effect.void)
      assert.deepStrictEqual(told.slice(1), ["- stream console.connect was not made (line 6)"])
      const other = yield* changed(converse("abc"), () =>
        Effect.scoped(Effect.flatMap(ExporterConnection.driver("console"), (client) => client.stream("silent"))))
      assert.deepStrictEqual(other.slice(1), ["  expected next: stream console.connect (line 6)"])
    }))

  it.scoped("is reported when its input is not ended", () =>
    Effect.gen(function*() {
      const open = (end: boolean): Program => () =>
        Effect.scoped(Effect.gen(function*() {
          const client = yield* ExporterConnection.driver("console")
          const stream = yield* client.stream("connect")
          if (end) yield* stream.end
          yield* bench.settled
        }))
      assert.deepStrictEqual((yield* changed(open(true), open(false))).slice(1), [
        "- stream console.connect was not sent the end of its input (line 8)"
      ])
    }))
})

describe("a transfer", () => {
  it.scoped("fails with different bytes", () =>
    Effect.gen(function*() {
      const told = yield* changed(() => bench.upload("0123456789"), () => bench.upload("0123456X89"))
      assert.deepStrictEqual(told, [
        "transfer storage.resource was not sent (INVALID_ARGUMENT): resource for storage was sent different data than " +
        "in the recording FILE",
        `  at byte 7: recorded "7", got "X" (line 10)`
      ])
    }))

  it.scoped("fails with different bytes that look the same as text", () =>
    Effect.gen(function*() {
      const told = yield* changed(() => bench.upload("a\ufeffb"), () => bench.upload("ab"))
      assert.include(told[1], `  at byte 1: recorded "\ufeffb", got "b"`)
    }))

  it.scoped("is compared by its hash when it is too long to keep", () =>
    Effect.gen(function*() {
      const [image, other] = ["0123456789".repeat(100), "0123456789".repeat(99) + "012345678X"]
      const options = { maxBytes: 10 }
      assert.deepStrictEqual(
        yield* changed(() => bench.upload(image), () => bench.upload(image), options),
        ["1000"]
      )
      const told = yield* changed(() => bench.upload(image), () => bench.upload(other), options)
      assert.match(told[1] ?? "", /^ {2}the 992 bytes up to byte 1000 have a different hash \(line 11\)$/)
    }))

  it.scoped("cannot be replayed when it is too long to keep", () =>
    Effect.gen(function*() {
      const read: Program = () => Effect.flatMap(bench.download("0123456789"), ({ exit }) => exit)
      const told = yield* changed(read, read, { maxBytes: 4 })
      assert.deepStrictEqual(told, [
        "transfer storage.resource was not sent (INVALID_ARGUMENT): resource for storage received more bytes than the " +
        "recording FILE keeps",
        "  line 11 has only their hash: record with a larger maxBytes"
      ])
    }))

  it.scoped("accepts a source that continues after the driver has stopped reading", () =>
    Effect.gen(function*() {
      const endless: Program = () =>
        Effect.scoped(Effect.gen(function*() {
          const storage = yield* ExporterConnection.driver("storage")
          const source = Resource.source(Stream.forever(Stream.make(utf8("again and again "))))
          return yield* storage.call("head", yield* storage.resource(source), 20)
        }))
      assert.deepStrictEqual(yield* changed(endless, endless), ["again and again agai"])
    }))
})

describe("waiting for an RPC that the program ended in the recording", () => {
  const patience = { patience: "100 millis" } as const

  /** Ends when the driver has seen the call, and its answer is still to come. */
  const given = (power: DriverClient, effect: Effect.Effect<unknown, unknown>) =>
    Effect.raceFirst(
      effect,
      Effect.zipRight(Effect.repeatN(Effect.yieldNow(), 200), power.call("on"))
    )

  it.scoped("fails for a call", () =>
    Effect.gen(function*() {
      const told = yield* changed(
        (power) => given(power, power.call("hang")),
        (power) => Effect.all([power.call("hang"), power.call("on")], { concurrency: "unbounded" }),
        patience
      )
      assert.deepStrictEqual(told, [
        "call power.hang was not sent (INVALID_ARGUMENT): call power.hang() is still open after its end in the recording FILE",
        "  the program ended it at line 9"
      ])
    }))

  it.scoped("fails for items", () =>
    Effect.gen(function*() {
      const told = yield* changed(
        (power) => Stream.runDrain(Stream.take(power.streamingCall("count", 5), 3)),
        (power) => Stream.runDrain(power.streamingCall("count", 5)),
        patience
      )
      assert.include(told[0], "streaming call power.count(5) is still open after its end in the recording FILE")
      assert.match(String(told[1]), /^ {2}the program ended it at line \d+$/)
    }))

  it.scoped("fails for a byte stream", () =>
    Effect.gen(function*() {
      const read = (reading: (bytes: Stream.Stream<Uint8Array, unknown>) => Effect.Effect<unknown, unknown>) => () =>
        Effect.scoped(Effect.gen(function*() {
          const silent = yield* Effect.flatMap(ExporterConnection.driver("console"), (console) =>
            console.stream("silent"))
          yield* reading(silent.read)
        }))
      const told = yield* changed(
        read(() =>
          Effect.void
        ),
        read(Stream.runDrain),
        patience
      )
      assert.include(told[0], "stream console.silent is still open after its end in the recording FILE")
    }))

  it.scoped("is accepted while the program makes progress elsewhere", () =>
    Effect.gen(function*() {
      const program = (pause: Effect.Effect<unknown>): Program => (power) =>
        Effect.gen(function*() {
          const hanging = yield* Effect.fork(power.call("hang"))
          yield* Effect.repeatN(Effect.yieldNow(), 200)
          for (let call = 0; call < 3; call++) yield* Effect.zipRight(pause, power.call("on"))
          yield* Fiber.interrupt(hanging)
          return "done"
        })
      const told = yield* changed(
        program(Effect.void),
        program(Effect.withClock(Effect.sleep("60 millis"), Clock.make())),
        patience
      )
      assert.deepStrictEqual(told, ["done"])
    }))
})

describe("a failure of the transport", () => {
  const scopeOf = (channel: GrpcChannel.Channel) =>
    Effect.map(Effect.flip(ExporterClient.make(channel).endSession), ({ scope }) => scope)

  const recorded = (scope: GrpcStatus.StatusScope) =>
    Effect.gen(function*() {
      const path = yield* file
      const channel = yield* GrpcChannel.fromHandlers(new Map())
      const failure = GrpcStatus.amend(GrpcStatus.lost({ rpc: "", target: "" }, "reset"), { scope })
      const recording = Recording.record({ ...channel, unary: () => failure }, path)
      yield* Effect.scoped(Effect.flatMap(recording, scopeOf))
      return path
    })

  const replayed = (path: string) => Effect.flatMap(Recording.replay(path), ({ channel }) => scopeOf(channel))

  it.scoped("has its recorded scope, the RPC or the connection", () =>
    Effect.gen(function*() {
      for (const scope of GrpcStatus.StatusScope.literals) {
        assert.strictEqual(yield* replayed(yield* recorded(scope)), scope)
      }
    }).pipe(Effect.provide(NodeFileSystem.layer)))

  it.scoped("has the scope of the connection in a recording without scopes", () =>
    Effect.gen(function*() {
      const fileSystem = yield* FileSystem.FileSystem
      const path = yield* recorded("rpc")
      const text = yield* fileSystem.readFileString(path)
      yield* fileSystem.writeFileString(path, text.replace(`,"scope":"rpc"`, ""))
      assert.strictEqual(yield* replayed(path), "connection")
    }).pipe(Effect.provide(NodeFileSystem.layer)))
})

describe("a recording", () => {
  const written = (content: string) =>
    Effect.gen(function*() {
      const path = yield* file
      yield* Effect.flatMap(FileSystem.FileSystem, (fileSystem) => fileSystem.writeFileString(path, content))
      const error = yield* Effect.flip(Effect.scoped(Recording.replay(path)))
      assert.instanceOf(error, Recording.RecordingError)
      return [error.reason, error.line, error.message.replaceAll(path, "FILE")]
    }).pipe(Effect.provide(NodeFileSystem.layer))

  const header = `{"recording":"effect-jumpstarter","version":1}\n`
  const begin = `{"rpc":1,"at":0,"event":"begin","kind":"call","driver":"power","method":"on","args":[]}\n`

  it.scoped("is refused with an invalid line", () =>
    Effect.gen(function*() {
      const malformed = (line: number, details: string) => [
        "Malformed",
        line,
        `recording FILE, line ${line}: ${details}`
      ]
      assert.deepStrictEqual(
        yield* written("hello\n"),
        malformed(1, "this is not a recording: its first line must be " + header.trim())
      )
      assert.deepStrictEqual(
        yield* written(""),
        malformed(1, "this is not a recording: its first line must be " + header.trim())
      )
      assert.deepStrictEqual(yield* written(header.replace("1", "7")), [
        "Version",
        1,
        "recording FILE, line 1: the recording has version 7, but this library reads version 1"
      ])
      assert.match(String(yield* written(`${header}${begin}{"rpc":1,`)), /^Malformed,3,recording FILE, line 3: .*JSON/)
      assert.deepStrictEqual(
        yield* written(`${header}${begin}{"rpc":1,"at":0,"event":"received","data":{"bytes":4,"text":"abc"}}`),
        malformed(3, "data: the content has 3 bytes, but `bytes` says 4")
      )
      assert.deepStrictEqual(
        yield* written(`${header}\n{"rpc":1,"at":0,"event":"end"}`),
        malformed(3, "RPC 1 has not begun")
      )
      assert.match(
        String(yield* written(header + begin.replace("call", "phone"))),
        /^Malformed,2,recording FILE, line 2: kind: /
      )
      assert.match(
        String(
          yield* written(`${header}{"rpc":1,"at":0,"event":"begin","kind":"status"}
{"rpc":1,"at":0,"event":"received","value":{"status":"ASLEEP","version":"1"}}`)
        ),
        /^Malformed,3,recording FILE, line 3: value: .*ASLEEP/s
      )
    }))

  it.scoped("is left in place by the recording of a failed run", () =>
    Effect.gen(function*() {
      const path = yield* file
      yield* record(path, run((power) => power.call("on")))
      const before = yield* lines(path)
      const failing = run((power) => Effect.zipRight(power.call("on"), Effect.fail("the assertion")))
      assert.strictEqual(yield* outcome(record(path, failing)), "the assertion")
      assert.deepStrictEqual(yield* lines(path), before)
      assert.include((yield* lines(`${path}.partial`)).join(), `"method":"on"`)
      yield* record(path, run((power) => power.call("off")))
      assert.include((yield* lines(path)).join(), `"method":"off"`)
      // Without an existing recording, the new one takes its place.
      const other = yield* file
      yield* outcome(record(other, failing))
      assert.include((yield* lines(other)).join(), `"method":"on"`)
    }).pipe(Effect.provide(NodeFileSystem.layer)))

  it.scoped("fails when its file is missing, or cannot be written", () =>
    Effect.gen(function*() {
      const path = "/nowhere/run.jsonl"
      const read = yield* Effect.flip(Effect.scoped(Recording.replay(path)))
      assert.deepStrictEqual([read._tag, read.reason], ["RecordingError", "File"])
      const channel = yield* GrpcChannel.fromHandlers(new Map())
      const write = yield* Effect.flip(Effect.scoped(Recording.record(channel, path)))
      assert.deepStrictEqual([write.reason, write.line], ["File", 0])
      assert.match(write.message, /^recording \/nowhere\/run.jsonl: .*NotFound/)
    }).pipe(Effect.provide(NodeFileSystem.layer)))

  it.scoped("dies when the disk is full", () =>
    Effect.gen(function*() {
      const run = Effect.scoped(Effect.gen(function*() {
        const channel = yield* GrpcChannel.fromHandlers(new Map())
        const recorded = yield* Recording.record(channel, "/dev/full")
        return yield* Effect.flip(recorded.unary("/jumpstarter.v1.ExporterService/GetReport", new Uint8Array()))
      }))
      const exit = yield* Effect.exit(run)
      assert.isTrue(Exit.isFailure(exit))
      assert.match(String(yield* outcome(run)), /^recording \/dev\/full: .*ENOSPC/)
    }).pipe(Effect.provide(NodeFileSystem.layer)))

  it.scoped("refuses an RPC of another service", () =>
    Effect.gen(function*() {
      const path = yield* file
      const channel = yield* GrpcChannel.fromHandlers(new Map())
      const recorded = yield* Recording.record(channel, path)
      const error = yield* Effect.flip(recorded.unary("/jumpstarter.v1.ControllerService/Dial", new Uint8Array()))
      assert.deepStrictEqual([error.origin, error.code], ["client", "INVALID_ARGUMENT"])
      assert.include(error.message, "cannot be recorded: only RPCs of an exporter")
    }).pipe(Effect.provide(NodeFileSystem.layer)))
})
