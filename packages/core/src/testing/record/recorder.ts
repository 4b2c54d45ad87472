// Keeps what happens during one run, scrubbed and bounded, until it is written.
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Encoding from "effect/Encoding"
import * as Exit from "effect/Exit"
import * as Inspectable from "effect/Inspectable"
import * as Predicate from "effect/Predicate"
import type { JsonValue } from "../../protocol/ProtobufValue.ts"
import * as recordingFormat from "../recording/format.ts"
import * as scrubbing from "../recording/scrub.ts"
import { BoundedLines, type Line } from "./boundedLines.ts"
import * as format from "./format.ts"
import { Journal } from "./journal.ts"

export interface Options {
  readonly scrub: scrubbing.Scrub
  // Of the lines of all kinds together, in characters.
  readonly maxSize: number
}

// The share of the kinds of lines. A kind with many lines displaces no line of another kind.
const shares: Record<format.Lane, number> = { calls: 0.3, bytes: 0.25, items: 0.2, log: 0.15, messages: 0.1 }

// A longer value is kept in part, as text.
const maxValue = 16 * 1024

const shortened = (text: string): string =>
  text.length <= maxValue ? text : `${text.slice(0, maxValue)}… (${text.length - maxValue} characters more)`

const shortenedValue = (value: JsonValue): JsonValue => {
  const text = JSON.stringify(value)
  return text.length <= maxValue ? value : shortened(text)
}

// What any program's value is in JSON.
const toJson = (value: unknown): JsonValue => {
  try {
    const text: string | undefined = JSON.stringify(
      value,
      (_, inner: unknown) => typeof inner === "bigint" ? `${inner}` : inner
    )
    return text === undefined ? null : JSON.parse(text)
  } catch {
    return Inspectable.toStringUnknown(value)
  }
}

export class Recorder {
  readonly journal: Journal
  private readonly lanes: Record<format.Lane, BoundedLines>
  private readonly nanosAtStart: bigint
  private latest = 0
  private positions = 0
  private readonly begun: number
  private exit: Exit.Exit<unknown, unknown> | undefined
  private endedAt: number | undefined

  constructor(private readonly clock: Clock.Clock, private readonly options: Options) {
    this.journal = new Journal(2 * options.maxSize)
    const lane = (of: format.Lane) => new BoundedLines(options.maxSize * shares[of])
    this.lanes = {
      calls: lane("calls"),
      bytes: lane("bytes"),
      items: lane("items"),
      log: lane("log"),
      messages: lane("messages")
    }
    this.nanosAtStart = clock.unsafeCurrentTimeNanos()
    this.begun = clock.unsafeCurrentTimeMillis()
  }

  // Milliseconds since the start. A test may set its clock back.
  now(): number {
    const millis = Number(this.clock.unsafeCurrentTimeNanos() - this.nanosAtStart) / 1e6
    this.latest = Math.max(this.latest, Math.round(millis * 100) / 100)
    return this.latest
  }

  add(happening: format.Happening): void {
    const at = this.now()
    const text = JSON.stringify({ at, ...happening })
    this.lanes[format.laneOf(happening.event)].add({ position: this.positions++, at, text })
    this.journal.add(text)
  }

  value(site: scrubbing.Site, value: unknown): JsonValue {
    return shortenedValue(scrubbing.value(this.options.scrub, site, toJson(value)))
  }

  args(site: scrubbing.Site, args: ReadonlyArray<unknown>): ReadonlyArray<JsonValue> {
    const scrubbed = scrubbing.args(this.options.scrub, { ...site, args: args.map(toJson) })
    return scrubbed.map(shortenedValue)
  }

  text(site: scrubbing.Site, text: string): string {
    const value = scrubbing.value(this.options.scrub, site, text)
    return shortened(typeof value === "string" ? value : JSON.stringify(value))
  }

  bytes(site: scrubbing.Site, bytes: Uint8Array): format.Bytes {
    const data = recordingFormat.toBytes(scrubbing.bytes(this.options.scrub, site, bytes))
    return "base64" in data
      ? { bytes: data.bytes, base64: Encoding.encodeBase64(data.base64) }
      : "text" in data
      ? data
      : { bytes: data.bytes, text: "" }
  }

  failure(site: scrubbing.Site, cause: Cause.Cause<unknown>): format.Failure {
    const error = Cause.squash(cause)
    const message = error instanceof Error ? error.message : Inspectable.toStringUnknown(error)
    return {
      ...(Predicate.hasProperty(error, "_tag") && typeof error._tag === "string" ? { tag: error._tag } : {}),
      message: this.text(site, message)
    }
  }

  // The program has ended.
  end(exit: Exit.Exit<unknown, unknown>): void {
    this.exit = exit
    this.endedAt = this.now()
  }

  get hasFailed(): boolean {
    return this.exit !== undefined && Exit.isFailure(this.exit)
  }

  private errors(): ReadonlyArray<format.RunError> {
    if (this.exit === undefined || Exit.isSuccess(this.exit)) return []
    return Cause.prettyErrors(this.exit.cause).map(({ message, stack }) => ({
      message,
      ...(stack === undefined ? {} : { stack })
    }))
  }

  private outcome(): format.Outcome {
    return this.exit === undefined || Exit.isSuccess(this.exit)
      ? "passed"
      : Cause.isInterruptedOnly(this.exit.cause)
      ? "interrupted"
      : "failed"
  }

  // The lines of the file. What the caller knows better than the exit of the program takes precedence.
  lines(
    run: Pick<format.Header, "name" | "file">,
    known: Partial<Pick<format.Header, "errors" | "outcome">> = {}
  ): ReadonlyArray<string> {
    const errors = (known.errors ?? this.errors()).map(({ message, stack }) => ({
      message: this.text(program, message),
      ...(stack === undefined ? {} : { stack: this.text(program, stack) })
    }))
    const header: format.Header = {
      record: "effect-jumpstarter",
      version: format.version,
      ...run,
      outcome: known.outcome ?? this.outcome(),
      begun: new Date(this.begun).toISOString(),
      millis: this.endedAt ?? this.now(),
      errors
    }
    return [JSON.stringify(header), ...this.kept()]
  }

  private kept(): ReadonlyArray<string> {
    const lines: Array<Line> = []
    for (const of of Object.keys(shares) as ReadonlyArray<format.Lane>) {
      const { cut, lines: kept } = this.lanes[of]
      for (const line of kept) lines.push(line)
      if (cut === undefined) continue
      const { at, lines: left, position, until } = cut
      const event: format.Event = { at, event: "cut", of, until, lines: left }
      lines.push({ position, at, text: JSON.stringify(event) })
    }
    return lines.sort((one, other) => one.position - other.position).map(({ text }) => text)
  }
}

// What the program says itself is scrubbed as a line of a log.
export const program: scrubbing.Site = { kind: "log", driver: "", method: "" }
