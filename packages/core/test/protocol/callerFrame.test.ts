// The stack of a call's error is the program's, from the line that made the call.
import {
  Device,
  Driver,
  DriverError,
  DriverFailure,
  DriverInterface,
  DriverMethod,
  ExporterConnection,
  Resource
} from "@effect-jumpstarter/core"
import {
  DigitalInput,
  Flasher,
  HttpServer,
  Opendal,
  Power,
  Serial,
  Shell,
  Ssh,
  StorageMux
} from "@effect-jumpstarter/core/drivers"
import { ExporterTest } from "@effect-jumpstarter/core/testing"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Equal, Schema, Stream } from "effect"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const Probe = DriverInterface.make("acme.client.ProbeClient", {
  fail: DriverMethod.call(),
  limit: DriverMethod.call({ args: [Schema.Number] }),
  volts: DriverMethod.call({ result: Schema.Number }),
  watch: DriverMethod.streamingCall({ item: Schema.Number }),
  words: DriverMethod.streamingCall({ item: Schema.Number }),
  connect: DriverMethod.stream(),
  broken: DriverMethod.stream(),
  flash: DriverMethod.call({ args: [DriverMethod.source] }),
  absent: DriverMethod.call()
})

class Board extends Device.Tag("acme/Board", Probe)<Board>() {}

const oops = DriverFailure.make("Device", "oops")

const exporter = ExporterTest.layer({
  board: Driver.make({
    client: Probe.client,
    methods: {
      fail: Driver.call(() => oops),
      limit: Driver.call(() => Effect.succeed(null)),
      volts: Driver.call(() => Effect.succeed("five")),
      watch: Driver.streamingCall(() => Stream.concat(Stream.make(1), Stream.fail(oops))),
      words: Driver.streamingCall(() => Stream.make("one")),
      connect: Driver.stream(oops),
      broken: Driver.streamTransform(() => Stream.fail(oops)),
      flash: Driver.call(() => oops)
    }
  })
})

const untyped = Effect.orDie(ExporterConnection.driver("board"))
const bytes = Resource.source(Stream.make(new Uint8Array(8)))

const source = readFileSync(fileURLToPath(import.meta.url), "utf8").split("\n")

// The lines of this file that the stack of an error names, from the top.
const linesOf = (error: Error): ReadonlyArray<string> =>
  (error.stack ?? "").split("\n").filter((line) => /^ +at /.test(line)).map((line) => {
    const [, number] = /callerFrame\.test\.ts:(\d+)/.exec(line) ?? []
    return number === undefined ? line : source[Number(number) - 1] ?? line
  })

type Program = Effect.Effect<unknown, DriverError.DriverCallError, Board | ExporterConnection.ExporterConnection>

// Each program makes its call in the line marked "here".
const programs: Readonly<Record<string, Program>> = {
  "a call": Effect.gen(function*() {
    const board = yield* untyped
    yield* board.call("fail") // here
  }),
  "a call whose arguments cannot be sent": Effect.gen(function*() {
    const board = yield* untyped
    yield* board.call("fail", NaN) // here
  }),
  "a streaming call": Effect.gen(function*() {
    const board = yield* untyped
    const items = board.streamingCall("watch") // here
    yield* Stream.runDrain(items)
  }),
  "a byte stream that does not open": Effect.scoped(Effect.gen(function*() {
    const board = yield* untyped
    yield* board.stream("connect") // here
  })),
  "a byte stream that breaks": Effect.scoped(Effect.gen(function*() {
    const board = yield* untyped
    const stream = yield* board.stream("broken") // here
    yield* Stream.runDrain(stream.read)
  })),
  "a resource that was closed": Effect.gen(function*() {
    const board = yield* untyped
    const handle = yield* Effect.scoped(board.resource(bytes)) // here
    yield* handle.result
  }),
  "a typed call": Effect.gen(function*() {
    const board = yield* Board
    yield* board.fail() // here
  }),
  "a typed call of a missing method": Effect.flatMap(
    Board,
    (board) => board.absent() // here
  ),
  "a typed call whose argument is wrong": Effect.gen(function*() {
    const board = yield* Board
    yield* board.limit(Number("five")) // here
  }),
  "a typed call whose result is wrong": Effect.gen(function*() {
    const board = yield* Board
    yield* board.volts() // here
  }),
  "a typed streaming call": Effect.gen(function*() {
    const board = yield* Board
    const items = board.watch() // here
    yield* Stream.runDrain(items)
  }),
  "a typed streaming call whose item is wrong": Effect.gen(function*() {
    const board = yield* Board
    const items = board.words() // here
    yield* Stream.runDrain(items)
  }),
  "a typed byte stream": Effect.scoped(Effect.gen(function*() {
    const board = yield* Board
    yield* board.connect() // here
  })),
  "a typed call with a resource": Effect.gen(function*() {
    const board = yield* Board
    yield* board.flash(bytes) // here
  }),
  "a call after other calls, some time later": Effect.gen(function*() {
    const board = yield* Board
    yield* Effect.exit(board.fail())
    yield* Effect.yieldNow()
    yield* board.fail() // here
  })
}

// The board has none of these drivers, so each helper fails with its first call, or with the first that a fake does not answer.
const as = <I extends DriverInterface.Any>(contract: I) =>
  Effect.map(untyped, (board) => Device.fromInterface(board, contract))

