import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import { describe } from "../described.ts"
import { lazily } from "../lazily.ts"
import * as options from "../options.ts"

export const page = describe(
  Command.make(
    "page",
    {
      json: options.json,
      file: Args.text({ name: "file" }).pipe(Args.withDescription("The lines of the record, a file of JSON lines."))
    },
    lazily(() => import("../programs/page.ts"))
  ),
  "page",
  {
    summary: "Make the page of a BenchRecord from its lines, such as those of a process that was killed.",
    example: "page records/nightly.jsonl"
  }
)
