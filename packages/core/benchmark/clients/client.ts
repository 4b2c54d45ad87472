// What every client of the benchmark can do. Each checks what it gets: a wrong result is a failure, not a fast run.
import type { ContentEncoding } from "@effect-jumpstarter/core"

/** The works, by name. They reject when a result is wrong. */
export interface Client {
  /** So many calls, so many at a time. */
  readonly unary: (options: { readonly count: number; readonly inFlight: number }) => Promise<void>
  /** A streaming call of so many items. */
  readonly items: (options: { readonly count: number }) => Promise<void>
  /** A byte stream from the exporter, which writes chunks of this size. */
  readonly receive: (options: { readonly chunk: number; readonly bytes: number }) => Promise<void>
  /** A byte stream to the exporter, in writes of this size. */
  readonly send: (options: { readonly chunk: number; readonly bytes: number }) => Promise<void>
  /** A file lent to the exporter, which answers with the digest of what it read, decoded if the file is encoded. */
  readonly upload: (
    options: {
      readonly path: string
      readonly sha256: string
      readonly encoding?: ContentEncoding.ContentEncoding | undefined
    }
  ) => Promise<void>
  /** A sink lent to the exporter, which answers with the digest of what it wrote. */
  readonly download: (options: { readonly chunk: number; readonly bytes: number }) => Promise<void>
  /** The same with a file that is not encoded, so many times at once. Only the clients of an exporter have it. */
  readonly uploads?: (
    options: { readonly path: string; readonly sha256: string; readonly count: number }
  ) => Promise<void>
  /** So many byte streams, open at the same time. */
  readonly streams: (options: { readonly count: number }) => Promise<void>
  /** A new connection to an exporter with so many drivers. */
  readonly connect: (options: { readonly address: string; readonly drivers: number }) => Promise<void>
  /** So many new connections at once, with a call on each. Only the clients of an exporter have it. */
  readonly connections?: (options: { readonly address: string; readonly count: number }) => Promise<void>
  /**
   * A first call under a lease: under one that is ready, or under one that it creates. Answers with what gives it back, which is not
   * measured. Only clients that can lease have it.
   */
  readonly firstAnswer?: (options: { readonly creates: boolean }) => Promise<() => Promise<void>>
}

export const check = (condition: boolean, text: () => string): void => {
  if (!condition) throw new Error(text())
}
