// Spans of time for people: whole seconds, and milliseconds below that.
import * as Duration from "effect/Duration"

export const shownTime = (millis: number): string =>
  millis < 1000 ? `${Math.max(0, Math.round(millis))}ms` : Duration.format(Duration.seconds(Math.round(millis / 1000)))
