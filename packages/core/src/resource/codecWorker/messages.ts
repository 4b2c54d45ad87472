// What a codec's thread and the program that has started it say to each other.

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

// The answer to `Read`: the next input, which the codec owns from then on, or null at the end. Nothing in other cases.
export type Reply = Uint8Array<ArrayBuffer> | null | undefined

// What a thread is started with.
export interface Task {
  readonly codec: `${"xz" | "zstd" | "bz2"}-${"encode" | "decode"}`
  // The most bytes that are given at once.
  readonly inputSize: number
  // The URLs of the library's modules.
  readonly modules: ReadonlyArray<string>
  // The first is 1 when an answer was posted; the second counts the outputs that were not taken yet.
  readonly signals: Int32Array
}
