// What every client of the benchmark can do. Each checks what it gets: a wrong result is a failure, not a fast run.
import type { ContentEncoding } from "@effect-jumpstarter/core"

/** The works, by name. They reject when a result is wrong. */
export interface Client {
  /** `count` calls, with up to `inFlight` of them under way at once. */
  readonly unary: (options: { readonly count: number; readonly inFlight: number }) => Promise<void>
  /** A streaming call that returns `count` items. */
  readonly items: (options: { readonly count: number }) => Promise<void>
  /** A byte stream from the exporter, which writes `bytes` in pieces of `chunk` bytes. */
  readonly receive: (options: { readonly chunk: number; readonly bytes: number }) => Promise<void>
  /** A byte stream to the exporter: `bytes` in writes of `chunk` bytes. */
  readonly send: (options: { readonly chunk: number; readonly bytes: number }) => Promise<void>
  /** A file lent to the exporter, which answers with the digest of what it read, decoded if the file is encoded. */
  readonly upload: (
    options: {
      readonly path: string
      readonly sha256: string
      readonly encoding?: ContentEncoding.ContentEncoding | undefined
    }
  ) => Promise<void>
  /** `count` uploads at once of a file that is not encoded. Only clients that are written for an exporter have it. */
  readonly uploads?: (
    options: { readonly path: string; readonly sha256: string; readonly count: number }
  ) => Promise<void>
  /** A sink lent to the exporter, which answers with the digest of what it wrote. */
  readonly download: (options: { readonly chunk: number; readonly bytes: number }) => Promise<void>
  /** `count` byte streams, all of them open at the same time. */
  readonly streams: (options: { readonly count: number }) => Promise<void>
  /** A new connection to an exporter that has `drivers` drivers. */
  readonly connect: (options: { readonly address: string; readonly drivers: number }) => Promise<void>
  /** `count` new connections at once, with a call on each. Only clients that are written for an exporter have it. */
  readonly connections?: (options: { readonly address: string; readonly count: number }) => Promise<void>
  /**
   * A first call under a lease: a new lease if `creates` is set, or one that is ready. Returns a function that releases the lease, whose
   * time is not measured. Only clients that can lease have it.
   */
  readonly firstAnswer?: (options: { readonly creates: boolean }) => Promise<() => Promise<void>>
}

export const check = (condition: boolean, text: () => string): void => {
  if (!condition) throw new Error(text())
}
