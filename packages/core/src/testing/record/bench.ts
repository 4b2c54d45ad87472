// Tells recorders what happens on a bench. The record of a test can be below that of a whole file of tests, which share a connection.
// What belongs to the file goes into the records of all its tests that run; what a test does goes into its own and into that of its
// file.
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type { Call } from "../../protocol/callSite.ts"
import type { LogEvent } from "../../protocol/LogEntry.ts"
import { ResourceHandle } from "../../resource/handle.ts"
import { isResource } from "../../resource/Resource.ts"
import * as witness from "../../telemetry/witness.ts"
import type * as scrubbing from "../recording/scrub.ts"
import type * as format from "./format.ts"
import { program, type Recorder } from "./recorder.ts"

// The time between two lines about the progress of a transfer.
const progressMillis = 100

type Tell = (happening: (recorder: Recorder) => format.Happening) => void

export const ended = (
  recorder: Recorder,
  id: number,
  site: scrubbing.Site,
  exit: Exit.Exit<unknown, unknown>
): format.Happening =>
  Exit.match(exit, {
    onSuccess: (result): format.Happening => ({
      event: "end",
      id,
      outcome: "done",
      ...(result === undefined ? {} : { result: recorder.value(site, result) })
    }),
    onFailure: (cause) =>
      Cause.isInterruptedOnly(cause)
        ? { event: "end", id, outcome: "interrupted" }
        : { event: "end", id, outcome: "failed", failure: recorder.failure(site, cause) }
  })

// A call that is being recorded.
class RecordedCall implements witness.CallWitness {
  private readonly moved = { sent: 0, received: 0 }
  private total: number | undefined
  private toldAt = -Infinity

  constructor(
    private readonly id: number,
    private readonly site: scrubbing.Site,
    private readonly tell: Tell,
    private readonly now: () => number,
    private readonly over: () => void
  ) {}

  readonly item = (value: unknown): void => {
    this.tell((recorder) => ({ event: "item", id: this.id, value: recorder.value(this.site, value) }))
  }

  readonly sent = (bytes: Uint8Array): void => this.bytes("sent", bytes)

  readonly received = (bytes: Uint8Array): void => this.bytes("received", bytes)

  readonly expects = (bytes: number): void => {
    this.total = bytes
  }

  private bytes(event: "sent" | "received", bytes: Uint8Array): void {
    if (this.site.kind !== "resource") {
      this.tell((recorder) => ({ event, id: this.id, data: recorder.bytes(this.site, bytes) }))
      return
    }
    // The bytes of an image would say nothing.
    this.moved[event] += bytes.length
    if (this.now() - this.toldAt >= progressMillis) this.progress()
  }

  private progress(): void {
    this.toldAt = this.now()
    this.tell(() => ({
      event: "progress",
      id: this.id,
      ...this.moved,
      ...(this.total === undefined ? {} : { total: this.total })
    }))
  }

  readonly ended = (exit: Exit.Exit<unknown, unknown>): void => {
    if (this.site.kind === "resource") this.progress()
    this.over()
    this.tell((recorder) => ended(recorder, this.id, this.site, this.site.kind === "call" ? exit : Exit.asVoid(exit)))
  }
}

const shownArgument = (arg: unknown): unknown => arg instanceof ResourceHandle || isResource(arg) ? "<resource>" : arg

const logged = (recorder: Recorder, exporter: string, event: LogEvent): format.Happening => {
  if (event._tag === "LogGap") {
    return {
      event: "gap",
      exporter,
      reason: event.reason,
      ...(Option.isSome(event.dropped) ? { dropped: event.dropped.value } : {})
    }
  }
  return {
    event: "log",
    exporter,
    severity: event.severity,
    source: event.source,
    message: recorder.text(program, event.message),
    ...(Option.isSome(event.driverType) ? { driverType: event.driverType.value } : {}),
    ...(Option.isSome(event.operation) ? { operation: event.operation.value } : {}),
    ...(Option.isSome(event.timestamp)
      ? { timestamp: new Date(event.timestamp.value.epochMillis).toISOString() }
      : {}),
    ...(Object.keys(event.fields).length === 0 ? {} : { fields: recorder.value(program, event.fields) }),
    ...(event.backlog === true ? { backlog: true } : {})
  }
}