// A storage that can only open files.
const opens = Effect.map(as(Opendal.contract), (storage) => ({ ...storage, open: () => Effect.succeed("1") }))

const conveniences: Readonly<Record<string, Program>> = {
  "Power.cycle": Effect.gen(function*() {
    yield* Power.cycle(yield* as(Power.contract)) // here
  }),
  "Flasher.flashAll": Effect.gen(function*() {
    yield* Flasher.flashAll(yield* as(Flasher.contract), [["root", bytes]]) // here
  }),
  "Flasher.verify": Effect.gen(function*() {
    yield* Effect.catchTags( // here
      Flasher.verify(yield* as(Flasher.contract), bytes), // here
      { FlasherHashMismatch: Effect.die, ContentEncodingError: Effect.die, EmptyImage: Effect.die }
    )
  }),
  "HttpServer.putFile": Effect.gen(function*() {
    yield* HttpServer.putFile(yield* as(HttpServer.contract), yield* opens, "a", bytes) // here
  }),
  "Opendal.readString": Effect.gen(function*() {
    yield* Effect.catchTag(Opendal.readString(yield* opens, "a"), "TransferTooLarge", Effect.die) // here
  }),
  "Opendal.writeString": Effect.gen(function*() {
    yield* Opendal.writeString(yield* opens, "a", "b") // here
  }),
  "Opendal.withFile": Effect.gen(function*() {
    yield* Opendal.withFile(yield* opens, "a", "rb", () => Effect.void) // here
  }),
  "Opendal.upload": Effect.gen(function*() {
    const storage = yield* opens
    yield* Effect.catchTags( // here
      Opendal.upload(storage, "a", bytes), // here
      { OpendalHashMismatch: Effect.die, ContentEncodingError: Effect.die }
    )
  }),
  "Serial.console": Effect.scoped(Effect.gen(function*() {
    yield* Serial.console(yield* Board) // here
  })),
  "Shell.run": Effect.gen(function*() {
    yield* Shell.run(yield* as(Shell.contract), "ls") // here
  }),
  "Ssh.login": Effect.gen(function*() {
    yield* Ssh.login(yield* as(Ssh.contract)) // here
  }),
  "DigitalInput.waitForActive": Effect.gen(function*() {
    yield* DigitalInput.waitForActive(yield* as(DigitalInput.contract)) // here
  }),
  "StorageMux.write": Effect.gen(function*() {
    yield* StorageMux.write(yield* as(StorageMux.contract), bytes) // here
  }),
  "what StorageMux.onHost runs": Effect.gen(function*() {
    const board = yield* Board
    const mux = { host: () => Effect.void, dut: () => Effect.void }
    const use = board.fail() // here
    yield* StorageMux.onHost(mux, use)
  })
}

const failing = (program: Program) =>
  Effect.flip(program).pipe(Effect.provide(Board.layer("board")), Effect.provide(exporter))

describe("the stack of a failure begins where the program made the call:", () => {
  const all = { ...programs, ...conveniences }

  it.effect.each(Object.keys(all))("%s", (name) =>
    Effect.gen(function*() {
      const error = yield* failing(all[name] ?? Effect.void)
      const [first = "", ...rest] = linesOf(error)
      assert.match(first, /\/\/ here$/)
      // The stack has no lines of this library or of Effect.
      assert.deepStrictEqual(rest.filter((line) => line.includes("/src/") || line.includes("node_modules")), [])
      assert.strictEqual((error.stack ?? "").split("\n    at ")[0], `${error.name}: ${error.message}`)
      assert.include(Cause.pretty(Cause.fail(error)), "callerFrame.test.ts:")
    }))

  it.effect("and continues with the callers of that function", () =>
    Effect.gen(function*() {
      const helper = (board: Effect.Effect.Success<typeof Board>) => board.fail() // the helper's
      const error = yield* failing(Effect.gen(function*() {
        const board = yield* Board
        yield* helper(board) // here
      }))
      assert.deepStrictEqual(
        linesOf(error).map((line) => /\/\/ (.*)$/.exec(line)?.[1]),
        ["the helper's", "here"]
      )
    }))

  it.effect("and takes no part in equality or encoding", () =>
    Effect.gen(function*() {
      const board = yield* untyped
      const one = yield* Effect.flip(board.call("fail"))
      const other = yield* Effect.flip(board.call("fail"))
      assert.notStrictEqual(one.stack, other.stack)
      assert.isTrue(Equal.equals(one, other))
      assert.notInclude(Object.keys(one), "stack")
      assert.notInclude(yield* Schema.encode(Schema.parseJson(DriverError.DriverCallError))(one), "callerFrame.test")
      // Vitest and other tools set the stack.
      one.stack = "elsewhere"
      assert.strictEqual(one.stack, "elsewhere")
    }).pipe(Effect.provide(exporter)))

  it.effect("unless the program wants no stacks", () =>
    Effect.gen(function*() {
      const board = yield* untyped
      const before = Error.stackTraceLimit
      Error.stackTraceLimit = 0
      const call = board.call("fail")
      Error.stackTraceLimit = before
      const error = yield* Effect.flip(call)
      assert.deepStrictEqual(linesOf(error).filter((line) => line.endsWith("// here")), [])
    }).pipe(Effect.provide(exporter)))
})
