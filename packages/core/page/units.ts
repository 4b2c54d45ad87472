// Times and sizes, as text.

// How long something took.
export const seconds = (millis: number): string => {
  if (millis < 999.5) return `${millis < 9.95 && millis % 1 !== 0 ? millis.toFixed(1) : Math.round(millis)} ms`
  if (millis < 59_950) return `${(millis / 1_000).toFixed(millis < 9_995 ? 2 : 1)} s`
  const whole = Math.round(millis / 1_000)
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  const minutes = Math.round(millis / 60_000)
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

// A moment of the run, as wide as all others.
export const moment = (millis: number): string => {
  const whole = Math.round(millis)
  return `${Math.floor(whole / 60_000)}:${(whole % 60_000 / 1_000).toFixed(3).padStart(6, "0")}`
}

// A moment on the axis.
export const mark = (millis: number): string => {
  if (millis === 0) return "0 s"
  if (millis < 1_000) return `${+millis.toFixed(2)} ms`
  if (millis < 60_000) return `${+(millis / 1_000).toFixed(3)} s`
  const whole = Math.round(millis / 1_000)
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`
}

export const size = (bytes: number): string =>
  bytes < 1_024
    ? `${bytes} B`
    : bytes < 1_048_576
    ? `${(bytes / 1_024).toFixed(1)} KiB`
    : `${(bytes / 1_048_576).toFixed(1)} MiB`
