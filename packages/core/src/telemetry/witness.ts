// What sees all that happens between a program and its exporters, such as the record of a run. A connection looks for a witness once,
// when it is made, so that calls cost nothing without one.
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import { globalValue } from "effect/GlobalValue"
import type { Call } from "../protocol/callSite.ts"
import type { LogEvent } from "../protocol/LogEntry.ts"

// Its functions must return quickly.
export interface CallWitness {
  // A result of a streaming call.
  readonly item: (value: unknown) => void
  readonly sent: (bytes: Uint8Array) => void
  readonly received: (bytes: Uint8Array) => void
  // The number of bytes that a transfer will move.
  readonly expects: (bytes: number) => void
  readonly ended: (exit: Exit.Exit<unknown, unknown>) => void
}

interface LinkState {
  readonly _tag: "Ready" | "Lost" | "Connecting" | "Closed"
  readonly reason?: string
  readonly attempt?: number
}

export interface ConnectionWitness {
  // The fiber is the one that makes the call.
  readonly call: (
    call: Call,
    args: ReadonlyArray<unknown>,
    fiber: Fiber.RuntimeFiber<unknown, unknown>
  ) => CallWitness
  readonly log: (event: LogEvent) => void
  readonly state: (state: LinkState) => void
}

export interface LeaseWitness {
  readonly extended: (seconds: number) => void
  // With how a lease ended that had an exporter.
  readonly ended: (exit: Exit.Exit<unknown, unknown>) => void
}

export interface Witness {
  // A lease that is requested; with an exporter, one that is held.
  readonly lease: (lease: string, exporter?: string) => LeaseWitness

  // The exporter's name in the lab, else its address.
  readonly connected: (exporter: string) => ConnectionWitness
}

export const current: FiberRef.FiberRef<Witness | undefined> = globalValue(
  "@effect-jumpstarter/core/telemetry/witness",
  () => FiberRef.unsafeMake<Witness | undefined>(undefined)
)