let ids = 0

// Calls and steps have numbers of their own in every record.
export const nextId = (): number => ids++

export class Bench implements witness.Witness {
  private readonly below = new Set<Bench>()
  // What a record that begins later has to know.
  private readonly open = new Map<number, (recorder: Recorder) => Omit<format.Begin, "at">>()
  private readonly states = new Map<object, format.Happening>()

  constructor(readonly recorder: Recorder, private readonly above?: Bench | undefined) {}

  // From now on, this record gets what belongs to the benches above it.
  attach(): void {
    this.above?.below.add(this)
    for (let bench = this.above; bench !== undefined; bench = bench.above) {
      for (const state of bench.states.values()) this.recorder.add(state)
      for (const begin of bench.open.values()) this.recorder.add({ ...begin(this.recorder), earlier: true })
    }
  }

  detach(): void {
    this.above?.below.delete(this)
  }

  private readonly tell: Tell = (happening) => {
    for (let bench = this.above; bench !== undefined; bench = bench.above) bench.recorder.add(happening(bench.recorder))
    this.tellBelow(happening)
  }

  private tellBelow(happening: Parameters<Tell>[0]): void {
    this.recorder.add(happening(this.recorder))
    for (const bench of this.below) bench.tellBelow(happening)
  }

  private isAbove(other: Bench): boolean {
    for (let bench: Bench | undefined = other; bench !== undefined; bench = bench.above) {
      if (bench === this) return true
    }
    return false
  }

  // Whose call it is: of the program that has the connection, or of a test below it.
  private callerOf(fiber: Fiber.RuntimeFiber<unknown, unknown>): Bench {
    const caller = fiber.getFiberRef(witness.current)
    return caller instanceof Bench && this.isAbove(caller) ? caller : this
  }

  private begin(exporter: string, { driver, kind, method }: Call, args: ReadonlyArray<unknown>): RecordedCall {
    const id = nextId()
    const site: scrubbing.Site = { kind, driver, method }
    const begin = (recorder: Recorder) => ({
      event: "begin" as const,
      id,
      kind,
      exporter,
      driver,
      method,
      ...(kind === "call" || kind === "streamingCall" ? { args: recorder.args(site, args.map(shownArgument)) } : {})
    })
    this.open.set(id, begin)
    this.tell(begin)
    return new RecordedCall(id, site, this.tell, () => this.recorder.now(), () => this.open.delete(id))
  }

  lease(lease: string, exporter?: string): witness.LeaseWitness {
    const id = nextId()
    const begin = () => ({
      event: "begin" as const,
      id,
      kind: "lease" as const,
      name: lease,
      ...(exporter === undefined ? {} : { exporter })
    })
    this.open.set(id, begin)
    this.tell(begin)
    return {
      extended: (seconds) => this.tell(() => ({ event: "item", id, value: { extended: seconds } })),
      ended: (exit) => {
        this.open.delete(id)
        this.tell((recorder) => ended(recorder, id, program, exit))
      }
    }
  }

  connected(exporter: string): witness.ConnectionWitness {
    const connection = {}
    return {
      call: (call, args, fiber) => this.callerOf(fiber).begin(exporter, call, args),
      log: (event) => this.tell((recorder) => logged(recorder, exporter, event)),
      state: ({ _tag, attempt, reason }) => {
        const state: format.Happening = {
          event: "connection",
          exporter,
          state: _tag,
          ...(reason === undefined ? {} : { reason }),
          ...(attempt === undefined ? {} : { attempt })
        }
        if (_tag === "Closed") this.states.delete(connection)
        else this.states.set(connection, state)
        this.tell(() => state)
      }
    }
  }
}
