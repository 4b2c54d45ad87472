import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { describe } from "../described.ts"
import { lazily } from "../lazily.ts"
import * as options from "../options.ts"

export const mcp = describe(
  Command.make(
    "mcp",
    {
      target: options.target,
      contracts: options.contracts,
      allowWrites: options.flag("allow-writes", "Allow methods that change the device, except destructive ones."),
      allow: Options.text("allow").pipe(
        Options.withPseudoName("method"),
        Options.withDescription(
          "Allow a method whatever it does, as in flash or storage.flash. Can be given several times."
        ),
        Options.repeated
      ),
      allowPath: Options.text("allow-path").pipe(
        Options.withPseudoName("folder"),
        Options.withDescription("Allow the files in this folder, for images and dumps. Can be given several times."),
        Options.repeated
      )
    },
    lazily(() => import("../programs/mcp.ts"))
  ),
  "mcp",
  {
    summary: "Serve the drivers to an agent as tools of the Model Context Protocol, over standard input and output.",
    details: "Only methods that read are allowed, unless an option allows more. A lease is held for the session.",
    example: "mcp --host /run/jumpstarter.sock --allow power.on"
  }
)
