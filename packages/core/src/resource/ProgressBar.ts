/**
 * A progress bar for transfers, ready to use: a bar on a terminal, plain lines anywhere else.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as monotonicClock from "../util/monotonicClock.ts"
import type { TransferProgress } from "./Resource.ts"
import * as Resource from "./Resource.ts"
import * as terminalBar from "./terminalBar.ts"

/**
 * Where a progress bar is drawn: a Node stream such as `process.stderr` or `process.stdout`, or any object that takes text.
 *
 * @since 0.1.0
 * @category models
 */
export interface ProgressOutput {
  readonly write: (text: string) => unknown
  /** Whether the output is a terminal, on which a line can be redrawn. */
  readonly isTTY?: boolean | undefined
  /** The width of the terminal; 80 unless given. */
  readonly columns?: number | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface ProgressBarOptions {
  /** The name of the transfer, written before the bar; `transfer` unless given. */
  readonly label?: string | undefined
  /** Standard error unless given. */
  readonly output?: ProgressOutput | undefined
}

interface Measure extends TransferProgress {
  /** Since the transfer began. */
  readonly elapsedMillis: number
  /** Bytes per millisecond: recently, or for the whole transfer once it is done. */
  readonly rate: number
}

// The time span of the current rate.
const windowMillis = 2_000

const makeMeter = (start: number) => {
  let samples: ReadonlyArray<{ readonly time: number; readonly bytes: number }> = [{ time: start, bytes: 0 }]
  return (progress: TransferProgress, now: number): Measure => {
    const recent = samples.findLast(({ time }) => now - time >= windowMillis) ?? samples[0]!
    const since = progress.done ? { time: start, bytes: 0 } : recent
    samples = [...samples.filter(({ time }) => time >= recent.time), { time: now, bytes: progress.bytes }]
    return {
      ...progress,
      elapsedMillis: now - start,
      rate: now > since.time ? (progress.bytes - since.bytes) / (now - since.time) : 0
    }
  }
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1)

const seconds = (millis: number): string => `${(millis / 1_000).toFixed(1)} s`

// One byte per millisecond is a thousandth of a megabyte per second.
const speed = ({ rate }: Measure): string => `${(rate / 1_000).toFixed(1)} MB/s`

const percentage = (bytes: number, total: number): number => total === 0 ? 100 : Math.floor(bytes / total * 100)

const remaining = (measure: Measure, total: number): string => {
  if (measure.done) return `in ${seconds(measure.elapsedMillis)}`
  if (measure.rate <= 0) return ""
  const left = Math.ceil((total - measure.bytes) / measure.rate / 1_000)
  return left < 60 ? `ETA ${left} s` : `ETA ${Math.floor(left / 60)} min ${left % 60} s`
}

type Draw = (measure: Measure) => void

const maxWidth = 30

const drawBar = Effect.fnUntraced(function*(output: ProgressOutput, label: string, size: Option.Option<number>) {
  const total = Option.getOrElse(size, () => 0)
  const known = Option.isSome(size)
  const texts = (measure: Measure) => ({
    label,
    amount: known ? `${megabytes(measure.bytes)}/${megabytes(total)} MB` : `${megabytes(measure.bytes)} MB`,
    speed: speed(measure),
    left: known ? remaining(measure, total) : measure.done ? `in ${seconds(measure.elapsedMillis)}` : ""
  })
  const state = (measure: Measure) => ({ value: measure.bytes, texts: texts(measure) })
  // Percentage, amount, speed and time left, with what separates them.
  const beside = 7 + megabytes(total).length * 2 + 5 + 12 + 13
  const draw = yield* terminalBar.open({
    output,
    total,
    width: Math.max(5, Math.min(maxWidth, (output.columns ?? 80) - label.length - beside)),
    format: known ? "{label} {bar} {percentage} % {amount} {speed} {left}" : "{label} {amount} {speed} {left}",
    initial: state({ bytes: 0, total: size, done: false, elapsedMillis: 0, rate: 0 })
  })
  const drawState: Draw = (measure) => draw(state(measure))
  return drawState
})

// How often a transfer of unknown size gets a line.
const lineMillis = 10_000

// A line for every step of ten percent, and one at the end, also when the transfer stops early.
const drawLines = (output: ProgressOutput, label: string): Draw => {
  let step = 0
  return (measure) => {
    const { bytes, done, elapsedMillis, total } = measure
    const reached = Option.match(total, {
      onNone: () => Math.floor(elapsedMillis / lineMillis),
      onSome: (total) => Math.floor(percentage(bytes, total) / 10)
    })
    // The line at the end reports 100 percent.
    const complete = Option.exists(total, (total) => bytes >= total)
    if (!done && (reached <= step || complete)) return
    step = reached
    const amount = Option.match(total, {
      onNone: () => `${megabytes(bytes)} MB`,
      onSome: (total) => `${percentage(bytes, total)} % (${megabytes(bytes)} of ${megabytes(total)} MB)`
    })
    output.write(`${label} ${amount} at ${speed(measure)}${done ? ` in ${seconds(elapsedMillis)}` : ""}\n`)
  }
}

const open = (
  output: ProgressOutput,
  label: string,
  total: Option.Option<number>
): Effect.Effect<Draw, never, Scope.Scope> =>
  output.isTTY === true ? drawBar(output, label, total) : Effect.sync(() => drawLines(output, label))

/**
 * Shows the progress of a transfer until it ends; `show` does this for a resource. Run it next to the call that uses the
 * resource, for one transfer at a time. Interrupting it restores the terminal.
 *
 * @since 0.1.0
 * @category combinators
 */
export const run: {
  (
    options?: ProgressBarOptions
  ): <E, R>(progress: Stream.Stream<TransferProgress, E, R>) => Effect.Effect<void, E, R>
  <E, R>(
    progress: Stream.Stream<TransferProgress, E, R>,
    options?: ProgressBarOptions
  ): Effect.Effect<void, E, R>
} = dual(
  ([progress]) => Predicate.hasProperty(progress, Stream.StreamTypeId),
  <E, R>(
    progress: Stream.Stream<TransferProgress, E, R>,
    options: ProgressBarOptions = {}
  ): Effect.Effect<void, E, R> =>
    Effect.scoped(Effect.gen(function*() {
      const output = options.output ?? terminalBar.stderr()
      const label = options.label ?? "transfer"
      const meter = makeMeter(yield* monotonicClock.currentMillis)
      let draw: Draw | undefined
      yield* Stream.runForEach(progress, (value) =>
        Effect.gen(function*() {
          draw ??= yield* open(output, label, value.total)
          draw(meter(value, yield* monotonicClock.currentMillis))
        }))
    }))
)

/**
 * Shows a bar for every transfer of a resource. On a terminal it has the rate and, when the size is known, the time left.
 * Elsewhere it writes a line for every ten percent. Run one transfer at a time.
 *
 * It measures the bytes on the wire: for an encoded source, the encoded bytes.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { Device, ProgressBar, Resource } from "@effect-jumpstarter/core"
 * import { Flasher } from "@effect-jumpstarter/core/drivers"
 * import { Effect } from "effect"
 *
 * class BoardFlasher extends Device.Tag("acme/BoardFlasher", Flasher.contract)<BoardFlasher>() {}
 *
 * const install = Effect.gen(function*() {
 *   const flasher = yield* BoardFlasher
 *   const image = yield* Resource.fromFile("rootfs.img.zst", { contentEncoding: "zstd" })
 *   yield* flasher.flash(image.pipe(ProgressBar.show({ label: "root" })), "root")
 * })
 * ```
 */
export const show: {
  (
    options?: ProgressBarOptions
  ): <Self extends Resource.Resource<unknown, unknown, unknown>>(resource: Self) => Self
  <Self extends Resource.Resource<unknown, unknown, unknown>>(resource: Self, options?: ProgressBarOptions): Self
} = dual(
  ([resource]) => Resource.isResource(resource),
  <A, E, R>(resource: Resource.Resource<A, E, R>, options: ProgressBarOptions = {}): Resource.Resource<A, E, R> =>
    Resource.withProgress(resource, (progress) => run(progress, options))
)
