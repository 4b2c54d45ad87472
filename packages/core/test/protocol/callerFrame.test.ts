// The stack of an error is the program's, from the line that made the call, the connection or the device.
import {
  Device,
  Driver,
  DriverError,
  DriverFailure,
  DriverInterface,
  DriverMethod,
  Endpoint,
  ExporterConnection,
  GrpcChannel,
  Resource
} from "@effect-jumpstarter/core"
import {
  Console,
  DigitalInput,
  Flasher,
  HttpServer,
  Network,
  Opendal,
  Power,
  Serial,
  Shell,
  Ssh,
  StorageMux
} from "@effect-jumpstarter/core/drivers"
import { ExporterTest, Faults, FaultyExporter } from "@effect-jumpstarter/core/testing"
import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Config,
  ConfigError,
  ConfigProvider,
  Effect,
  Equal,
  Fiber,
  Layer,
  Schema,
  type Scope,
  Stream
} from "effect"
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
  take: DriverMethod.call({ args: [DriverMethod.source] }),
  fill: DriverMethod.call({ args: [DriverMethod.sink] }),
  absent: DriverMethod.call()
})

const Limit = DriverInterface.make(Probe.client, { limit: DriverMethod.call({ args: [Schema.Number] }) })

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
      flash: Driver.call(() => oops),
      take: Driver.call(([handle], { resource }) =>
        Effect.as(Effect.scoped(Effect.flatMap(resource(handle), ({ read }) => Stream.runDrain(read))), null)
      ),
      fill: Driver.call(([handle], { resource }) =>
        Effect.as(
          Effect.scoped(Effect.flatMap(resource(handle), ({ write }) => write(Stream.make(new Uint8Array(9))))),
          null
        )
      )
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

type Other = Effect.Effect<unknown, Error, Board | ExporterConnection.ExporterConnection | Scope.Scope>

const connection = ExporterConnection.ExporterConnection
// Turns a mistake in the configuration into a defect: these programs have to fail for another reason.
const configured = <R>(
  program: Effect.Effect<unknown, ExporterConnection.ConnectError | ConfigError.ConfigError, R>
) => Effect.catchIf(program, ConfigError.isConfigError, Effect.die)

const nowhere = Endpoint.unix("/nowhere/at/all.sock")

// A console whose device prints one word and then ends.
const word = { read: Stream.make(new TextEncoder().encode("U-Boot")), write: () => Effect.void, end: Effect.void }
const silent = { ...word, read: Stream.never }

