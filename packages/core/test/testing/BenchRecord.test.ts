// What a record has, what it leaves out, and which runs leave one.
import {
  Device,
  Driver,
  DriverFailure,
  DriverInterface,
  DriverMethod,
  Exporter,
  ExporterConnection,
  Resource
} from "@effect-jumpstarter/core"
import { BenchRecord, ControllerTest, FaultyExporter } from "@effect-jumpstarter/core/testing"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as FileSystem from "@effect/platform/FileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Logger, Schema, Stream, TestClock } from "effect"
import { utf8 } from "../support/bytes.ts"
import { acquire, board, clientOf, dialling, inTime } from "../support/leaseBench.ts"
import * as temporary from "../support/temporary.ts"
import * as bench from "./bench.ts"
import * as records from "./benchRecords.ts"

const secret = "correct-horse-battery-staple"

const testOf = records.testContext

const recorded = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provide(effect, NodeFileSystem.layer)

describe("a record", () => {
  it.scoped("has calls, results, consoles, steps and messages as lines that its schema allows", () =>
    recorded(Effect.gen(function*() {
      const directory = yield* records.directory
      yield* records.run(
        { directory, name: "Everything, once" },
        Effect.gen(function*() {
          const power = yield* bench.power
          yield* Effect.withSpan(power.call("set", 12, { channel: "main" }), "set the voltage")
          yield* Effect.exit(power.call("broken"))
          yield* Stream.runDrain(power.streamingCall("count", 2))
          yield* Effect.logWarning("now the console").pipe(Effect.annotateLogs("board", 7))
          yield* bench.converse("hi\n", "\0")
        })
      )
      assert.deepStrictEqual(yield* records.files(directory), ["everything-once.html", "everything-once.jsonl"])
      const { events, header } = yield* records.read(`${directory}/everything-once.jsonl`)
      assert.deepStrictEqual(header, {
        record: "effect-jumpstarter",
        version: 1,
        name: "Everything, once",
        outcome: "passed",
        begun: "1970-01-01T00:00:00.000Z",
        millis: 0,
        errors: []
      })
      const exporter = "memory"
      const power = { exporter, driver: "power" }
      const console = (event: string) => event === "sent" || event === "received"
      const shown = events.filter(({ event }) => event !== "log" && !console(event))
      assert.deepStrictEqual(records.shown(shown), [
        { event: "connection", exporter, state: "Ready" },
        { event: "begin", id: 0, kind: "step", name: "set the voltage" },
        { event: "begin", id: 1, kind: "call", ...power, method: "set", args: [12, { channel: "main" }] },
        { event: "end", id: 1, outcome: "done", result: [12, { channel: "main" }] },
        { event: "end", id: 0, outcome: "done" },
        { event: "begin", id: 2, kind: "call", ...power, method: "broken", args: [] },
        {
          event: "end",
          id: 2,
          outcome: "failed",
          failure: {
            tag: "DriverError",
            message: "call power.broken failed (DEADLINE_EXCEEDED): the relay did not answer"
          }
        },
        { event: "begin", id: 3, kind: "streamingCall", ...power, method: "count", args: [2] },
        { event: "item", id: 3, value: 1 },
        { event: "item", id: 3, value: 2 },
        { event: "end", id: 3, outcome: "done" },
        { event: "message", level: "WARN", text: "now the console", annotations: { board: 7 } },
        { event: "begin", id: 4, kind: "stream", exporter, driver: "console", method: "connect" },
        { event: "end", id: 4, outcome: "done" },
        { event: "connection", exporter, state: "Closed" }
      ])
      const said = (event: string) => events.flatMap((one) => one.event === event && "data" in one ? [one.data] : [])
      const hi = [{ bytes: 3, text: "hi\n" }, { bytes: 1, base64: "AA==" }]
      assert.deepStrictEqual(said("sent"), hi)
      assert.deepStrictEqual(said("received"), [...hi, { bytes: 3, text: "bye" }])
      const log = events.filter(({ event }) => event === "log")
      assert.include(JSON.stringify(log), "\"operation\":\"set\"")
    })))

  it.scoped("marks as failed what a contract refuses, with its error", () =>
    recorded(Effect.gen(function*() {
      const directory = yield* records.directory
      const contract = DriverInterface.make("jumpstarter_driver_power.client.PowerClient", {
        set: DriverMethod.call({ args: [Schema.Int, DriverMethod.optional(DriverMethod.Json)], result: Schema.String }),
        flash: DriverMethod.call({ args: [DriverMethod.source, Schema.Int] }),
        count: DriverMethod.streamingCall({ args: [Schema.Positive], item: Schema.Int.pipe(Schema.lessThan(3)) })
      })
      yield* records.run(
        { directory, name: "refused" },
        Effect.gen(function*() {
          const power = Device.fromInterface(yield* bench.power, contract)
          yield* Effect.exit(power.set(12))
          yield* Effect.exit(power.set(1.5))
          yield* Effect.exit(power.flash(Resource.source(Stream.empty), 0.5))
          yield* Effect.exit(Stream.runDrain(power.count(5)))
          yield* Effect.exit(Stream.runDrain(power.count(-1)))
        })
      )
      const { events } = yield* records.read(`${directory}/refused.jsonl`)
      const begun = events.flatMap((event) => event.event === "begin" ? [[event.kind, event.method, event.args]] : [])
      assert.deepStrictEqual(begun, [
        ["call", "set", [12]],
        ["call", "set", [1.5]],
        ["call", "flash", ["<resource>", 0.5]],
        ["streamingCall", "count", [5]],
        ["streamingCall", "count", [-1]]
      ])
      const ended = events.flatMap((event) => event.event === "end" ? [[event.outcome, event.failure?.tag]] : [])
      assert.deepStrictEqual(ended, [
        ["failed", "UnexpectedResult"],
        ["failed", "InvalidArgument"],
        ["failed", "InvalidArgument"],
        ["failed", "UnexpectedResult"],
        ["failed", "InvalidArgument"]
      ])
    })))

  it.scoped("has the progress of a transfer, and none of its bytes", () =>
    recorded(Effect.gen(function*() {
      const directory = yield* records.directory
      yield* records.run({ directory, name: "flash" }, bench.upload("0123456789"))
      const { events } = yield* records.read(`${directory}/flash.jsonl`)
      const ofTransfer = events.filter(({ event }) => event === "progress")
      assert.deepInclude(ofTransfer.at(-1), { sent: 10, received: 0 })
      assert.isFalse(events.some(({ event }) => event === "sent"))
      assert.deepStrictEqual(
        events.flatMap((event) => event.event === "begin" && event.kind === "call" ? [event.args] : []),
        [["<resource>"]]
      )
    })))

  it.scoped("has the loss of a connection, and its return", () =>
    recorded(Effect.gen(function*() {
      const directory = yield* records.directory
      const { drivers } = yield* bench.make
      yield* Effect.gen(function*() {
        const exporter = yield* FaultyExporter.FaultyExporter
        const power = yield* bench.power
        yield* power.call("on")
        yield* exporter.dropConnection
        yield* Effect.exit(power.call("on"))
        yield* exporter.restore
        yield* power.call("on")
      }).pipe(
        Effect.provide(FaultyExporter.layer(drivers)),
        Effect.provide(BenchRecord.layer({ directory, name: "loss" }))
      )
      const { events } = yield* records.read(`${directory}/loss.jsonl`)
      assert.deepStrictEqual(
        events.flatMap((event) => event.event === "connection" ? [event.state] : []),
        ["Ready", "Lost", "Ready", "Closed"]
      )
    })))

  it.scoped("has a lease, its extension and its end", () =>
    recorded(Effect.gen(function*() {
      const directory = yield* records.directory
      yield* Effect.gen(function*() {
        const lab = yield* ControllerTest.make()
        const rpi = yield* board(lab, "rpi-of-records")
        const controller = yield* clientOf(lab, "alice")
        const lease = yield* acquire(
          controller,
          { exporterName: "rpi-of-records", duration: "10 minutes" },
          dialling(rpi)
        )
        yield* TestClock.adjust("1 minute")
        yield* lease.extend("5 minutes")
        yield* inTime(lease.release)
      }).pipe(Effect.scoped, Effect.provide(BenchRecord.layer({ directory, name: "lease" })))
      const { events } = yield* records.read(`${directory}/lease.jsonl`)
      const held = events.find((event) =>
        event.event === "begin" && event.kind === "lease" && event.exporter !== undefined
      )
      assert.isDefined(held)
      const id = held !== undefined && "id" in held ? held.id : -1
      assert.deepStrictEqual(
        events.flatMap((event) =>
          "id" in event && event.id === id && event.event !== "begin"
            ? [[
              event.at - (held?.at ?? 0),
              event.event === "item" ? event.value : event.event === "end" ? event.result : event.event
            ]]
            : []
        ),
        [[60_000, { extended: 300 }], [60_000, "Released"]]
      )
    })))

  it.scoped("leaves the backlog of the exporter's log to the program", () =>
    recorded(Effect.gen(function*() {
      const directory = yield* records.directory
      const backlog = yield* records.run(
        { directory, name: "backlog" },
        Effect.gen(function*() {
          const connection = yield* ExporterConnection.ExporterConnection
          const power = yield* bench.power
          yield* power.call("on")
          yield* bench.settled
          return yield* Stream.runCollect(Stream.take(connection.logs, 2))
        })
      )
      assert.deepStrictEqual(
        Array.from(backlog, (event) => event._tag === "LogEntry" ? [event.message, event.backlog] : []),
        [["Operation started", true], ["Operation completed", true]]
      )
    })))

  for (const address of ["unix", "tcp"] as const) {
    it.scopedLive(`over ${address} has the lines of the last call, and marks those of an earlier program`, () =>
      recorded(Effect.gen(function*() {
        const directory = yield* records.directory
        const exporter = yield* Exporter.make(Driver.composite((yield* bench.make).drivers), { localLogs: false })
        const endpoint = yield* Exporter.serve(
          exporter,
          address === "unix" ? { path: yield* temporary.socketPath } : { host: "127.0.0.1", port: 0 }
        )
        const run = (method: string) =>
          Effect.flatMap(bench.power, (power) => power.call(method)).pipe(
            Effect.provide(ExporterConnection.layer(endpoint))
          )
        yield* run("off")
        yield* Effect.provide(run("on"), BenchRecord.layer({ directory, name: "log" }))
        const { events } = yield* records.read(`${directory}/log.jsonl`)
        assert.deepStrictEqual(
          events.flatMap((event) => event.event === "log" ? [[event.operation, event.message, event.backlog]] : []),
          [
            ["off", "Operation started", true],
            ["off", "Operation completed", true],
            ["on", "Operation started", undefined],
            ["on", "Operation completed", undefined]
          ]
        )
      })))
  }

  it.scoped("has nothing of a connection that was made without it, which looks for no record later", () =>
    recorded(Effect.gen(function*() {
      const directory = yield* records.directory
      yield* Effect.flatMap(bench.power, (power) => power.call("on")).pipe(
        Effect.provide(BenchRecord.layer({ directory, name: "late" })),
        Effect.provide(records.connection())
      )
      assert.deepStrictEqual((yield* records.read(`${directory}/late.jsonl`)).events, [])
    })))

  it.scoped("hides secrets, wherever they are", () =>
    recorded(Effect.gen(function*() {
      const directory = yield* records.directory
      const login = Driver.make({
        client: "none.Client",
        methods: {
          login: Driver.call(([credentials]) =>
            Effect.as(Effect.logInfo("in").pipe(Effect.annotateLogs("token", secret)), credentials)
          ),
          tokens: Driver.streamingCall(() => Stream.make({ access_token: secret })),
          refuse: Driver.call(() => DriverFailure.make("Device", `no ${secret}`)),
          connect: Driver.streamTransform((input) => input)
        }
      })
      yield* Effect.exit(records.run(
        {
          directory,
          name: "login",
          scrub: (value, { path }) =>
            path.some((name) => name === "password" || name === "access_token" || name === "token")
              ? "***"
              : typeof value === "string"
              ? value.replaceAll(secret, "***")
              : value,
          scrubBytes: (bytes) => new TextDecoder().decode(bytes) === secret ? utf8("*".repeat(bytes.length)) : bytes
        },
        Effect.gen(function*() {
          const driver = yield* ExporterConnection.driver("login")
          yield* driver.call("login", { user: "root", password: secret })
          yield* Stream.runDrain(driver.streamingCall("tokens"))
          yield* Effect.logInfo(`with ${secret}`).pipe(Effect.annotateLogs("password", secret))
          yield* Effect.scoped(Effect.flatMap(driver.stream("connect"), ({ receive, write }) =>
            Effect.zipRight(write(utf8(secret)), receive)))
          return yield* Effect.withSpan(driver.call("refuse"), `say ${secret}`)
        }),
        { login }
      ))
      const { header, text } = yield* records.read(`${directory}/login.jsonl`)
      const page = yield* Effect.flatMap(FileSystem.FileSystem, (files) =>
        files.readFileString(`${directory}/login.html`))
      assert.include(header.errors[0]?.message, "no ***")
      assert.include(text, "\"user\":\"root\",\"password\":\"***\"")
      assert.notInclude(text, secret)
      assert.notInclude(page, secret)
    })))

  it.scoped("hides values whose keys look like those of secrets, without options", () =>
    recorded(Effect.gen(function*() {
      const directory = yield* records.directory
      yield* records.run(
        { directory, name: "default" },
        Effect.flatMap(bench.power, (power) => power.call("set", { password: secret, url: "/", api_key: secret }))
      )
      const { text } = yield* records.read(`${directory}/default.jsonl`)
      assert.include(text, "\"password\":\"[REDACTED]\"")
      assert.notInclude(text, secret)
    })))

  it.scoped("is bounded: many results displace nothing else, and it says what is left out", () =>
    recorded(Effect.gen(function*() {
      const directory = yield* records.directory
      const maxSize = 200_000
      yield* records.run(
        { directory, name: "flood", maxSize },
        Effect.gen(function*() {
          const power = yield* bench.power
          yield* bench.converse("the console\n")
          yield* Stream.runDrain(power.streamingCall("count", 10_000))
          yield* power.call("set", "x".repeat(50_000))
        })
      )
      const { events, text } = yield* records.read(`${directory}/flood.jsonl`)
      assert.isBelow(text.length, maxSize * 1.1)
      assert.include(text, "the console")
      assert.include(text, "characters more")
      const items = events.flatMap((event) => event.event === "item" ? [event.value] : [])
      const cuts = events.flatMap((event) => event.event === "cut" ? [event] : [])
      assert.deepStrictEqual(cuts.map(({ lines, of }) => [of, lines]), [["items", 10_000 - items.length]])
      assert.deepStrictEqual([items[0], items.at(-1)], [1, 10_000])
      const place = events.findIndex(({ event }) => event === "cut")
      const [before, after] = [events[place - 1], events[place + 1]]
      assert.strictEqual(before?.event, "item")
      assert.strictEqual(after?.event, "item")
    })))

  it.scoped("is written when the program fails, dies or is interrupted", () =>
    recorded(Effect.gen(function*() {
      const directory = yield* records.directory
      const outcomes: Array<unknown> = []
      const hanging = yield* Deferred.make<void>()
      const stuck = Driver.make({
        client: "acme.StuckClient",
        methods: { hang: Driver.call(() => Effect.zipRight(Deferred.succeed(hanging, undefined), Effect.never)) }
      })
      const ends = {
        fails: Effect.flatMap(bench.power, (power) => power.call("broken")),
        dies: Effect.zipRight(bench.power, Effect.die(new TypeError("no such relay"))),
        hangs: Effect.flatMap(ExporterConnection.driver("stuck"), (driver) => driver.call("hang"))
      }
      for (const [name, end] of Object.entries(ends)) {
        const fiber = yield* Effect.fork(records.run({ directory, name, keep: "failed" }, end, { stuck }))
        yield* Effect.raceFirst(Fiber.await(fiber), Deferred.await(hanging))
        yield* Fiber.interrupt(fiber)
        const { events, header } = yield* records.read(`${directory}/${name}.jsonl`)
        const last = events.flatMap((event) => event.event === "end" ? [event.outcome] : []).at(-1)
        outcomes.push([header.outcome, header.errors.map(({ message }) => message), last])
      }
      assert.deepStrictEqual(outcomes, [
        ["failed", ["call power.broken failed (DEADLINE_EXCEEDED): the relay did not answer"], "failed"],
        ["failed", ["no such relay"], undefined],
        ["interrupted", [], "interrupted"]
      ])
    })))

  it.scoped("of a program that succeeds is left out when only failures are kept", () =>
    recorded(Effect.gen(function*() {
      const directory = yield* records.directory
      const on = Effect.flatMap(bench.power, (power) => power.call("on"))
      yield* Effect.exit(records.run({ directory, name: "on", keep: "failed" }, Effect.zipRight(on, Effect.fail("no"))))
      assert.lengthOf(yield* records.files(directory), 2)
      yield* records.run({ directory, name: "on", keep: "failed" }, on)
      assert.deepStrictEqual(yield* records.files(directory), [])
    })))

  it.scoped("that cannot be written is a line in the log, and the program has its own outcome", () =>
    recorded(Effect.gen(function*() {
      const directory = yield* records.directory
      yield* Effect.flatMap(FileSystem.FileSystem, (files) => files.writeFileString(directory, "not a directory"))
      const lines: Array<string> = []
      const logger = Logger.make<unknown, void>(({ message }) => void lines.push(String(message)))
      const result = yield* Effect.provide(
        records.run({ directory, name: "x" }, Effect.succeed(42)),
        Logger.add(logger)
      )
      assert.strictEqual(result, 42)
      assert.include(lines.join("\n"), `cannot write the record ${directory}/x: `)
    })))

  it.scopedLive("of a process that is killed is in its file, and becomes a page", () =>
    recorded(Effect.gen(function*() {
      const directory = yield* records.directory
      const file = `${directory}/killed.jsonl`
      yield* records.untilWritten(file, "\"method\":\"hang\"").pipe(records.whileRunning("recordedRun", directory))
      const { events, header, text } = yield* records.read(file)
      assert.deepInclude(header, { name: "killed", outcome: "unfinished", errors: [] })
      assert.deepStrictEqual(
        events.flatMap((event) => event.event === "begin" ? [event.method] : []),
        ["login", "read", "hang"]
      )
      assert.lengthOf(events.filter(({ event }) => event === "item"), 100)
      assert.include(text, "\"password\":\"[REDACTED]\"")
      assert.notInclude(text, secret)
      const files = yield* FileSystem.FileSystem
      // The last line may be incomplete.
      yield* files.writeFileString(file, "{\"at\":12,\"eve", { flag: "a" })
      assert.strictEqual(yield* BenchRecord.writePage(file), `${directory}/killed.html`)
      const page = yield* files.readFileString(`${directory}/killed.html`)
      assert.include(page, "\"method\":\"hang\"")
      assert.notInclude(page, "{\"at\":12,")
      assert.deepStrictEqual(yield* records.files(directory), ["killed.html", "killed.jsonl"])
    })))

  it.scoped("is read with care", () =>
    recorded(Effect.gen(function*() {
      const directory = yield* records.directory
      yield* records.run({ directory, name: "read" }, Effect.void)
      const file = `${directory}/read.jsonl`
      const files = yield* FileSystem.FileSystem
      const text = yield* files.readFileString(file)
      const refused = (text: string) =>
        files.writeFileString(file, text).pipe(
          Effect.zipRight(Effect.flip(BenchRecord.writePage(file))),
          Effect.map(({ line, message }) => [line, message.replace(file, "F")])
        )
      assert.deepStrictEqual(yield* refused(`{"at":1,"event":"begun"}\n${text}`), [
        1,
        "record F, line 1: this is not the first line of a record: is missing"
      ])
      const [line, message] = yield* refused(text.replace("\n", "\n{\"at\":1,\"event\":\"begun\"}\n"))
      assert.strictEqual(line, 2)
      assert.match(String(message), /^record F, line 2: this is not an event of a record: /)
      const missing = yield* Effect.flip(BenchRecord.writePage(`${directory}/none.jsonl`))
      assert.match(missing.message, /^record .*none\.jsonl: cannot read it: /)
    })))

  it.scoped("goes on to the tracer that the program has", () =>
    recorded(Effect.gen(function*() {
      const directory = yield* records.directory
      const program = Effect.flatMap(bench.power, (power) => power.call("on")).pipe(
        Effect.zipRight(Effect.currentSpan),
        Effect.withSpan("step")
      )
      const span = yield* Effect.withSpan(records.run({ directory, name: "spans" }, program), "outer")
      assert.strictEqual(span.name, "step")
      assert.strictEqual(span.status._tag, "Ended")
      assert.isTrue(
        span.parent._tag === "Some" && span.parent.value._tag === "Span" && span.parent.value.name === "outer"
      )
    })))
})

