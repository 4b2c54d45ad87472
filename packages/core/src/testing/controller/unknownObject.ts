// The error of a name that a stand-in does not know. ControllerTest re-exports it.
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const mostNames = 10

/** Some names in the words of a message. */
const listed = (names: ReadonlyArray<string>): string =>
  names.length === 0
    ? "none"
    : `${names.slice(0, mostNames).join(", ")}${
      names.length > mostNames ? ` and ${names.length - mostNames} more` : ""
    }`

/**
 * The stand-in has no client, exporter or lease with the name `wanted`. `existing` has the names that there are.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnknownObject extends Schema.TaggedError<UnknownObject>(
  "@effect-jumpstarter/core/testing/ControllerTest/UnknownObject"
)("UnknownObject", {
  kind: Schema.Literal("client", "exporter", "lease"),
  wanted: Schema.String,
  existing: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `the controller of this test has no ${this.kind} ${JSON.stringify(this.wanted)}; ` +
      `the ${this.kind}s are: ${listed(this.existing)}`
  }
}

/** Returns the object of a name. */
export const known = <A>(
  kind: UnknownObject["kind"],
  name: string,
  objects: ReadonlyMap<string, A>
): Effect.Effect<A, UnknownObject> =>
  Effect.suspend(() => {
    const object = objects.get(name)
    return object === undefined
      ? new UnknownObject({ kind, wanted: name, existing: [...objects.keys()] })
      : Effect.succeed(object)
  })
