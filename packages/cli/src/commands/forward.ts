import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { describe } from "../described.ts"
import { lazily } from "../lazily.ts"
import * as options from "../options.ts"

export const forward = describe(
  Command.make(
    "forward",
    {
      target: options.target,
      json: options.json,
      port: Options.integer("port").pipe(
        Options.withDescription("The local port; a free one unless given."),
        Options.optional
      ),
      address: options.text(
        "address",
        "address",
        "The local address; 127.0.0.1 unless given, so that other machines cannot connect."
      ),
      socket: options.text("socket", "file", "Forward a Unix socket in place of a port."),
      path: options.path
    },
    lazily(() => import("../programs/forward.ts"))
  ),
  "forward",
  {
    summary: "Forward a local port to a network of the device, until Ctrl-C. The first line is the address.",
    example: "forward ssh --port 2222"
  }
)
