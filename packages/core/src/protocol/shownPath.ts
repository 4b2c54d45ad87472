// The path of a driver as it can be looked for: names joined by dots, or the list of names where a name would get lost in
// that.
export const shownPath = (path: ReadonlyArray<string>): string =>
  path.some((name) => name === "" || name.includes(".")) ? JSON.stringify(path) : path.join(".")
