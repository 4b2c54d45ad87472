// Runs command lines in this process: with an exporter of fakes on a Unix socket, and with an input and outputs of the test.
import { Driver, Exporter } from "@effect-jumpstarter/core"
import { FlasherTest, PowerTest, SerialTest } from "@effect-jumpstarter/core/testing"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Clock from "effect/Clock"
import * as ConfigProvider from "effect/ConfigProvider"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as selfsigned from "selfsigned"
import * as cli from "../src/cli.ts"
import { type Output, Tty } from "../src/Tty.ts"

/** What a terminal would obey, from a hostile exporter. */
export const hostile = "\x1b]0;owned\x07\x9b31mred\u202e"

const fan = Driver.make({
  client: "acme_drivers.client.FanClient",
  description: `The fan ${hostile}`,
  methodsDescription: { set_speed: "Sets the speed." },
  methods: {
    set_speed: Driver.call(([percent]) => Effect.as(Effect.logWarning(`speed ${hostile}`), percent ?? null)),
    say: Driver.call(() => Effect.succeed(hostile)),
    hang: Driver.call(() => Effect.never),
    names: Driver.streamingCall(() => Stream.make("one", "two")),
    gauges: Driver.streamingCall(() =>
      Stream.make(
        Object.fromEntries([hostile, ...Array.from({ length: 99 }, (_, index) => `g${index}`)].map((name) => [name, 1]))
      )
    )
  }
})

/** An exporter of fakes, until the scope closes. */
export const bench = Effect.gen(function*() {
  const directory = yield* Effect.flatMap(FileSystem.FileSystem, (files) => files.makeTempDirectoryScoped())
  const serial = yield* SerialTest.make({
    banner: "booting\r\n",
    prompt: "=> ",
    otherwise: (line) => `you said ${line}\r\n`,
    echo: true
  })
  const power = yield* PowerTest.make({ voltage: 5, load: () => 2, interval: "10 millis" })
  const flasher = yield* FlasherTest.make({ targets: ["root", "boot"], defaultTarget: "root" })
  const group = Driver.composite({ flasher: flasher.driver, fan })
  const exporter = yield* Exporter.make(Driver.composite({ power: power.driver, serial: serial.driver, group }), {
    localLogs: false
  })
  const path = `${directory}/exporter.sock`
  yield* Exporter.serve(exporter, { path })
  return { directory, exporter, flasher, path, power, serial }
}).pipe(Effect.provide(NodeContext.layer))

/** A certificate of this machine, which ends after a number of days; in the past if it is negative. */
export const certificate = (
  days = 30
): Effect.Effect<{ readonly chain: string; readonly privateKey: Redacted.Redacted }> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Effect.promise(async () => {
      const end = now + days * 86_400_000
      const { cert, private: key } = await selfsigned.generate([{ name: "commonName", value: "127.0.0.1" }], {
        algorithm: "sha256",
        keyType: "ec",
        notBeforeDate: new Date(Math.min(now, end) - 86_400_000),
        notAfterDate: new Date(end),
        extensions: [
          { name: "basicConstraints", cA: true, critical: true },
          { name: "subjectAltName", altNames: [{ type: 7, ip: "127.0.0.1" }] }
        ]
      })
      return { chain: cert, privateKey: Redacted.make(key) }
    }))

const nothing: Output = {
  isTerminal: false,
  columns: Effect.succeed(80),
  unsafeWrite: () => {},
  write: () => Effect.void
}

/** A terminal that nobody looks at. */
export const silent: Context.Tag.Service<Tty> = {
  output: nothing,
  errors: nothing,
  input: { isTerminal: false, bytes: Stream.empty, raw: Effect.void, lent: Effect.void }
}

export interface Terminal {
  readonly isTerminal?: boolean
  readonly input?: Stream.Stream<Uint8Array>
  readonly environment?: Readonly<Record<string, string>>
  /** Called with what is written to the output. */
  readonly onOutput?: (text: string) => void
}

export interface Outcome {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs a command line, and returns what it printed. */
export const run = (
  words: ReadonlyArray<string>,
  { environment = {}, input = Stream.empty, isTerminal = false, onOutput = () => {} }: Terminal = {}
): Effect.Effect<Outcome> =>
  Effect.suspend(() => {
    const decoder = new TextDecoder()
    const written = { out: "", err: "" }
    const outputOf = (name: keyof typeof written): Output => {
      const unsafeWrite = (data: string | Uint8Array) => {
        const text = typeof data === "string" ? data : decoder.decode(data, { stream: true })
        written[name] += text
        if (name === "out") onOutput(text)
      }
      return {
        isTerminal,
        columns: Effect.succeed(60),
        unsafeWrite,
        write: (data) => Effect.sync(() => unsafeWrite(data))
      }
    }
    return cli.run(words).pipe(
      Effect.map((code) => ({ code, ...written })),
      Effect.provideService(Tty, {
        output: outputOf("out"),
        errors: outputOf("err"),
        input: { isTerminal, bytes: input, raw: Effect.void, lent: Effect.void }
      }),
      Effect.provide(NodeContext.layer),
      Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(environment))))
    )
  })

/** The documents of an output of JSON lines. */
export const jsonLines = (text: string): ReadonlyArray<unknown> =>
  text.trimEnd().split("\n").map((line) => JSON.parse(line))

export const bytesOf = (...texts: ReadonlyArray<string>): Stream.Stream<Uint8Array> =>
  Stream.encodeText(Stream.fromIterable(texts))
