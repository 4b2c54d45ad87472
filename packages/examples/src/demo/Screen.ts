/** The output of the demo: colors and redrawing on a terminal, plain lines elsewhere. */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

export type Style = "plain" | "bold" | "dim" | "title" | "good" | "bad" | "note"

const codes: Record<Style, ReadonlyArray<number>> = {
  plain: [],
  bold: [1],
  dim: [2],
  title: [1, 36],
  good: [32],
  bad: [31],
  note: [33]
}

export class Screen extends Context.Tag("examples/Screen")<Screen, {
  /** The output stream, for progress bars. */
  readonly output: NodeJS.WriteStream
  /** Returns text in a style; unchanged without color. */
  readonly paint: (style: Style, text: string) => string
  readonly print: (text: string, style?: Style) => Effect.Effect<void>
  /** Prints at once; for loggers. */
  readonly unsafePrint: (text: string) => void
  /** Keeps lines below all other output and redraws them there; draws nothing outside a terminal. */
  readonly pin: (lines: ReadonlyArray<string>) => Effect.Effect<void>
}>() {}

const make = (output: NodeJS.WriteStream, options: { readonly live: boolean; readonly color: boolean }) => {
  let pinned: ReadonlyArray<string> = []
  const erasePinned = () => pinned.length === 0 ? "\r\x1b[2K" : `\r\x1b[${pinned.length}A\x1b[J`
  const draw = (lines: ReadonlyArray<string>) => lines.map((line) => `${line}\n`).join("")

  const unsafePrint = (text: string): void => {
    output.write(options.live ? `${erasePinned()}${text}\n${draw(pinned)}` : `${text}\n`)
  }
  const paint = (style: Style, text: string): string =>
    options.color && style !== "plain" ? `\x1b[${codes[style].join(";")}m${text}\x1b[0m` : text

  return Screen.of({
    output,
    paint,
    unsafePrint,
    print: (text, style = "plain") => Effect.sync(() => unsafePrint(paint(style, text))),
    pin: (lines) =>
      Effect.sync(() => {
        if (!options.live) return
        output.write(erasePinned() + draw(lines))
        pinned = lines
      })
  })
}

/** Standard output. `NO_COLOR` and `TERM=dumb` are respected. */
export const layer: Layer.Layer<Screen> = Layer.effect(
  Screen,
  Effect.gen(function*() {
    const noColor = yield* Config.string("NO_COLOR").pipe(Config.withDefault(""))
    const terminal = yield* Config.string("TERM").pipe(Config.withDefault(""))
    // When the reader has ended, as in `npm run demo | head`, end as with Ctrl-C.
    process.stdout.on("error", () => process.kill(process.pid, "SIGINT"))
    const live = process.stdout.isTTY === true && terminal !== "dumb"
    return make(process.stdout, { live, color: live && noColor === "" })
  }).pipe(Effect.orDie)
)

/** Starts a section. */
export const section = (title: string) =>
  Effect.flatMap(Screen, ({ paint, print }) => print(`\n${paint("title", title)}`))

// The maximum width of a line.
const columns = 78

/** Shortens text to a width. */
export const shorten = (text: string, width = columns): string =>
  text.length > width ? `${text.slice(0, Math.max(0, width - 1))}…` : text

// Breaks text into lines at spaces.
const wrap = (text: string, width: number): ReadonlyArray<string> => {
  const lines = [""]
  for (const word of text.split(/\s+/)) {
    const line = lines.at(-1)!
    if (line !== "" && line.length + 1 + word.length > width) lines.push(word)
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`
  }
  return lines
}

/** Prints names and values in two columns, long values on several lines. */
export const facts = (rows: Readonly<Record<string, string>>, indent = 2) =>
  Effect.flatMap(Screen, ({ paint, print }) => {
    const width = Math.max(...Object.keys(rows).map((name) => name.length)) + 2
    return Effect.forEach(Object.entries(rows), ([name, value]) =>
      Effect.forEach(
        wrap(value, columns - indent - width),
        (line, index) => print(`${" ".repeat(indent)}${paint("dim", (index === 0 ? name : "").padEnd(width))}${line}`),
        { discard: true }
      ), { discard: true })
  })
