// The lines of a recording; testing/Recording documents them.
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { createHash } from "node:crypto"
import { GrpcCode, StatusOrigin, StatusScope } from "../../grpc/GrpcStatus.ts"
import { Kind } from "../exporterCall.ts"

const version = 1

const Count = Schema.NonNegativeInt

// The bytes, or their hash for comparison when there are too many to keep.
const Bytes = Schema.Union(
  Schema.Struct({ bytes: Count, text: Schema.String }),
  Schema.Struct({ bytes: Count, base64: Schema.Uint8ArrayFromBase64 }),
  Schema.Struct({ bytes: Count, sha256: Schema.String })
)

export type Bytes = typeof Bytes.Type

const common = { rpc: Count, at: Count }

const Begin = Schema.Struct({
  ...common,
  event: Schema.Literal("begin"),
  kind: Kind,
  driver: Schema.optional(Schema.String),
  method: Schema.optional(Schema.String),
  args: Schema.optional(Schema.Array(Schema.Unknown)),
  contentEncoding: Schema.optional(Schema.String)
})

const Failure = Schema.Struct({
  code: GrpcCode,
  details: Schema.String,
  origin: StatusOrigin,
  scope: Schema.optional(StatusScope)
})

export type Failure = typeof Failure.Type

const Event = Schema.Union(
  Begin,
  Schema.Struct({
    ...common,
    event: Schema.Literal("opened"),
    metadata: Schema.Record({ key: Schema.String, value: Schema.String })
  }),
  Schema.Struct({ ...common, event: Schema.Literal("sent"), data: Bytes }),
  Schema.Struct({ ...common, event: Schema.Literal("sentEnd") }),
  // One of: a decoded value, the bytes of a byte stream, or a raw message that has no exact value in JSON.
  Schema.Struct({
    ...common,
    event: Schema.Literal("received"),
    value: Schema.optional(Schema.Unknown),
    data: Schema.optional(Bytes),
    message: Schema.optional(Bytes)
  }),
  Schema.Struct({ ...common, event: Schema.Literal("receivedEnd") }),
  Schema.Struct({ ...common, event: Schema.Literal("end"), failure: Schema.optional(Failure) }),
  Schema.Struct({ ...common, event: Schema.Literal("cancel") })
)

export type Event = typeof Event.Type

// An event without the fields that the recorder adds.
type Distribute<E> = E extends unknown ? Omit<E, "rpc" | "at"> : never

export type Happening = Distribute<Event>

export type Begin = typeof Begin.Type

const Header = Schema.parseJson(Schema.Struct({
  recording: Schema.Literal("effect-jumpstarter"),
  version: Schema.Number,
  // The address of the recorded exporter, for error messages.
  address: Schema.optional(Schema.String)
}))

const EventLine = Schema.parseJson(Event)

export const header = (address?: string | undefined): string =>
  Schema.encodeSync(Header)({ recording: "effect-jumpstarter", version, address })

export const encode: (event: Event) => string = Schema.encodeSync(EventLine)

// The reason why a line is invalid, and its number.
export class LineError {
  constructor(
    readonly line: number,
    readonly reason: "Version" | "Malformed",
    readonly details: string
  ) {}
}

const malformed = (line: number) => (error: ParseResult.ParseError): LineError => {
  const [issue] = ParseResult.ArrayFormatter.formatErrorSync(error)
  const path = issue === undefined || issue.path.length === 0 ? "" : `${issue.path.join(".")}: `
  return new LineError(line, "Malformed", `${path}${issue?.message ?? error.message}`)
}

const decodeHeader = (line: string): Either.Either<string | undefined, LineError> =>
  Either.flatMap(
    Either.mapLeft(
      Schema.decodeEither(Header)(line),
      () => new LineError(1, "Malformed", "this is not a recording: its first line must be " + header())
    ),
    (found) =>
      found.version === version
        ? Either.right(found.address)
        : Either.left(
          new LineError(
            1,
            "Version",
            `the recording has version ${found.version}, but this library reads version ${version}`
          )
        )
  )

interface Line {
  readonly number: number
  readonly event: Event
}

interface Decoded {
  readonly address: string | undefined
  readonly lines: ReadonlyArray<Line>
}

// The events of a recording with the numbers of their lines.
export const decode = (text: string): Either.Either<Decoded, LineError> =>
  Either.gen(function*() {
    const [first = "", ...rest] = text.split("\n")
    const address = yield* decodeHeader(first)
    const lines: Array<Line> = []
    for (const [index, line] of rest.entries()) {
      if (line.trim() === "") continue
      const number = index + 2
      lines.push({ number, event: yield* Either.mapLeft(Schema.decodeEither(EventLine)(line), malformed(number)) })
    }
    return { address, lines }
  })

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

// The text of bytes that a person can read; none for other bytes.
const readable = (bytes: Uint8Array): string | undefined => {
  try {
    const text = decoder.decode(bytes)
    // Readable text has printable characters, tab, line feed, carriage return and escape.
    // eslint-disable-next-line no-control-regex
    return /[\0-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]/.test(text) ? undefined : text
  } catch {
    return undefined
  }
}

export const toBytes = (bytes: Uint8Array): Bytes => {
  const text = readable(bytes)
  return text === undefined ? { bytes: bytes.length, base64: bytes } : { bytes: bytes.length, text }
}

// The bytes of a line: their content, or its hash. Fails when `bytes` is not the number of bytes.
export const fromBytes = (
  data: Bytes
): Either.Either<
  { readonly bytes: number; readonly content: Uint8Array } | { readonly bytes: number; readonly sha256: string },
  string
> => {
  if ("sha256" in data) return Either.right(data)
  const content = "text" in data ? new TextEncoder().encode(data.text) : data.base64
  return content.length === data.bytes
    ? Either.right({ bytes: content.length, content })
    : Either.left(`the content has ${content.length} bytes, but \`bytes\` says ${data.bytes}`)
}

// The SHA-256 of bytes that arrive in pieces.
export class Digest {
  private readonly hash = createHash("sha256")
  bytes = 0

  add(bytes: Uint8Array): void {
    this.hash.update(bytes)
    this.bytes += bytes.length
  }

  get sha256(): string {
    return this.hash.copy().digest("hex")
  }
}
