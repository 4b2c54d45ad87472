// The faults of an RPC and their moments, as documented in testing/Faults.
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import type { GrpcCode } from "../../grpc/GrpcStatus.ts"
import * as exporterCall from "../exporterCall.ts"

export type Moment =
  | "before"
  | "after"
  | { readonly messages: number }
  | { readonly bytes: number }
  | { readonly time: Duration.DurationInput }

export type Fault = Data.TaggedEnum<{
  readonly Drop: { readonly at: Moment; readonly downFor: Duration.Duration }
  readonly Truncate: { readonly at: Moment }
  readonly Pause: { readonly at: Moment; readonly duration: Duration.Duration }
  readonly Corrupt: { readonly at: Moment; readonly what: "bytes" | "message" }
  readonly Fail: { readonly at: Moment; readonly code: GrpcCode; readonly details: string }
}>

export const Fault = Data.taggedEnum<Fault>()

export interface Match extends exporterCall.Match {
  readonly occurrence?: number | undefined
}

// A fault that waits for its RPC.
export class Planned {
  readonly happened: Deferred.Deferred<void> = Deferred.unsafeMake(FiberId.none)
  private over = false
  private seen = 0

  constructor(readonly match: Match, readonly fault: Fault, private readonly repeat: boolean) {}

  // Whether the fault applies to an RPC that begins now.
  meets(call: exporterCall.ExporterCall, paths: ReadonlyArray<string>): boolean {
    if (!exporterCall.matches(this.match, call, paths)) return false
    this.seen++
    const occurrence = this.match.occurrence ?? 1
    return this.repeat ? this.seen >= occurrence : this.seen === occurrence
  }

  settle(): void {
    this.over = true
    Deferred.unsafeDone(this.happened, Effect.void)
  }

  // A fault whose RPC has begun stays pending until its moment, so that a moment that never comes is reported.
  get pending(): boolean {
    return !this.repeat && !this.over
  }
}

// The planned faults, in order.
export class Plan {
  private all: Array<Planned> = []

  add(planned: Planned): Planned {
    this.all.push(planned)
    return planned
  }

  clear(): void {
    this.all = []
  }

  take(call: exporterCall.ExporterCall, paths: ReadonlyArray<string>): ReadonlyArray<Planned> {
    return this.all.filter((planned) => planned.meets(call, paths))
  }

  pending(): ReadonlyArray<Match> {
    return this.all.filter(({ pending }) => pending).map(({ match }) => match)
  }
}
