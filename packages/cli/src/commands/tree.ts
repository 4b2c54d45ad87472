import * as Command from "@effect/cli/Command"
import { describe } from "../described.ts"
import { lazily } from "../lazily.ts"
import * as options from "../options.ts"

export const tree = describe(
  Command.make(
    "tree",
    {
      target: options.target,
      contracts: options.contracts,
      json: options.json,
      methods: options.flag("methods", "List the methods of each driver.", "m")
    },
    lazily(() => import("../programs/tree.ts"))
  ),
  "tree",
  {
    summary: "List the drivers of an exporter, with their contracts, labels and descriptions.",
    example: "tree --methods"
  }
)
