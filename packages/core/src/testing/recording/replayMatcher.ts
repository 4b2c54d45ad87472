// Matches the RPCs of a program with a recording, and collects the differences.
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as GrpcStatus from "../../grpc/GrpcStatus.ts"
import { memory } from "../../grpc/memoryAddress.ts"
import * as monotonicClock from "../../util/monotonicClock.ts"
import { pathOf } from "../driverNames.ts"
import * as exporterCall from "../exporterCall.ts"
import * as difference from "./difference.ts"
import type { Failure, Output, Place, ReplayRecording, ReplayRpc } from "./reader.ts"
import { ReplayInput } from "./replayInput.ts"
import * as scrubbing from "./scrub.ts"
import { Timeline } from "./timeline.ts"

export interface Options {
  readonly path: string
  readonly scrub: scrubbing.Scrub
  readonly polled: ReadonlyArray<exporterCall.Match>
  readonly patience: Duration.Duration
  readonly recordedTiming: boolean
}

const keyOf = ({ contentEncoding, driver, kind, method }: difference.Described): string =>
  JSON.stringify([kind, driver, method, contentEncoding])

const ofInput = ({ bytes, content }: ReplayRpc["inputs"][number]): string =>
  content === undefined ? `${bytes} bytes` : difference.excerpt(content)

export class ReplayMatcher {
  private readonly differences = new Set<string>()
  // The recorded RPCs by their key. `waiting` has those that the program has not begun.
  private readonly recorded = new Map<string, Array<ReplayRpc>>()
  private readonly waiting = new Map<string, Array<ReplayRpc>>()
  private readonly inputs = new Map<ReplayRpc, ReplayInput>()
  // The number of results returned for each polled call, by its first recorded RPC.
  private readonly polls = new Map<ReplayRpc, number>()
  private readonly timeline: Timeline
  // The address of the recorded exporter, so that errors are the same as in the recorded run.
  readonly target: string
  private readonly name: string

  constructor(private readonly recording: ReplayRecording, private readonly options: Options) {
    this.target = recording.address ?? memory
    this.name = `the recording ${options.path}`
    for (const rpc of recording.rpcs) {
      const key = keyOf(rpc)
      if (!this.recorded.has(key)) this.recorded.set(key, [])
      this.recorded.get(key)?.push(rpc)
    }
    this.recorded.forEach((rpcs, key) => this.waiting.set(key, [...rpcs]))
    const steps = recording.rpcs.flatMap((rpc) => {
      if (this.isPolled(rpc)) return []
      const what = difference.describe(rpc)
      const step = ({ at, index, line }: Place, what: string) => ({ at, index, line, what })
      return [
        // Subscriptions to the log have no fixed place in the order.
        ...(rpc.kind === "log" ? [] : [step(rpc, what)]),
        ...rpc.inputs.map((input) => step(input, `${ofInput(input)} sent on the ${what}`)),
        ...(rpc.inputEnd === undefined ? [] : [step(rpc.inputEnd, `the end of the input of the ${what}`)])
      ]
    })
    this.timeline = new Timeline(steps.sort((a, b) => a.index - b.index), options.patience)
  }

  private isPolled(call: difference.Described): boolean {
    return call.kind === "status" ||
      this.options.polled.some((match) => exporterCall.matches(match, call, [pathOf(call.driver)]))
  }

  private differ(rpc: string, what: string, lines: ReadonlyArray<string>): GrpcStatus.GrpcStatusError {
    const details = [what, ...lines].join("\n  ")
    this.differences.add(details)
    return GrpcStatus.refused({ rpc, target: this.target }, "INVALID_ARGUMENT", details)
  }

  // Returns the recorded RPC for an RPC that begins now.
  begin(
    rpc: string,
    call: Option.Option<exporterCall.ExporterCall>
  ): Effect.Effect<ReplayRpc, GrpcStatus.GrpcStatusError> {
    return Effect.suspend(() => {
      if (Option.isNone(call)) {
        return this.differ(rpc, `${rpc} is not an RPC of an exporter, so it is not in ${this.name}`, [])
      }
      const driver = this.recording.driverNames.nameOf(call.value.uuid) ?? call.value.uuid
      const came = { ...call.value, driver, args: scrubbing.args(this.options.scrub, { ...call.value, driver }) }
      const recorded = this.isPolled(came) ? this.poll(came) : this.next(came)
      return recorded === undefined ? this.unexpected(rpc, came) : Effect.succeed(recorded)
    })
  }

  private next(came: difference.Described): ReplayRpc | undefined {
    const waiting = this.waiting.get(keyOf(came)) ?? []
    const index = waiting.findIndex((recorded) => difference.sameArguments(recorded, came))
    const [recorded] = index === -1 ? [] : waiting.splice(index, 1)
    if (recorded !== undefined) this.timeline.take(recorded)
    return recorded
  }

  private same(came: difference.Described): ReadonlyArray<ReplayRpc> {
    return (this.recorded.get(keyOf(came)) ?? []).filter((recorded) => difference.sameArguments(recorded, came))
  }

  // The number of polled calls varies between runs. They return the results that were recorded up to the program's
  // current step, in order, and then the last one again.
  private poll(came: difference.Described): ReplayRpc | undefined {
    const answered = this.same(came).flatMap((rpc) => rpc.end === undefined ? [] : [{ rpc, end: rpc.end }])
    const [first] = answered
    if (first === undefined) return undefined
    const present = answered.findIndex(({ end }) => !this.timeline.isPast(end))
    const next = Math.max(this.polls.get(first.rpc) ?? 0, present === -1 ? answered.length : present)
    const due = answered[next]
    if (due === undefined || next > 0 && !this.timeline.isDue(due.end)) return answered[next - 1]?.rpc
    this.polls.set(first.rpc, next + 1)
    return due.rpc
  }

