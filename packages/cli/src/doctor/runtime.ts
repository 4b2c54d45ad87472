// The versions that run.
import { version } from "../version.ts"
import { type Check, ok, problem } from "./check.ts"

const oldest = [20, 19] as const

export const checks = (): ReadonlyArray<Check> => {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
  const isNew = major > oldest[0] || major === oldest[0] && minor >= oldest[1]
  return [
    ok("version", `effect-jumpstarter ${version}`),
    isNew
      ? ok("node", process.version)
      : problem("node", `${process.version} is too old`, `install Node ${oldest.join(".")} or later`)
  ]
}
