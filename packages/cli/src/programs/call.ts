// Calls a method once, and prints its result.
import type * as DriverMethod from "@effect-jumpstarter/core/DriverMethod"
import type * as ProtobufValue from "@effect-jumpstarter/core/ProtobufValue"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as driverMethod from "../driverMethod.ts"
import * as durations from "../durations.ts"
import { CommandError, usage } from "../failure.ts"
import type { Target } from "../options.ts"
import * as output from "../output.ts"
import * as ownContracts from "../ownContracts.ts"
import * as target from "../target.ts"

export interface Arguments {
  readonly target: Target
  readonly contracts: ReadonlyArray<string>
  readonly json: boolean
  readonly untyped: boolean
  readonly timeout: Option.Option<string>
  readonly path: string
  readonly method: string
  readonly args: ReadonlyArray<string>
}

// The result is shown in any case, because a person who calls by hand wants to see it.
const compare = (title: string, described: DriverMethod.Any | undefined, result: ProtobufValue.JsonValue) => {
  const schema = described?._tag === "Call" ? described.options.result : undefined
  return schema === undefined || Either.isRight(Schema.decodeUnknownEither(schema)(result))
    ? Effect.void
    : output.note(`note: the result of ${title} is not what its contract says, ${String(schema.ast)}`)
}

export const run = ({ args, contracts, json, method, path, target: place, timeout, untyped }: Arguments) =>
  Effect.gen(function*() {
    const known = yield* ownContracts.load(contracts)
    const limit = yield* durations.optional("timeout", timeout)
    const program = Effect.gen(function*() {
      const chosen = yield* driverMethod.choose({ path, method, untyped, known })
      const { called: { title }, described, driver } = chosen
      if (described?._tag === "StreamingCall") {
        return yield* usage(`${title} returns a stream; follow it with \`effect-jumpstarter watch ${path} ${method}\``)
      }
      if (described?._tag === "Stream") {
        return yield* usage(
          `${title} opens a stream of bytes; use \`effect-jumpstarter console ${path}\` or \`forward\``
        )
      }
      const result = yield* Effect.flatMap(
        driverMethod.prepare(chosen, args),
        (prepared) => driver.call(method, ...prepared)
      ).pipe(
        Option.isNone(limit) ? (call) => call : Effect.timeoutFail({
          duration: limit.value,
          onTimeout: () =>
            new CommandError({
              kind: "unmet",
              message: `${title} did not return within ${Option.getOrElse(timeout, () => "")}, and was cancelled`
            })
        })
      )
      yield* compare(title, described, result)
      yield* output.document(json, result, () => output.shown(result))
    })
    return yield* Effect.provide(Effect.scoped(program), target.layer(place))
  })
