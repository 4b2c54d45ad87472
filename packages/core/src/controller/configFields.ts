// The values in configuration files of clients and exporters (protocol.md 11). No message shows the actual value, which may be a token.
import type * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"

export const saying = (details: string) => ({
  message: ({ actual }: ParseResult.ParseIssue) => ({
    message: actual === null || actual === "" ? "is empty" : details,
    override: true
  })
})

export const Text = Schema.NonEmptyString.annotations(saying("is not a string; write it in quotes"))

const AnyText = Schema.String.annotations(saying("is not a string; write it in quotes"))

export const OptionalText = Schema.optional(
  Schema.NullOr(Schema.String).annotations(saying("is not a string; write it in quotes"))
)

// The values that pydantic accepts.
export const Flag = Schema.Union(
  Schema.Boolean,
  Schema.transformLiterals(
    ["true", true],
    ["yes", true],
    ["on", true],
    ["1", true],
    [1, true],
    ["false", false],
    ["no", false],
    ["off", false],
    ["0", false],
    [0, false]
  )
).annotations(saying("is neither true nor false"))

export const seconds = (least: number) =>
  Schema.Union(Schema.Number, Schema.compose(Schema.String.pipe(Schema.pattern(/^\d+$/)), Schema.NumberFromString))
    .pipe(
      Schema.filter((value) => Number.isSafeInteger(value) && value >= least)
    ).annotations(saying(`is not a whole number of seconds, at least ${least}`))

export const strict = { parseOptions: { onExcessProperty: "error" } } as const

export const tolerant = { parseOptions: { onExcessProperty: "ignore" } } as const

// Without `override`: a mistake inside a mapping keeps its own message.
export const noMapping = {
  message: ({ actual }: ParseResult.ParseIssue) => actual === null ? "is empty" : "is not a mapping of keys to values"
}

export const apiVersion = Schema.optional(
  Schema.Literal("jumpstarter.dev/v1alpha1").annotations(saying("is not jumpstarter.dev/v1alpha1"))
)

export const kind = <const Kind extends string>(kind: Kind) =>
  Schema.optional(
    Schema.Literal(kind).annotations(saying(`is not ${kind}; this file configures something else`))
  )

export const metadata = Schema.Struct({ namespace: Text, name: Text }).annotations({ ...strict, ...noMapping })

export const tls = Schema.optional(
  Schema.Struct({ ca: Schema.optional(AnyText), insecure: Schema.optional(Flag) }).annotations({
    ...tolerant,
    ...noMapping
  })
)

export const grpcOptions = Schema.Record({
  key: Schema.String,
  value: Schema.Union(Schema.String, Schema.Int).annotations(saying("is neither a string nor a whole number"))
}).annotations(noMapping)
