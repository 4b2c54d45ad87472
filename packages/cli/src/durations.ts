// Durations of the command line, such as "30 minutes" or 30m. A number alone counts seconds.
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { type CommandError, usage } from "./failure.ts"

const units: Readonly<Record<string, string>> = {
  "": "seconds",
  ms: "millis",
  s: "seconds",
  m: "minutes",
  min: "minutes",
  h: "hours",
  d: "days"
}

const inFull = (text: string): string => {
  const [, amount, unit = ""] = /^(\d+(?:\.\d+)?) ?([a-z]*)$/.exec(text.trim()) ?? []
  return amount === undefined ? text : `${amount} ${Object.hasOwn(units, unit) ? units[unit] : unit}`
}

export const parse = (option: string, text: string): Either.Either<Duration.Duration, CommandError> =>
  Either.fromOption(
    Option.filter(
      Duration.decodeUnknown(inFull(text)),
      (duration) => Duration.toMillis(duration) > 0
    ),
    () =>
      usage(
        `--${option} ${JSON.stringify(text)} is not a duration; write one such as 30s, 5m, 2h or "10 minutes"`
      )
  )

export const optional = (
  option: string,
  text: Option.Option<string>
): Either.Either<Option.Option<Duration.Duration>, CommandError> =>
  Option.match(text, {
    onNone: () => Either.right(Option.none()),
    onSome: (text) => Either.map(parse(option, text), Option.some)
  })
