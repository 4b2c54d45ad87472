import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import { describe } from "../described.ts"
import { lazily } from "../lazily.ts"
import * as options from "../options.ts"

export const dump = describe(
  Command.make(
    "dump",
    {
      target: options.target,
      json: options.json,
      partition: options.partition,
      path: options.path,
      file: Args.text({ name: "file" }).pipe(Args.withDescription("The file to write."))
    },
    lazily(() => import("../programs/dump.ts"))
  ),
  "dump",
  {
    summary: "Read a flasher or a storage mux into a file, with progress and its SHA-256.",
    example: "dump storage rootfs.img --target root"
  }
)
