// The names of tools: letters, digits, `_` and `-`, 64 at most, as clients of the protocol require, and each once.
const longest = 64

export class Names {
  readonly #taken = new Set<string>()

  /** The name of a method of a driver, such as `storage_mux__write`. */
  of(path: ReadonlyArray<string>, method: string): string {
    const driver = path.length === 0 ? "root" : path.join("_")
    const whole = `${driver}__${method}`.replaceAll(/[^A-Za-z0-9_-]/g, "_")
    let name = whole.slice(-longest)
    for (let count = 2; this.#taken.has(name); count++) {
      const suffix = `_${count}`
      name = whole.slice(-(longest - suffix.length)) + suffix
    }
    this.#taken.add(name)
    return name
  }
}
