/** Prints the exporter's log in dim, short lines between the other output. */
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import { Screen, shorten } from "./Screen.ts"

/** Prints log lines with the annotations of the exporter's lines. */
export const layer = Logger.replaceEffect(
  Logger.defaultLogger,
  Effect.map(Screen, ({ paint, unsafePrint }) =>
    Logger.make(({ annotations, logLevel, message }) => {
      const annotation = (name: string) => Option.map(HashMap.get(annotations, name), String)
      const lease = Option.getOrElse(annotation("lease"), () => "")
      const text = (Array.isArray(message) ? message.join(" ") : String(message)).replace(lease, lease.slice(0, 8))
      const time = Option.match(annotation("timestamp"), { onNone: () => "", onSome: (iso) => `${iso.slice(11, 23)} ` })
      const source = Option.getOrElse(annotation("source"), () => "LOCAL")
      const driver = Option.match(annotation("driver_type"), { onNone: () => "", onSome: (type) => ` ${type}` })
      const operation = Option.match(annotation("operation"), { onNone: () => "", onSome: (name) => `.${name}` })
      const line = `    ┆ ${time}${logLevel.label.padEnd(5)} ${source}${driver}${operation}: ${text}`
      unsafePrint(paint("dim", shorten(line)))
    }))
)
