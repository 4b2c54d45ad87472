// The tools of a driver's methods.
import type * as DriverClient from "@effect-jumpstarter/core/DriverClient"
import * as DriverMethod from "@effect-jumpstarter/core/DriverMethod"
import * as Console from "@effect-jumpstarter/core/drivers/Console"
import type * as ProtobufValue from "@effect-jumpstarter/core/ProtobufValue"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as contracts from "../contracts.ts"
import { usage } from "../failure.ts"
import * as visible from "../visible.ts"
import * as bounds from "./bounds.ts"
import * as inputSchema from "./inputSchema.ts"
import type { Names } from "./names.ts"
import * as policies from "./policy.ts"
import type { Tool } from "./tool.ts"
import * as toolArguments from "./toolArguments.ts"

export interface Surroundings {
  readonly policy: policies.Policy
  readonly local: toolArguments.Local
  readonly names: Names
  readonly known: contracts.Known
}

interface Place {
  readonly driver: DriverClient.DriverClient
  readonly place: string
  readonly method: string
  readonly effect: DriverMethod.MethodEffect
}

type Call = Tool["call"]

// Names of drivers come from the exporter.
const longestTitle = 100

const titleOf = ({ method, place }: Pick<Place, "method" | "place">): string =>
  visible.line(`${place}.${method}`).slice(0, longestTitle)

// What is refused is listed all the same, so that an agent can say what it would need.
const toolOf = (
  { names, policy }: Surroundings,
  place: Place,
  described: Pick<Tool, "description" | "inputSchema"> & { readonly idempotent: boolean },
  call: Call
): Tool => {
  const { driver, effect, method } = place
  const refused = policies.refusal(policy, { ...place, title: titleOf(place) })
  const title = titleOf(place)
  const does = {
    read: "It only reads.",
    write: "It changes the device.",
    destructive: "It can lose what no call brings back."
  }[effect]
  return {
    name: names.of(driver.path, method),
    title,
    description: [described.description, does, ...refused === undefined ? [] : [`Refused: ${refused}.`]].join(" ")
      .trim(),
    inputSchema: described.inputSchema,
    annotations: {
      title,
      readOnlyHint: effect === "read",
      destructiveHint: effect === "destructive",
      idempotentHint: effect === "read" || described.idempotent,
      openWorldHint: false
    },
    call: refused === undefined ? call : () => Effect.fail(usage(refused))
  }
}

const Dialogue = Schema.Struct({
  send: Schema.optional(Schema.String),
  expect: Schema.optional(Schema.String),
  seconds: Schema.optionalWith(Schema.Number.pipe(Schema.between(0.1, 300)), { default: () => 5 })
})

const dialogueSchema: inputSchema.InputSchema = {
  type: "object",
  properties: {
    send: { type: "string", description: "Text to send, with its line end, such as \"version\\n\"." },
    expect: {
      type: "string",
      description: "Text to wait for. Without it, everything is returned that the device says in time."
    },
    seconds: { type: "number", minimum: 0.1, maximum: 300, description: "How long to listen; 5 unless given." }
  },
  required: [],
  additionalProperties: false
}

// Matches no text.
const nothing = /(?!)/

/** Sends text on a stream of bytes, and returns what the device says. */
const dialogue = (driver: DriverClient.DriverClient, method: string, title: string): Call => (input) =>
  Effect.gen(function*() {
    const { expect, seconds, send } = yield* Effect.mapError(
      Schema.decodeUnknown(Dialogue, { onExcessProperty: "error" })(input),
      () => usage(`${title} takes send and expect, which are texts, and seconds from 0.1 to 300`)
    )
    const console = yield* Console.make(yield* driver.stream(method), { limit: bounds.maxCharacters })
    if (send !== undefined) yield* console.send(send)
    const hasCome = yield* console.expect(expect ?? nothing, { timeout: Duration.seconds(seconds) }).pipe(
      Effect.as(true),
      Effect.catchTag("ExpectError", () => Effect.succeed(false))
    )
    const text = (yield* console.transcript).flatMap(({ from, text }) => from === "device" ? [text] : []).join("")
    return { text, found: expect === undefined ? null : hasCome }
  }).pipe(Effect.scoped)

const described = (
  surroundings: Surroundings,
  place: Place,
  method: DriverMethod.Any,
  names: ReadonlyArray<string>
): Tool => {
  const title = titleOf(place)
  const description = method.options.documentation ?? ""
  const called = { title, names }
  if (method._tag === "Stream") {
    return toolOf(
      surroundings,
      place,
      {
        description: `${description} Sends text, and returns what the device says.`,
        inputSchema: dialogueSchema,
        idempotent: false
      },
      dialogue(place.driver, place.method, title)
    )
  }
  const isStreaming = method._tag === "StreamingCall"
  const schema = inputSchema.of(method.options, names, isStreaming ? { [bounds.property]: bounds.schema } : {})
  const call: Call = (input) =>
    Effect.gen(function*() {
      yield* toolArguments.known(schema, input, title)
      const limits = isStreaming ? yield* bounds.parse(input[bounds.property]) : undefined
      const args = yield* toolArguments.prepare(surroundings.local, place.driver, called, method.options, input)
      return limits === undefined
        ? yield* place.driver.call(place.method, ...args)
        : yield* bounds.collect(place.driver.streamingCall(place.method, ...args), limits)
    }).pipe(Effect.scoped)
  return toolOf(
    surroundings,
    place,
    { description, inputSchema: schema, idempotent: method._tag === "Call" && method.options.idempotent === true },
    call
  )
}

const Positional = Schema.Struct({
  arguments: Schema.optionalWith(Schema.Array(DriverMethod.Json), { default: () => [] })
})

const positionalSchema: inputSchema.InputSchema = {
  type: "object",
  properties: { arguments: { type: "array", description: "The arguments in their order, as JSON." } },
  required: [],
  additionalProperties: false
}

/** A method that only the exporter describes. What it does is unknown, so it counts as a write. */
const undescribed = (surroundings: Surroundings, place: Place): Tool => {
  const title = titleOf(place)
  const call: Call = (input) =>
    Effect.gen(function*() {
      const { arguments: args } = yield* Effect.mapError(
        Schema.decodeUnknown(Positional, { onExcessProperty: "error" })(input),
        () => usage(`${title} takes arguments, a list of JSON`)
      )
      const values: ReadonlyArray<ProtobufValue.JsonValue> = args
      return yield* place.driver.call(place.method, ...values)
    })
  return toolOf(
    surroundings,
    place,
    {
      description: "A method without a contract: its arguments and what it does are unknown.",
      inputSchema: positionalSchema,
      idempotent: false
    },
    call
  )
}

/** The tools of a driver. */
export const of = (surroundings: Surroundings, driver: DriverClient.DriverClient): Effect.Effect<ReadonlyArray<Tool>> =>
  Effect.map(contracts.of(surroundings.known, driver), (contract) => {
    const place = contracts.shownPath(driver.path)
    if (contract === undefined) {
      return Object.keys(driver.methodsDescription).map((method) =>
        undescribed(surroundings, { driver, place, method, effect: "write" })
      )
    }
    return Object.entries(contract.contract.methods).map(([method, found]) =>
      described(
        surroundings,
        { driver, place, method, effect: DriverMethod.effectOf(found) },
        found,
        contract.entry.methods[method]?.arguments ?? []
      )
    )
  })
