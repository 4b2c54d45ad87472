/**
 * The metadata of an RPC: text that travels beside its messages, by keys.
 *
 * Keys have no case and are kept in lower case. A key has one value; of one that a peer repeats the last counts. Binary metadata,
 * whose keys end in `-bin`, is not supported: a peer's is left out, and sending some fails.
 *
 * Any value may be a secret: a passphrase, a token, the handle of a resource. So metadata shows its keys when it is printed, logged
 * or turned into JSON, and no values.
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
  /** The values by their keys in lower case. */
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
 * Metadata with these entries. Of a key that occurs more than once the last value counts.
 *
 * Nothing is checked here: an RPC that is given what cannot be sent fails, see `CallOptions.metadata` of `GrpcChannel`.
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
 * The value of a key.
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
 * The metadata with one more entry, or another value of one.
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
 * The entries of both. Of a key that both have, the value of `that` counts.
 *
 * @since 0.1.0
 * @category combinators
 */
export const merge: {
  (that: Metadata): (metadata: Metadata) => Metadata
  (metadata: Metadata, that: Metadata): Metadata
} = dual(2, (metadata: Metadata, that: Metadata): Metadata => make([...metadata.entries, ...that.entries]))
