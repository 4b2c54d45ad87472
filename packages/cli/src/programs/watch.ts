// Follows the results of a streaming method.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { Chart, numbersOf } from "../chart.ts"
import * as driverMethod from "../driverMethod.ts"
import * as durations from "../durations.ts"
import { usage } from "../failure.ts"
import type { Target } from "../options.ts"
import * as output from "../output.ts"
import * as ownContracts from "../ownContracts.ts"
import * as target from "../target.ts"
import { Tty } from "../Tty.ts"

export interface Arguments {
  readonly target: Target
  readonly contracts: ReadonlyArray<string>
  readonly json: boolean
  readonly untyped: boolean
  readonly count: Option.Option<number>
  readonly during: Option.Option<string>
  readonly path: string
  readonly method: string
  readonly args: ReadonlyArray<string>
}

export const run = ({ args, contracts, count, during, json, method, path, target: place, untyped }: Arguments) =>
  Effect.gen(function*() {
    const known = yield* ownContracts.load(contracts)
    const limit = yield* durations.optional("for", during)
    const { output: terminal } = yield* Tty
    const program = Effect.gen(function*() {
      const chosen = yield* driverMethod.choose({ path, method, untyped, known })
      const { called: { title }, described, driver } = chosen
      if (described !== undefined && described._tag !== "StreamingCall") {
        return yield* usage(`${title} returns no stream; use \`effect-jumpstarter call ${path} ${method}\``)
      }
      const prepared = yield* driverMethod.prepare(chosen, args)
      const chart = new Chart()
      yield* driver.streamingCall(method, ...prepared).pipe(
        Option.isNone(limit) ? (items) => items : Stream.interruptAfter(limit.value),
        Option.isNone(count) ? (items) => items : Stream.take(count.value),
        Stream.runForEach((item) => {
          if (!json && terminal.isTerminal && numbersOf(item).length > 0) {
            return Effect.flatMap(terminal.columns, (columns) => terminal.write(chart.add(item, columns)))
          }
          chart.leave()
          return output.print(output.compact(item))
        })
      )
    })
    yield* Effect.provide(Effect.scoped(program), target.layer(place))
  })
