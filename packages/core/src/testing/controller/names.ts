// Names of objects as the API writes them: `namespaces/NS/leases/NAME`.
import * as Either from "effect/Either"

export type Kind = "clients" | "exporters" | "leases"

export interface ObjectName {
  readonly namespace: string
  readonly name: string
}

export const format = (kind: Kind, { name, namespace }: ObjectName): string => `namespaces/${namespace}/${kind}/${name}`

/** Returns a version 7 UUID, as the controller names leases: such names sort by the time of their creation. */
export const unique = (now: number): string => {
  const time = Math.floor(now).toString(16).padStart(12, "0")
  return `${time.slice(0, 8)}-${time.slice(8)}-7${crypto.randomUUID().slice("xxxxxxxx-xxxx-4".length)}`
}

const ordinals = ["first", "second", "third", "fourth"]

const segments = (
  identifier: string,
  // The text of each segment; undefined where any text is allowed.
  expected: ReadonlyArray<string | undefined>
): Either.Either<ReadonlyArray<string>, string> => {
  const found = identifier.split("/")
  if (found.length !== expected.length) {
    return Either.left(
      `invalid number of segments in identifier ${
        JSON.stringify(identifier)
      }, expecting ${expected.length}, got ${found.length}`
    )
  }
  const wrong = expected.findIndex((segment, index) => segment !== undefined && segment !== found[index])
  return wrong < 0 ? Either.right(found) : Either.left(
    `invalid ${ordinals[wrong] ?? ""} segment in identifier ${JSON.stringify(identifier)}, expecting "${
      expected[wrong] ?? ""
    }", got "${found[wrong] ?? ""}"`
  )
}

/** Returns the namespace in `namespaces/NS`. */
export const parseNamespace = (identifier: string): Either.Either<string, string> =>
  Either.map(segments(identifier, ["namespaces", undefined]), ([, namespace = ""]) => namespace)

/** Returns the object in `namespaces/NS/KIND/NAME`. */
export const parse = (kind: Kind, identifier: string): Either.Either<ObjectName, string> =>
  Either.map(
    segments(identifier, ["namespaces", undefined, kind, undefined]),
    ([, namespace = "", , name = ""]) => ({ namespace, name })
  )
