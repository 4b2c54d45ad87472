import * as Command from "@effect/cli/Command"
import { describe } from "../described.ts"
import { lazily } from "../lazily.ts"
import * as options from "../options.ts"

export const status = describe(
  Command.make(
    "status",
    {
      target: options.target,
      json: options.json,
      wait: options.flag("wait", "Wait until the exporter takes calls, for 5 minutes at most."),
      follow: options.flag("follow", "Continue with each change, until Ctrl-C.", "f")
    },
    lazily(() => import("../programs/status.ts"))
  ),
  "status",
  { summary: "Show which exporter this is, and whether it takes calls.", example: "status --wait" }
)
