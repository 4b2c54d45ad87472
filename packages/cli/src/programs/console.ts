// Connects the terminal with a console of the device.
import type * as ByteStream from "@effect-jumpstarter/core/ByteStream"
import * as Console from "@effect-jumpstarter/core/drivers/Console"
import * as ExporterConnection from "@effect-jumpstarter/core/ExporterConnection"
import type * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as contracts from "../contracts.ts"
import * as durations from "../durations.ts"
import * as escapeKey from "../escapeKey.ts"
import { usage } from "../failure.ts"
import type { Target } from "../options.ts"
import * as output from "../output.ts"
import * as target from "../target.ts"
import { Tty } from "../Tty.ts"

export interface Arguments {
  readonly target: Target
  readonly json: boolean
  readonly path: string
  readonly escape: string
  readonly send: ReadonlyArray<string>
  readonly lineEnd: "lf" | "cr" | "crlf"
  readonly expect: Option.Option<string>
  readonly timeout: Option.Option<string>
  readonly transcript: Option.Option<string>
}

const lineEnds = { lf: "\n", cr: "\r", crlf: "\r\n" }

/** The byte streams that can be consoles. */
const open = (path: string) =>
  Effect.gen(function*() {
    const driver = yield* ExporterConnection.driver(contracts.parsePath(path))
    const entry = contracts.entryOf(driver)
    const place = contracts.shownPath(driver.path)
    if (entry !== undefined && entry.methods["connect"]?.kind !== "Stream") {
      return yield* usage(
        `${place} is a ${entry.name}, which has no console; \`effect-jumpstarter tree\` shows which drivers there are`
      )
    }
    return { place, stream: yield* driver.stream("connect") }
  })

/** A pattern of the command line: `/expression/flags`, or text. */
const patternOf = (text: string) => {
  const [, source, flags] = /^\/(.+)\/([a-z]*)$/s.exec(text) ?? []
  return source === undefined
    ? Effect.succeed(text)
    : Effect.try({
      try: () => new RegExp(source, flags),
      catch: (error) =>
        usage(`--expect ${text} is no regular expression: ${error instanceof Error ? error.message : ""}`)
    })
}

// Adds what the device says to a file, unchanged.
const transcribed = <E>(
  stream: ByteStream.ByteStream<E>,
  file: Option.Option<string>
): Effect.Effect<
  ByteStream.ByteStream<E | PlatformError.PlatformError>,
  PlatformError.PlatformError,
  FileSystem.FileSystem | Scope.Scope
> =>
  Option.isNone(file) ? Effect.succeed(stream) : Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const opened = yield* files.open(file.value, { flag: "a" })
    return {
      ...stream,
      read: Stream.tap(stream.read, (bytes) => opened.writeAll(bytes))
    }
  })

/** Sends what is typed until the escape key, and shows what the device says until it ends. */
const interactive = <E>(stream: ByteStream.ByteStream<E>, place: string, key: escapeKey.Key) =>
  Effect.gen(function*() {
    const { input, output: shown } = yield* Tty
    yield* output.note(`connected to ${place}; ${key.name} ends`)
    yield* input.raw
    const typed = Stream.runForEach(escapeKey.until(input.bytes, key), stream.write)
    const heard = Stream.runForEach(stream.read, shown.write)
    yield* Effect.raceFirst(typed, heard)
    yield* shown.write("\r\n")
  })

// A device seldom ends its console, so the end of the input is the end of a dialogue once the device is silent.
const silence = Duration.toMillis("1 second")

type Show = (data: string | Uint8Array) => Effect.Effect<void, never, Tty>

/** Shows what the device says: unchanged, or as lines of JSON. */
const showing = (json: boolean): Show => {
  if (!json) return (data) => Effect.flatMap(Tty, ({ output: shown }) => shown.write(data))
  const decoder = new TextDecoder()
  return (data) => {
    const text = typeof data === "string" ? data : decoder.decode(data, { stream: true })
    return text === "" ? Effect.void : output.print(output.compact({ text }))
  }
}

/** Sends what is piped, and shows what the device says until it ends, or is silent after the end of the input. */
const piped = <E>(stream: ByteStream.ByteStream<E>, show: Show) =>
  Effect.gen(function*() {
    const { input } = yield* Tty
    let heardAt = yield* Clock.currentTimeMillis
    const heard = Stream.runForEach(stream.read, (bytes) =>
      Effect.zipRight(
        show(bytes),
        Effect.map(Clock.currentTimeMillis, (now) => {
          heardAt = now
        })
      ))
    const isSilent = Effect.map(Clock.currentTimeMillis, (now) => now - heardAt >= silence)
    const silent = Effect.repeat(Effect.delay(isSilent, "100 millis"), {
      until: (isSilent) => isSilent
    })
    const restart = Effect.map(Clock.currentTimeMillis, (now) => {
      heardAt = now
    })
    const typed = Effect.zipRight(Stream.runForEach(input.bytes, stream.write), restart)
    yield* Effect.raceFirst(heard, Effect.zipRight(typed, silent))
  })

const dialogue = <E>(
  stream: ByteStream.ByteStream<E>,
  args: Arguments,
  pattern: string | RegExp | undefined,
  timeout: Parameters<Console.Console<E>["expect"]>[1]
) =>
  Effect.gen(function*() {
    const tty = yield* Tty
    const show = showing(args.json)
    const console = yield* Console.make(stream, {
      lineEnd: lineEnds[args.lineEnd],
      onText: (text) => Effect.provideService(show(text), Tty, tty)
    })
    yield* Effect.forEach(args.send, console.sendLine)
    if (pattern !== undefined) yield* console.expect(pattern, timeout)
  })

export const run = (args: Arguments) =>
  Effect.gen(function*() {
    const key = yield* escapeKey.parse(args.escape)
    const timeout = yield* durations.optional("timeout", args.timeout)
    const pattern = Option.isNone(args.expect) ? undefined : yield* patternOf(args.expect.value)
    const { input, output: shown } = yield* Tty
    const program = Effect.gen(function*() {
      const { place, stream } = yield* open(args.path)
      const read = yield* transcribed(stream, args.transcript)
      if (pattern !== undefined || args.send.length > 0) {
        return yield* dialogue(read, args, pattern, { timeout: Option.getOrUndefined(timeout) })
      }
      yield* input.isTerminal && shown.isTerminal && !args.json
        ? interactive(read, place, key)
        : piped(read, showing(args.json))
    })
    yield* Effect.provide(Effect.scoped(program), target.layer(args.target))
  })
