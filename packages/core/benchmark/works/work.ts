// What a work is: something that several clients do with several exporters.
import type { Effect, Scope } from "effect"
import { type HostName, isRouted, type Peers, type Subject } from "../peers.ts"
import type { Measurement, WorkFailed } from "../worker.ts"

/** What the amount of a work counts; the result of `time` is how long it takes as a whole. */
export type Unit = "calls" | "items" | "bytes" | "time"

export interface Work {
  /** How it is called on the command line. */
  readonly name: string
  readonly title: string
  readonly unit: Unit
  /** How much one run does, in its unit. */
  readonly amount: number
  /** Who takes part. */
  readonly clients: ReadonlyArray<Subject["client"]>
  /** Whether the host that is written by hand can do it. */
  readonly bareHost?: true
  /** Whether it is done through a router, and only there. */
  readonly throughRouter?: true
  /** Makes what it needs, and answers with one run. */
  readonly prepare: (
    peers: Peers
  ) => Effect.Effect<(subject: Subject) => Effect.Effect<Measurement, WorkFailed>, WorkFailed, Scope.Scope>
}

/** Whether a work is done at a host. */
export const isDoneAt = ({ bareHost, throughRouter }: Work, host: HostName): boolean =>
  isRouted(host) ? throughRouter === true : throughRouter !== true && (host !== "http2" || bareHost === true)

/** The sizes of the works: of a run that measures, and of one that shows that everything works. */
export type Scale = <A>(full: A, quick: A) => A

export const everyone: Work["clients"] = ["ours", "oursNiceGrpc", "niceGrpc", "python", "http2", "memory"]

/** All that come over the socket. */
export const overSocket: Work["clients"] = ["ours", "oursNiceGrpc", "niceGrpc", "python", "http2"]
