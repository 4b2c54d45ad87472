// The key that ends a console.
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import { type CommandError, usage } from "./failure.ts"

export interface Key {
  readonly name: string
  readonly byte: number
}

/** A key such as `ctrl-]` or `ctrl-b`. */
export const parse = (text: string): Either.Either<Key, CommandError> => {
  const [, key] = /^(?:ctrl-|\^)([a-z[\\\]^_])$/i.exec(text) ?? []
  return key === undefined
    ? Either.left(usage(`--escape ${text} is no key; write one such as ctrl-] or ctrl-b`))
    : Either.right({ name: `Ctrl-${key.toUpperCase()}`, byte: key.toUpperCase().charCodeAt(0) & 0x1f })
}

/** The bytes before the key. */
export const until = (bytes: Stream.Stream<Uint8Array>, { byte }: Key): Stream.Stream<Uint8Array> =>
  bytes.pipe(
    Stream.map((chunk) => {
      const end = chunk.indexOf(byte)
      return { bytes: end === -1 ? chunk : chunk.subarray(0, end), isLast: end !== -1 }
    }),
    Stream.takeUntil(({ isLast }) => isLast),
    Stream.map(({ bytes }) => bytes),
    Stream.filter(({ length }) => length > 0)
  )
