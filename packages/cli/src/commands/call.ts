import * as Command from "@effect/cli/Command"
import { describe } from "../described.ts"
import { lazily } from "../lazily.ts"
import * as options from "../options.ts"

export const call = describe(
  Command.make(
    "call",
    {
      target: options.target,
      contracts: options.contracts,
      json: options.json,
      untyped: options.untyped,
      timeout: options.duration("timeout", "Cancel the call after this time."),
      path: options.path,
      method: options.method,
      args: options.jsonArguments
    },
    lazily(() => import("../programs/call.ts"))
  ),
  "call",
  {
    summary: "Call a method of a driver, and print its result.",
    details:
      "Arguments are JSON. Where the contract of the driver says that an argument is a text, the quotes can be left out; where it is a resource, write the path of a file.",
    example: "call power on"
  }
)
