// A logger that tells a recorder what a program logs.
import * as Cause from "effect/Cause"
import * as HashMap from "effect/HashMap"
import * as Inspectable from "effect/Inspectable"
import * as Logger from "effect/Logger"
import { unseen } from "../../util/visibleLog.ts"
import { program, type Recorder } from "./recorder.ts"

const shown = (part: unknown): string => typeof part === "string" ? part : Inspectable.toStringUnknown(part)

export const logger = (recorder: Recorder): Logger.Logger<unknown, void> => {
  const logger = Logger.make<unknown, void>(({ annotations, cause, logLevel, message }) => {
    // The lines of the exporter's log, which `logStream` writes, are in the record already.
    if (HashMap.has(annotations, "exporter") && HashMap.has(annotations, "source")) return
    const parts = (Array.isArray(message) ? message : [message]).map(shown)
    if (!Cause.isEmpty(cause)) parts.push(Cause.pretty(cause, { renderErrorCause: true }))
    recorder.add({
      event: "message",
      level: logLevel.label,
      text: recorder.text(program, parts.join(" ")),
      ...(HashMap.isEmpty(annotations)
        ? {}
        : { annotations: recorder.value(program, Object.fromEntries(HashMap.toEntries(annotations))) })
    })
  })
  unseen.add(logger)
  return logger
}
