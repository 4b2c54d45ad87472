// The keys of a client's configuration file, and the variables that complete it (protocol.md 10.5 and 11.2).
import * as Schema from "effect/Schema"
import * as fields from "./configFields.ts"
import { type Layout, type Variable, variable, type Variables } from "./configFile.ts"

const { Flag, Text, noMapping, saying, seconds, strict, tolerant } = fields

const Patterns = Schema.Union(Schema.String, Schema.Array(Schema.String)).annotations(
  saying("is neither a list of strings nor a comma-separated string")
)

const Fields = Schema.Struct({
  apiVersion: fields.apiVersion,
  kind: fields.kind("ClientConfig"),
  metadata: fields.metadata,
  endpoint: Text,
  tls: fields.tls,
  token: Text,
  refresh_token: fields.OptionalText,
  grpcOptions: Schema.optional(fields.grpcOptions),
  drivers: Schema.optional(
    Schema.Struct({ allow: Schema.optional(Patterns), unsafe: Schema.optional(Flag) }).annotations({
      ...strict,
      ...noMapping
    })
  ),
  shell: Schema.optional(
    Schema.Struct({ use_profiles: Schema.optional(Flag) }).annotations({ ...tolerant, ...noMapping })
  ),
  leases: Schema.optional(
    Schema.Struct({
      acquisition_timeout: Schema.optional(seconds(5)),
      dial_timeout: Schema.optional(seconds(5)),
      retry_timeout: Schema.optional(seconds(0))
    }).annotations({ ...strict, ...noMapping })
  ),
  // Older versions of `jmp` write these keys. The file name decides.
  alias: Schema.optional(Schema.Unknown),
  path: Schema.optional(Schema.Unknown)
}).annotations({ ...strict, ...noMapping })

const filling: ReadonlyArray<Variable> = [
  variable("JMP_NAMESPACE", "metadata", "namespace"),
  variable("JMP_NAME", "metadata", "name"),
  variable("JMP_ENDPOINT", "endpoint"),
  variable("JMP_TOKEN", "token"),
  variable("JMP_REFRESH_TOKEN", "refresh_token"),
  variable("JMP_DRIVERS_ALLOW", "drivers", "allow"),
  { ...variable("JMP_DRIVERS_UNSAFE", "drivers", "unsafe"), isFlag: true },
  variable("ACQUISITION_TIMEOUT", "leases", "acquisition_timeout"),
  variable("DIAL_TIMEOUT", "leases", "dial_timeout"),
  variable("RETRY_TIMEOUT", "leases", "retry_timeout")
]

export const layout = {
  kind: "client",
  fields: Fields,
  keys: {
    "": Object.keys(Fields.fields).filter((key) => key !== "alias" && key !== "path"),
    metadata: ["namespace", "name"],
    drivers: ["allow", "unsafe"],
    leases: ["acquisition_timeout", "dial_timeout", "retry_timeout"]
  },
  overriding: [
    variable("JMP_DIAL_TIMEOUT", "leases", "dial_timeout"),
    variable("JMP_RETRY_TIMEOUT", "leases", "retry_timeout")
  ],
  json: [
    variable("JMP_TLS", "tls"),
    variable("JMP_LEASES", "leases"),
    variable("JMP_DRIVERS", "drivers"),
    variable("JMP_SHELL", "shell"),
    variable("JMP_GRPCOPTIONS", "grpcOptions")
  ],
  filling
} satisfies Layout<typeof Fields.Type, typeof Fields.Encoded>

/** Whether the variables are a complete configuration without a file (`protocol.md` 11.4). */
export const isComplete = (variables: Variables): boolean => variables.has("JMP_NAMESPACE") && variables.has("JMP_NAME")