describe("the record of a test", () => {
  const forTest = (context: BenchRecord.TestContext, options: BenchRecord.RecordOptions) =>
    Effect.provide(BenchRecord.forTest(context, options))

  const on = Effect.flatMap(bench.power, (power) => power.call("on"))

  it.scoped("that fails has what the test failed with", () =>
    recorded(Effect.gen(function*() {
      const directory = yield* records.directory
      const { context, fails } = testOf("boots the kernel", { suite: "the board" })
      yield* on.pipe(Effect.provide(records.connection()), forTest(context, { directory }))
      assert.deepStrictEqual(yield* records.files(directory), [])
      // Such as a soft assertion, or a hook after the test.
      yield* fails("expected 1 to be 2")
      const name = "board-the-board-boots-the-kernel"
      assert.deepStrictEqual(yield* records.files(directory), [`${name}.html`, `${name}.jsonl`])
      const { events, header } = yield* records.read(`${directory}/${name}.jsonl`)
      assert.deepInclude(header, {
        name: "the board > boots the kernel",
        file: "test/board.test.ts",
        outcome: "failed" as const
      })
      assert.strictEqual(header.errors[0]?.message, "expected 1 to be 2")
      assert.isTrue(events.some((event) => event.event === "end" && event.outcome === "done"))
    })))

  it.scoped("that passes leaves nothing, not even of an earlier run, unless it is asked to", () =>
    recorded(Effect.gen(function*() {
      const directory = yield* records.directory
      const first = testOf("switches on")
      yield* on.pipe(Effect.provide(records.connection()), forTest(first.context, { directory }))
      yield* first.fails("no")
      assert.lengthOf(yield* records.files(directory), 2)
      const second = testOf("switches on")
      yield* on.pipe(Effect.provide(records.connection()), forTest(second.context, { directory }))
      yield* second.passes
      assert.deepStrictEqual(yield* records.files(directory), [])
      const third = testOf("switches on")
      yield* on.pipe(Effect.provide(records.connection()), forTest(third.context, { directory, keep: "always" }))
      yield* third.passes
      assert.strictEqual((yield* records.read(`${directory}/board-switches-on.jsonl`)).header.outcome, "passed")
    })))

  it.scopedLive("is written while the test runs, and removed when it passes", () =>
    recorded(Effect.gen(function*() {
      const directory = yield* records.directory
      const { context, passes } = testOf("switches on")
      const written = records.untilWritten(`${directory}/board-switches-on.jsonl`, "\"outcome\":\"unfinished\"")
      yield* Effect.zipRight(on, written).pipe(
        Effect.provide(records.connection()),
        forTest(context, { directory })
      )
      assert.deepStrictEqual(yield* records.files(directory), ["board-switches-on.jsonl"])
      yield* passes
      assert.deepStrictEqual(yield* records.files(directory), [])
    })))

  it.scoped("that is tried again keeps each attempt that failed", () =>
    recorded(Effect.gen(function*() {
      const directory = yield* records.directory
      for (const retryCount of [0, 1]) {
        const { context, fails } = testOf("is flaky", { retryCount })
        yield* forTest(context, { directory })(Effect.void)
        yield* fails(`attempt ${retryCount}`)
      }
      assert.deepStrictEqual(
        (yield* records.files(directory)).filter((name) => name.endsWith(".jsonl")),
        ["board-is-flaky-retry-1.jsonl", "board-is-flaky.jsonl"]
      )
    })))

  it.scoped("is its own, whichever tests run at the same time and have the same name", () =>
    recorded(Effect.gen(function*() {
      const directory = yield* records.directory
      const both = yield* Deferred.make<void>()
      const one = (id: string, value: number, wait: Effect.Effect<unknown>) => {
        const { context, fails } = testOf("sets the voltage", { id })
        return bench.power.pipe(
          Effect.flatMap((power) => Effect.zipRight(wait, power.call("set", value))),
          Effect.zipRight(Effect.logInfo(`set ${value}`)),
          Effect.provide(records.connection()),
          forTest(context, { directory }),
          Effect.zipRight(fails(id))
        )
      }
      yield* Effect.all([
        one("a", 1, Deferred.await(both)),
        one("b", 2, Deferred.succeed(both, undefined))
      ], { concurrency: "unbounded" })
      const read = (name: string) =>
        Effect.map(records.read(`${directory}/${name}.jsonl`), ({ events, header }) => [
          header.errors[0]?.message,
          events.flatMap((event): ReadonlyArray<unknown> =>
            event.event === "begin" ? [event.args] : event.event === "message" ? [event.text] : []
          )
        ])
      assert.deepStrictEqual(yield* read("board-sets-the-voltage"), ["a", [[1], "set 1"]])
      assert.deepStrictEqual(yield* read("board-sets-the-voltage-2"), ["b", [[2], "set 2"]])
    })))

  it.scoped("on a connection of several tests has its own calls, and what is common to all", () =>
    recorded(Effect.gen(function*() {
      const directory = yield* records.directory
      yield* Effect.gen(function*() {
        const power = yield* bench.power
        const console = yield* Effect.flatMap(
          ExporterConnection.driver("console"),
          (client) => client.stream("connect")
        )
        const test = (name: string, value: number) => {
          const { context, fails } = testOf(name)
          return Effect.gen(function*() {
            yield* power.call("set", value)
            yield* console.write(utf8(`${name}\n`))
            yield* console.receive
          }).pipe(forTest(context, { directory }), Effect.zipRight(fails("no")))
        }
        yield* test("first", 1)
        yield* test("second", 2)
      }).pipe(
        Effect.scoped,
        Effect.provide(records.connection()),
        Effect.provide(BenchRecord.layer({ directory, name: "file" }))
      )
      const said = (name: string) =>
        Effect.map(
          records.read(`${directory}/${name}.jsonl`),
          ({ events }) =>
            events.flatMap((event): ReadonlyArray<unknown> =>
              event.event === "begin"
                ? [event.earlier === true ? `earlier ${event.kind}` : event.args ?? event.kind]
                : event.event === "received" && "text" in event.data
                ? [event.data.text]
                : event.event === "connection"
                ? [event.state]
                : []
            )
        )
      assert.deepStrictEqual(yield* said("board-first"), ["Ready", "earlier stream", [1], "first\n"])
      assert.deepStrictEqual(yield* said("board-second"), ["Ready", "earlier stream", [2], "second\n"])
      assert.deepStrictEqual(yield* said("file"), ["Ready", "stream", [1], "first\n", [2], "second\n", "Closed"])
    })))
})
