/**
 * The metadata of an RPC: text by key that travels beside the messages.
 *
 * Keys are case-insensitive and stored in lower case. A key has one value. When a server repeats a key, its values are joined with
 * `, `, as HTTP allows; when a caller repeats one, the last value wins. Binary metadata, whose keys end in `-bin`, is not supported:
 * received entries are dropped, and sending one fails.
 *
 * Any value may be a secret: a passphrase, a token, the handle of a resource. So metadata that is printed, logged or turned into
 * JSON shows its keys and no values.
 *
 * @since 0.1.0
 */
import { dual } from "effect/Function"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"

/**
 * Metadata. `make` builds it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Metadata extends Inspectable.Inspectable {
  /** The values by lower-case key. */
  readonly entries: ReadonlyMap<string, string>
}

class MetadataImpl extends Inspectable.Class implements Metadata {
  constructor(readonly entries: ReadonlyMap<string, string>) {
    super()
  }
  override toJSON() {
    return { _id: "Metadata", keys: Array.from(this.entries.keys()) }
  }
}

/**
 * Makes metadata of these entries. When a key occurs more than once, the last value wins.
 *
 * The entries are not checked here. An RPC fails when its metadata cannot be sent; see `CallOptions.metadata` of `GrpcChannel`.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Metadata } from "@effect-jumpstarter/core"
 *
 * const metadata = Metadata.make({ "X-Request-Id": "42" })
 * Metadata.get(metadata, "x-request-id") // Option.some("42")
 * ```
 */
export const make = (
  entries: Iterable<readonly [key: string, value: string]> | Readonly<Record<string, string>>
): Metadata => {
  const values = new Map<string, string>()
  for (const [key, value] of Symbol.iterator in entries ? entries : Object.entries(entries)) {
    values.set(key.toLowerCase(), value)
  }
  return new MetadataImpl(values)
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const empty: Metadata = make([])

/**
 * Returns the value of a key, if there is one.
 *
 * @since 0.1.0
 * @category getters
 */
export const get = (metadata: Metadata, key: string): Option.Option<string> =>
  Option.fromNullable(metadata.entries.get(key.toLowerCase()))

/**
 * @since 0.1.0
 * @category getters
 */
export const has = (metadata: Metadata, key: string): boolean => metadata.entries.has(key.toLowerCase())

/**
 * Returns the metadata with an entry added or replaced.
 *
 * @since 0.1.0
 * @category combinators
 */
export const set: {
  (key: string, value: string): (metadata: Metadata) => Metadata
  (metadata: Metadata, key: string, value: string): Metadata
} = dual(
  3,
  (metadata: Metadata, key: string, value: string): Metadata => make([...metadata.entries, [key, value]])
)

/**
 * Returns the entries of both. When both have a key, the value of `that` wins.
 *
 * @since 0.1.0
 * @category combinators
 */
export const merge: {
  (that: Metadata): (metadata: Metadata) => Metadata
  (metadata: Metadata, that: Metadata): Metadata
} = dual(2, (metadata: Metadata, that: Metadata): Metadata => make([...metadata.entries, ...that.entries]))
