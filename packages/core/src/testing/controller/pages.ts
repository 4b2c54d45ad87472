// Lists in pages, with continue tokens as Kubernetes makes them.
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const Continue = Schema.parseJson(Schema.Struct({
  v: Schema.Literal("meta.k8s.io/v1"),
  rv: Schema.Number,
  start: Schema.String
}))

const decode = Schema.decodeUnknownOption(Continue)

const encode = Schema.encodeSync(Continue)

interface Page<A> {
  readonly items: ReadonlyArray<A>
  /** Empty on the last page. */
  readonly next: string
}

// Returns the name after which the page begins.
const startOf = (token: string): Either.Either<string, string> =>
  token === ""
    ? Either.right("")
    : Option.match(decode(Buffer.from(token, "base64url").toString()), {
      onNone: () => Either.left("invalid continue token: continue key is not valid"),
      onSome: ({ start }) => Either.right(start.replace(/\0$/, ""))
    })

/** Returns a page of objects in the order of their names. A size of zero or less means all of them. */
export const page = <A extends { readonly name: string }>(
  items: ReadonlyArray<A>,
  size: number,
  token: string
): Either.Either<Page<A>, string> =>
  Either.map(startOf(token), (start) => {
    const rest = items.filter(({ name }) => name > start)
    const shown = size > 0 ? rest.slice(0, size) : rest
    const last = shown.at(-1)
    return {
      items: shown,
      next: last === undefined || shown.length === rest.length
        ? ""
        : Buffer.from(encode({ v: "meta.k8s.io/v1", rv: 1, start: `${last.name}\0` })).toString("base64url")
    }
  })
