import * as Command from "@effect/cli/Command"
import { describe } from "../described.ts"
import { lazily } from "../lazily.ts"
import * as options from "../options.ts"

export const contract = describe(
  Command.make(
    "contract",
    { target: options.target, contracts: options.contracts, json: options.json, path: options.path },
    lazily(() => import("../programs/contract.ts"))
  ),
  "contract",
  {
    summary: "Print the skeleton of a contract, as TypeScript, for a driver of your own.",
    example: "contract cooling.fan > fan.ts"
  }
)
