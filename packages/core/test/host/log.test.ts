// Drivers may log any value: the log never fails a call, and no line is lost or too long for its readers.
import { Driver, DriverFailure, Exporter, ExporterConnection, type LogEntry } from "@effect-jumpstarter/core"
import { assert, describe } from "@effect/vitest"
import { Cause, Effect, Exit, Logger, Option, Stream } from "effect"
import { transports } from "../support/transports.ts"

const fail = (): never => {
  throw new Error("no text")
}

// Its text cannot be read in any way.
const textless = Object.assign(() => {}, { toString: fail, toJSON: fail })

const textlessError = Object.defineProperty(new Error("x"), "message", { get: fail })

const lines: ReadonlyArray<readonly [string, Effect.Effect<void>]> = [
  ["a function with a toString that throws", Effect.log("line", textless)],
  ["an object whose toJSON and toString throw", Effect.log("line", { toJSON: fail, toString: fail })],
  ["an object without a prototype that throws", Effect.log("line", Object.create(null, { toJSON: { value: fail } }))],
  ["an error whose message throws", Effect.log("line", textlessError)],
  ["such a cause", Effect.log("line", Cause.die(textless))],
  ["such an annotation", Effect.annotateLogs(Effect.log("line"), "field", textless)],
  ["such an operation", Effect.annotateLogs(Effect.log("line"), "operation", textless)]
]

// Logging does not depend on the transport, but a message has a size limit over a socket.
for (const { it, name, serve } of transports.filter(({ name }) => name === "memory" || name === "unix")) {
  // Runs a call of a driver, and returns the lines that it logged.
  const linesOf = (driver: Effect.Effect<void, DriverFailure.DriverFailure>, options: Exporter.ExporterOptions = {}) =>
    Effect.gen(function*() {
      const device = Driver.make({
        client: "c",
        methods: {
          chatter: Driver.call(() => driver),
          mark: Driver.call(() => Effect.log("the end"))
        }
      })
      const exporter = yield* Exporter.make(Driver.composite({ device }), options)
      const open = yield* serve(exporter.handlers)
      const connection = yield* Effect.flatMap(open(), (channel) => ExporterConnection.fromChannel(channel))
      const client = yield* connection.driver("device")
      const outcome = yield* Effect.exit(client.call("chatter"))
      yield* client.call("mark")
      const events = yield* Stream.runCollect(
        Stream.takeUntil(connection.logs, (event) => event._tag === "LogEntry" && event.message === "the end")
      )
      const entries = Array.from(events).flatMap((event) => event._tag === "LogEntry" ? [event] : [])
      return { entries, outcome }
    })

  const textOf = (exit: Exit.Exit<unknown, Error>) =>
    Exit.match(exit, {
      onFailure: (cause) =>
        Option.match(Cause.failureOption(cause), { onNone: () => "", onSome: ({ message }) => message }),
      onSuccess: () => ""
    })

  const lineOf = (entries: ReadonlyArray<LogEntry.LogEntry>) => {
    const line = entries.find(({ message }) => message.startsWith("line"))
    return line ?? assert.fail(`no line among ${entries.map(({ message }) => message.slice(0, 80)).join(", ")}`)
  }

  describe(`over ${name}`, () => {
    for (const [what, log] of lines) {
      for (const localLogs of [true, false]) {
        it(`${what} ${localLogs ? "also in the program's own log" : "in the exporter's log only"}`, () =>
          Effect.gen(function*() {
            const { entries, outcome } = yield* linesOf(log, { localLogs })
            assert.strictEqual(outcome._tag, "Success", String(outcome))
            const { fields, message, operation } = lineOf(entries)
            assert.include(
              [message, Object.values(fields), Option.getOrElse(operation, () => "")].join(" "),
              "something that cannot be shown"
            )
          }))
      }
    }

    it("a failure or defect of a driver gives a line and a status", () =>
      Effect.gen(function*() {
        const failed = yield* linesOf(DriverFailure.make("Device", "broken", { cause: textless }))
        assert.include(textOf(failed.outcome), "broken")
        const died = yield* linesOf(Effect.die(textless))
        assert.include(textOf(died.outcome), "something that cannot be shown")
        const { fields } = died.entries.find(({ message }) => message === "Operation failed") ?? assert.fail("no line")
        assert.strictEqual(fields["error"], "something that cannot be shown")
      }))

    it("a driver type and an operation that a driver sets are cut like the message", () =>
      Effect.gen(function*() {
        const long = "漢".repeat(2_000_000)
        const { entries } = yield* linesOf(
          Effect.annotateLogs(Effect.log("line"), { driver_type: long, operation: long, field: "kept" }),
          { localLogs: false }
        )
        const { driverType, fields, operation } = lineOf(entries)
        const cut = `${long.slice(0, 65_536)}… (${2_000_000 - 65_536} more characters)`
        assert.deepStrictEqual([driverType, operation, fields], [Option.some(cut), Option.some(cut), { field: "kept" }])
      }))

    it("fields that do not fit are counted, and the others kept", () =>
      Effect.gen(function*() {
        const large = Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`f${index}`, "漢".repeat(65_000)]))
        const { entries } = yield* linesOf(
          Effect.annotateLogs(Effect.log("line"), {
            ...large,
            ["k".repeat(2_000_000)]: "",
            short: "kept",
            ["__proto__"]: "data"
          }),
          { localLogs: false }
        )
        const { fields } = lineOf(entries)
        assert.strictEqual(fields["short"], "kept")
        assert.deepStrictEqual([fields["fields_left_out"], Object.keys(fields).length], ["1", 12])
      }))

    // Short in characters, but together longer than a message may be on a socket.
    if (name === "unix") {
      it("many small fields do not make a line that is too long for readers", () =>
        Effect.gen(function*() {
          const character = (code: number) => String.fromCharCode(0x4e00 + code)
          const small = Object.fromEntries(
            Array.from(
              { length: 360_000 },
              (_, index) => [character(index % 600) + character(Math.floor(index / 600)), ""]
            )
          )
          const { entries } = yield* linesOf(Effect.annotateLogs(Effect.log("line"), small), { localLogs: false })
          const { fields } = lineOf(entries)
          assert.strictEqual(Number(fields["fields_left_out"]), 360_001 - Object.keys(fields).length)
        }), 60_000)
    }

    it("a logger that throws on any value still fails the call", () =>
      Effect.gen(function*() {
        const error = yield* linesOf(Effect.log("line")).pipe(
          Effect.provide(Logger.replace(Logger.defaultLogger, Logger.make(fail))),
          Effect.flip
        )
        assert.include(error.message, "no text")
      }))
  })
}
