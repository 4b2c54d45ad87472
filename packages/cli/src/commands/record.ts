import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import { describe } from "../described.ts"
import { lazily } from "../lazily.ts"
import * as options from "../options.ts"

const load = () => import("../programs/record.ts")

const file = Args.text({ name: "file" }).pipe(Args.withDescription("The recording, a file of JSON lines."))

const command = Args.text({ name: "command" }).pipe(
  Args.withDescription("The program to run, after --. It finds the exporter in JUMPSTARTER_HOST."),
  Args.repeated
)

export const record = describe(
  Command.make(
    "record",
    { target: options.target, file, command },
    lazily(() => load().then(({ record }) => ({ run: record })))
  ),
  "record",
  {
    summary: "Run a program with an exporter, and record what they say. The exit code is that of the program.",
    details:
      "An existing recording is replaced when the program succeeds. Texts that look like secrets by their keys are left out.",
    example: "record board.jsonl -- npx vitest run"
  }
)

export const replay = describe(
  Command.make("replay", { file, command }, lazily(() => load().then(({ replay }) => ({ run: replay })))),
  "replay",
  {
    summary: "Run a program with a recording in place of the exporter, and fail where the program differs.",
    example: "replay board.jsonl -- npx vitest run"
  }
)
