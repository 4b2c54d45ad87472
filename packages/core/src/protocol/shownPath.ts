// Formats the path of a driver as `DriverTree.find` accepts it: names joined by dots, or the list of names when a name is empty or
// contains a dot.
export const shownPath = (path: ReadonlyArray<string>): string =>
  path.some((name) => name === "" || name.includes(".")) ? JSON.stringify(path) : path.join(".")
