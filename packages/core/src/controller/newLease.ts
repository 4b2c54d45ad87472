// What is wrong with a lease to create, as far as the client can know. The controller's own words name no field.
import * as Duration from "effect/Duration"
import type { NewLease } from "./controllerRequests.ts"

export const durationProblem = (input: Duration.DurationInput): string | undefined => {
  const duration = Duration.decode(input)
  return Duration.isFinite(duration) && Duration.greaterThan(duration, Duration.zero)
    ? undefined
    : `the duration must be finite and greater than zero; it is ${Duration.format(duration)}`
}

export const problem = (
  { duration, exporterName = "", selector = "" }: Pick<NewLease, "duration" | "exporterName" | "selector">
): string | undefined =>
  selector === "" && exporterName === ""
    ? "a lease needs a selector or the name of an exporter"
    : durationProblem(duration)