  private unexpected(rpc: string, came: difference.Described): GrpcStatus.GrpcStatusError {
    const missing = this.notBegun()
    const named = (recorded: ReplayRpc) => `${difference.describe(recorded)} (line ${recorded.line})`
    const [next] = missing
    const similar = missing.filter((recorded) => keyOf(recorded) === keyOf(came))
    // A call that is equal except for its resource comes too early: its turn is after the calls for earlier resources.
    const later = similar.find((recorded) => difference.between(recorded.args, came.args).length === 0)
    const [closest] = later === undefined ? similar : []
    const what = later !== undefined
      ? `comes before line ${later.line} of`
      : this.same(came).length === 0
      ? "is not in"
      : "is made more often than in"
    return this.differ(rpc, `${difference.describe(came)} ${what} ${this.name}`, [
      `expected next: ${next === undefined ? "nothing, the recording is complete" : named(next)}`,
      ...(closest === undefined || closest === next ? [] : [`closest match: ${named(closest)}`]),
      ...(closest === undefined ? [] : difference.limited(difference.between(closest.args, came.args)))
    ])
  }

  private notBegun(): ReadonlyArray<ReplayRpc> {
    const waiting = new Set([...this.waiting.values()].flat())
    return this.recording.rpcs.filter((recorded) => waiting.has(recorded) && !this.isPolled(recorded))
  }

  // Waits until data from the exporter is due.
  due(
    rpc: string,
    recorded: ReplayRpc,
    place: Place,
    begunAt: number
  ): Effect.Effect<void, GrpcStatus.GrpcStatusError> {
    const timely = Effect.flatMap(
      monotonicClock.currentMillis,
      (now) => Effect.sleep(Math.max(0, begunAt + place.at - recorded.at - now))
    )
    return this.timeline.due(place).pipe(
      Effect.mapError((step) =>
        this.differ(rpc, `${difference.describe(recorded)} cannot continue at line ${place.line} of ${this.name}`, [
          `expected first: ${step.what} (line ${step.line})`
        ])
      ),
      Effect.zipRight(this.options.recordedTiming ? timely : Effect.void)
    )
  }

  // Waits after the last event of an RPC that the program ended in the recording, and fails unless the program ends it
  // again.
  beyond(rpc: string, recorded: ReplayRpc): Effect.Effect<never, GrpcStatus.GrpcStatusError> {
    const { cancel } = recorded
    // Subscriptions to the log and polled calls have no fixed place in the order.
    if (cancel === undefined || recorded.kind === "log" || this.isPolled(recorded)) return Effect.never
    return Effect.zipRight(
      this.timeline.stalled(cancel),
      Effect.suspend(() =>
        this.differ(rpc, `${difference.describe(recorded)} is still open after its end in ${this.name}`, [
          `the program ended it at line ${cancel.line}`
        ])
      )
    )
  }

  failure(rpc: string, failure: Failure): GrpcStatus.GrpcStatusError {
    return new GrpcStatus.GrpcStatusError({ ...failure, rpc, target: this.target })
  }

  message(
    rpc: string,
    recorded: ReplayRpc,
    { line, message }: Output
  ): Effect.Effect<Uint8Array, GrpcStatus.GrpcStatusError> {
    return message === undefined
      ? this.differ(rpc, `${difference.describe(recorded)} received more bytes than ${this.name} keeps`, [
        `line ${line} has only their hash: record with a larger maxBytes`
      ])
      : Effect.succeed(message)
  }

  // Compares the bytes that the program sends; returns whether they go beyond the recording.
  send(rpc: string, recorded: ReplayRpc, bytes: Uint8Array): Effect.Effect<boolean, GrpcStatus.GrpcStatusError> {
    return Effect.suspend(() => {
      const sent = this.inputOf(recorded).send(scrubbing.bytes(this.options.scrub, recorded, bytes))
      if (typeof sent === "object") return this.inputDiffers(rpc, recorded, sent.differs)
      if (sent === "part") this.timeline.touch()
      return Effect.succeed(sent === "more")
    })
  }

  sendEnd(rpc: string, recorded: ReplayRpc): Effect.Effect<void, GrpcStatus.GrpcStatusError> {
    return Effect.suspend(() => {
      const differs = this.inputOf(recorded).end()
      return differs === undefined ? Effect.void : this.inputDiffers(rpc, recorded, differs)
    })
  }

  private inputDiffers(rpc: string, recorded: ReplayRpc, differs: string): GrpcStatus.GrpcStatusError {
    return this.differ(rpc, `${difference.describe(recorded)} was sent different data than in ${this.name}`, [
      differs
    ])
  }

  // Expects the recorded input of a stream.
  opened(recorded: ReplayRpc): void {
    this.inputOf(recorded)
  }

  private inputOf(recorded: ReplayRpc): ReplayInput {
    const known = this.inputs.get(recorded)
    if (known !== undefined) return known
    const input = new ReplayInput(recorded, (place) => this.timeline.take(place))
    this.inputs.set(recorded, input)
    return input
  }

  // The differences that the program has caused so far.
  refusals(): ReadonlyArray<string> {
    return [...this.differences]
  }

  // These differences, and the recorded steps that the program has not made.
  allDifferences(): ReadonlyArray<string> {
    return [
      ...this.differences,
      ...this.notBegun().map((recorded) => `${difference.describe(recorded)} was not made (line ${recorded.line})`),
      ...[...this.inputs.values()].flatMap((input) => input.missing() ?? [])
    ]
  }
}
