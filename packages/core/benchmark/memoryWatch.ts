// Watches the resident memory of this process.

const interval = 50

/** Begins to watch; the answer ends it, and tells by how many bytes the memory was above the beginning at most. */
export const watch = (): () => number => {
  const start = process.memoryUsage.rss()
  let peak = start
  const sample = () => {
    peak = Math.max(peak, process.memoryUsage.rss())
  }
  const timer = setInterval(sample, interval)
  return () => {
    clearInterval(timer)
    sample()
    return peak - start
  }
}
