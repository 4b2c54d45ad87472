import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { describe } from "../described.ts"
import { lazily } from "../lazily.ts"
import * as options from "../options.ts"

export const console = describe(
  Command.make(
    "console",
    {
      target: options.target,
      json: options.json,
      escape: Options.text("escape").pipe(
        Options.withPseudoName("key"),
        Options.withDefault("ctrl-]"),
        Options.withDescription("The key that ends the console, such as ctrl-b; ctrl-] unless given.")
      ),
      send: Options.text("send").pipe(
        Options.withPseudoName("line"),
        Options.withDescription("Send a line in place of what is typed. Can be given several times."),
        Options.repeated
      ),
      lineEnd: Options.choice("line-end", ["lf", "cr", "crlf"]).pipe(
        Options.withDefault("lf"),
        Options.withDescription("The end of each line of --send.")
      ),
      expect: options.text(
        "expect",
        "pattern",
        "End when the device has said this text, or /expression/. What comes after --send is looked at."
      ),
      timeout: options.duration("timeout", "How long --expect waits; without end unless given."),
      transcript: options.text("transcript", "file", "Add what the device says to this file."),
      path: options.path
    },
    lazily(() => import("../programs/console.ts"))
  ),
  "console",
  {
    summary: "Connect the terminal with a serial console, or another stream of the device.",
    details:
      "What the device says reaches the terminal unchanged, escape sequences included. With --json each piece of it is a line with its text.",
    example: "console serial --send version --expect \"=> \" --timeout \"5 seconds\""
  }
)
