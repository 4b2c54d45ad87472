import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { describe } from "../described.ts"
import { lazily } from "../lazily.ts"
import * as options from "../options.ts"

export const watch = describe(
  Command.make(
    "watch",
    {
      target: options.target,
      contracts: options.contracts,
      json: options.json,
      untyped: options.untyped,
      count: Options.integer("count").pipe(
        Options.withDescription("End after this number of results."),
        Options.optional
      ),
      during: options.duration("for", "End after this time."),
      path: options.path,
      method: options.method,
      args: options.jsonArguments
    },
    lazily(() => import("../programs/watch.ts"))
  ),
  "watch",
  {
    summary: "Follow a method that returns a stream, such as measurements, until Ctrl-C.",
    details: "On a terminal numbers are drawn as a chart; elsewhere each result is a line of JSON.",
    example: "watch power read --for \"10 seconds\""
  }
)
