// The messages between a codec's thread and the program that started it.

export interface Failure {
  readonly reason: "Truncated" | "Corrupt" | "Unsupported" | "Unavailable"
  readonly details: string
  readonly cause?: unknown
}

export type Event =
  | { readonly _tag: "Read" }
  | { readonly _tag: "Write"; readonly bytes: Uint8Array }
  | { readonly _tag: "Done" }

export type Outcome = Event | ({ readonly _tag: "Failure" } & Failure)

// The answer to `Read`: the next input, which the codec then owns, or null at the end. Undefined in other cases.
export type Reply = Uint8Array<ArrayBuffer> | null | undefined

// The data with which a thread is started.
export interface Task {
  readonly codec: `${"xz" | "zstd" | "bz2"}-${"encode" | "decode"}`
  // The largest input in bytes.
  readonly inputSize: number
  // The URLs of the library's modules.
  readonly modules: ReadonlyArray<string>
  // The first is 1 when an answer was posted; the second counts the outputs that have not been taken yet.
  readonly signals: Int32Array
}
