import * as Command from "@effect/cli/Command"
import { describe } from "../described.ts"
import { lazily } from "../lazily.ts"
import * as options from "../options.ts"

export const exporters = describe(
  Command.make(
    "exporters",
    { lab: options.lab, json: options.json, selector: options.selector("List only exporters with these labels.") },
    lazily(() => import("../programs/exporters.ts"))
  ),
  "exporters",
  { summary: "List the exporters of a lab.", example: "exporters --selector board=rpi4" }
)

export const leases = describe(
  Command.make(
    "leases",
    {
      lab: options.lab,
      json: options.json,
      ended: options.flag("ended", "List ended leases too."),
      mine: options.flag("mine", "List only the leases of this client.")
    },
    lazily(() => import("../programs/leases.ts"))
  ),
  "leases",
  { summary: "List the leases of a lab.", example: "leases --mine" }
)
