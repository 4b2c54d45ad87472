import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { describe } from "../described.ts"
import { lazily } from "../lazily.ts"
import * as options from "../options.ts"

const severities = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] as const

const sources = ["DRIVER", "BEFORE_LEASE_HOOK", "AFTER_LEASE_HOOK", "SYSTEM"] as const

export const logs = describe(
  Command.make(
    "logs",
    {
      target: options.target,
      json: options.json,
      level: Options.choice("level", severities).pipe(
        Options.withDescription("Leave out lines below this severity."),
        Options.optional
      ),
      source: Options.choice("source", sources).pipe(
        Options.withDescription("Show only lines from there."),
        Options.optional
      ),
      newOnly: options.flag("new", "Leave out the lines that the exporter has kept from before."),
      lines: Options.integer("lines").pipe(
        Options.withDescription("End after this number of lines."),
        Options.optional
      ),
      noFollow: options.flag("no-follow", "End after the lines that the exporter has kept.")
    },
    lazily(() => import("../programs/logs.ts"))
  ),
  "logs",
  { summary: "Follow the log of an exporter, until Ctrl-C.", example: "logs --level WARNING" }
)
