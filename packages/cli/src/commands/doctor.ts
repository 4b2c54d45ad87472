import * as Command from "@effect/cli/Command"
import { describe } from "../described.ts"
import { lazily } from "../lazily.ts"
import * as options from "../options.ts"

export const doctor = describe(
  Command.make(
    "doctor",
    { target: options.target, json: options.json },
    lazily(() => import("../programs/doctor.ts"))
  ),
  "doctor",
  {
    summary: "Check versions, configuration, certificates, clocks and connections, and say what to do.",
    example: "doctor --host tls://bench-3.lab:8090"
  }
)
