// The keys of an exporter's configuration file, and the variables that complete it (protocol.md 10.5 and 11.3). Python ignores the keys
// that it does not know.
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as fields from "./configFields.ts"
import { type KeyPath, type Layout, variable } from "./configFile.ts"

const { Flag, OptionalText, Text, noMapping, saying, seconds, tolerant } = fields

const OnFailure = Schema.Literal("warn", "endLease", "exit").annotations(saying("is none of warn, endLease and exit"))

// Python accepts its own names of the fields, too.
const Hook = Schema.Struct({
  script: Schema.String.annotations(saying("is not a string; write it in quotes")),
  exec: OptionalText,
  exec_: OptionalText,
  timeout: Schema.optional(seconds(0)),
  onFailure: Schema.optional(OnFailure),
  on_failure: Schema.optional(OnFailure)
}).annotations({ ...tolerant, ...noMapping })

const OptionalHook = Schema.optional(Schema.NullOr(Hook))

const Hooks = Schema.Struct({
  beforeLease: OptionalHook,
  before_lease: OptionalHook,
  afterLease: OptionalHook,
  after_lease: OptionalHook
}).annotations({ ...tolerant, ...noMapping })

const Fields = Schema.Struct({
  apiVersion: fields.apiVersion,
  kind: fields.kind("ExporterConfig"),
  metadata: fields.metadata,
  endpoint: Text,
  tls: fields.tls,
  token: Text,
  grpcOptions: Schema.optional(Schema.NullOr(fields.grpcOptions)),
  description: OptionalText,
  motd: OptionalText,
  export: Schema.optional(Schema.Unknown),
  hooks: Schema.optional(Hooks),
  exitOnLeaseEnd: Schema.optional(Flag)
}).annotations({ ...tolerant, ...noMapping })

export type OnFailure = typeof OnFailure.Type

export type HookFields = typeof Hook.Type

export const layout = {
  kind: "exporter",
  fields: Fields,
  keys: { metadata: ["namespace", "name"] },
  overriding: [],
  json: [],
  filling: [variable("JMP_NAMESPACE", "metadata", "namespace"), variable("JMP_NAME", "metadata", "name")]
} satisfies Layout<typeof Fields.Type, typeof Fields.Encoded>

const hookKeys = Object.keys(Hook.fields)

// `jmp` also writes `alias` and `path`. `failureDetection` is about how `jmp run` restarts itself, which a service manager does here.
const known: ReadonlyArray<readonly [KeyPath, ReadonlyArray<string>]> = [
  [[], [...Object.keys(Fields.fields), "alias", "path", "failureDetection", "failure_detection"]],
  [["hooks"], Object.keys(Hooks.fields)],
  ...Object.keys(Hooks.fields).map((hook) => [["hooks", hook], hookKeys] as const)
]

const at = (value: unknown, path: KeyPath): unknown =>
  path.reduce<unknown>((value, key) => Predicate.isRecord(value) ? value[key] : undefined, value)

/** The keys of a file that have no meaning. */
export const unknownKeys = (raw: unknown): ReadonlyArray<KeyPath> =>
  known.flatMap(([path, keys]) => {
    const mapping = at(raw, path)
    return Predicate.isRecord(mapping) && !Array.isArray(mapping)
      ? Object.keys(mapping).filter((key) => !keys.includes(key)).map((key) => [...path, key])
      : []
  })