const others: Readonly<Record<string, Other>> = {
  "DriverNotFound of ExporterConnection.driver": Effect.gen(function*() {
    yield* ExporterConnection.driver("nope") // here
  }),
  "DriverNotFound of the driver of a connection": Effect.gen(function*() {
    const { driver } = yield* connection
    yield* driver("nope") // here
  }),
  "DriverNotFound of the child of a driver": Effect.gen(function*() {
    const board = yield* untyped
    yield* board.child("nope") // here
  }),
  "DriverNotFound of Device.connect where there is no driver": Effect.gen(function*() {
    yield* Device.connect(Probe, "nope") // here
  }),
  "InterfaceMismatch of Device.connect where there is another driver": Effect.gen(function*() {
    yield* Device.connect(Power.contract, "board") // here
  }),
  "DriverNotFound of the layer of a device": Effect.gen(function*() {
    yield* Layer.build(Board.layer("nope")) // here
  }),
  "InterfaceMismatch of the optional layer of a device": Effect.gen(function*() {
    yield* Layer.build(Board.layerOptional("")) // here
  }),
  "ConnectError of ExporterConnection.layer": Effect.gen(function*() {
    yield* Layer.build(ExporterConnection.layer(nowhere)) // here
  }),
  "ConnectError of ExporterConnection.fromEndpoint": Effect.gen(function*() {
    yield* ExporterConnection.fromEndpoint(nowhere) // here
  }),
  "ConnectError of ExporterConnection.layerConfig": Effect.gen(function*() {
    yield* Layer.build(ExporterConnection.layerConfig(Config.succeed(nowhere))) // here
  }).pipe(configured),
  "ConnectError of ExporterConnection.layerEnv": Effect.gen(function*() {
    yield* Layer.build(ExporterConnection.layerEnv()) // here
  }).pipe(
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["JUMPSTARTER_HOST", "/nowhere/at/all.sock"]]))),
    configured
  ),
  "ConnectError of ExporterConnection.layerEnv with what is no address": Effect.gen(function*() {
    yield* Layer.build(ExporterConnection.layerEnv()) // here
  }).pipe(Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["JUMPSTARTER_HOST", "a b"]]))), configured),
  "ConnectError of ExporterConnection.layerChannel": Effect.gen(function*() {
    const channel = Layer.scoped(GrpcChannel.GrpcChannel, GrpcChannel.fromEndpoint(nowhere))
    const layer = ExporterConnection.layerChannel() // here
    yield* Layer.build(Layer.provide(layer, channel))
  }),
  "ConnectError of ExporterTest.layer": Effect.gen(function*() {
    const broken = Driver.make({ client: Probe.client, reset: oops })
    yield* Layer.build(ExporterTest.layer({ broken })) // here
  }),
  "ConnectError of FaultyExporter.layer": Effect.gen(function*() {
    const prepare = (control: FaultyExporter.Control) =>
      control.next({ kind: "report" }, Faults.fail("INTERNAL", "no report"))
    yield* Layer.build(FaultyExporter.layer({}, { prepare })) // here
  }),
  "StatusNotReached of awaitStatus": Effect.gen(function*() {
    const { awaitStatus } = yield* connection
    yield* awaitStatus("OFFLINE") // here
  }).pipe(Effect.provide(FaultyExporter.layer({}, { readyTimeout: "1 millis" }))),
  "StatusNotReached of awaitReady": Effect.gen(function*() {
    const bench = yield* connection
    yield* bench.awaitReady // here
  }).pipe(Effect.provide(FaultyExporter.layer({}, { readyTimeout: "1 millis", status: "AVAILABLE" }))),
  "HookFailed of awaitReady, where a hook fails": Effect.gen(function*() {
    const bench = yield* connection
    const { failHook } = yield* FaultyExporter.FaultyExporter
    const waiting = yield* Effect.fork(bench.awaitReady) // here
    yield* Effect.yieldNow()
    yield* failHook("beforeLease")
    yield* Fiber.join(waiting)
  }).pipe(Effect.provide(FaultyExporter.layer({}, { status: "AVAILABLE" }))),
  "EndSessionError of endSession": Effect.gen(function*() {
    const bench = yield* connection
    yield* bench.endSession // here
  }),
  "ExpectError of expect, in time": Effect.gen(function*() {
    const console = yield* Console.make(silent)
    yield* console.expect("login: ", { timeout: "1 millis" }) // here
  }),
  "ExpectError of expect, before the end": Effect.gen(function*() {
    const console = yield* Console.make(word)
    yield* console.expect("login: ") // here
  }),
  "TransferTooLarge of a dump that is too large": Effect.gen(function*() {
    const board = yield* Board
    yield* board.fill(Resource.toBytes({ limit: 4 })) // here
  }),
  "SizeMismatch of a source of another size": Effect.gen(function*() {
    const board = yield* Board
    yield* board.take(Resource.source(Stream.make(new Uint8Array(8)), { size: 4 })) // here
  }),
  "TransferStalled of a source that stalls": Effect.gen(function*() {
    const board = yield* Board
    yield* board.take(Resource.withIdleTimeout(Resource.source(Stream.never), "1 millis")) // here
  }),
  "OpendalHashMismatch of Opendal.upload, of what arrives otherwise": Effect.gen(function*() {
    const opened = yield* opens
    const storage = {
      ...opened,
      exists: () => Effect.succeed(false),
      file_write: () => Effect.void,
      file_close: () => Effect.void,
      hash: () => Effect.succeed("another")
    }
    yield* Opendal.upload(storage, "a", bytes) // here
  }),
  "EmptyImage of Flasher.verify, of an empty image": Effect.gen(function*() {
    yield* Flasher.verify(yield* as(Flasher.contract), Resource.fromBytes(new Uint8Array())) // here
  }),
  "FlasherHashMismatch of Flasher.verify, of another image": Effect.gen(function*() {
    const { fill: dump } = yield* Board
    yield* Flasher.verify({ dump }, Resource.fromString("an image")) // here
  }),
  "ListenError of Network.portForward": Effect.gen(function*() {
    const board = yield* Board
    const { port } = yield* Network.portForward(board)
    yield* Network.portForward(board, { port }) // here
  })
}

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

  it.live.each(Object.keys(others))("%s", (name) =>
    Effect.gen(function*() {
      const program = others[name] ?? Effect.void
      const error = yield* Effect.flip(Effect.scoped(program)).pipe(
        Effect.provide(Board.layer("board")),
        Effect.provide(exporter)
      )
      const [first = "", ...rest] = linesOf(error)
      assert.strictEqual(error.name, name.split(" ")[0])
      assert.match(first, /\/\/ here$/)
      assert.deepStrictEqual(rest.filter((line) => line.includes("/src/") || line.includes("node_modules")), [])
      assert.strictEqual((error.stack ?? "").split("\n    at ")[0], `${error.name}: ${error.message}`)
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

  it.effect("and that of a driver's failure in the driver", () =>
    Effect.gen(function*() {
      const failure = yield* Effect.flip(Effect.suspend(() => DriverFailure.make("Device", "the relay is stuck") // here
      ))
      assert.deepStrictEqual(linesOf(failure).map((line) => line.includes("// here")), [true])
    }))

  it.effect("and arguments that a host refuses concern no line of it", () =>
    Effect.gen(function*() {
      const board = yield* untyped
      const causes: Array<unknown> = [yield* Effect.flip(board.call("limit", "five"))]
      while (causes[0] instanceof Error && !(causes[0] instanceof DriverFailure.DriverFailure)) {
        causes.unshift(causes[0].cause)
      }
      assert.strictEqual(
        (causes[0] as Error).stack,
        "DriverFailure: arguments[0]: expected number, actual \"five\""
      )
    }).pipe(Effect.provide(ExporterTest.layer({ board: Driver.fromInterface(Limit, { limit: () => Effect.void }) }))))

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
