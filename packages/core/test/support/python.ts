// The Python exporter of interop/exporter.py. scripts/test.mjs sets the path of its Python.
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Command } from "./process.ts"

const python = (): string => {
  const path = process.env["JUMPSTARTER_PYTHON"]
  if (path === undefined) throw new Error("JUMPSTARTER_PYTHON is not set: run `node scripts/test.mjs interop`")
  return path
}

const program = (name: string): Command => [
  python(),
  fileURLToPath(new URL(`../../../../interop/${name}`, import.meta.url))
]

export const exporter = (): Command => program("exporter.py")

/** The simulated board of interop/board.py. It prints the path of its socket. */
export const board = (): Command => program("board.py")

/** Drives the exporter at an address with Python's clients. */
export const drive = (): Command => program("drive.py")

/** A Python program from its text. */
export const script = (text: string): Command => [python(), "-c", text]

/** Python's own command line. */
export const jmp = (): Command => [join(dirname(python()), "jmp")]

/** Python's own command line, with less patience. */
export const hurriedJmp = (): Command => program("hurried_jmp.py")

/** A pytest of `jumpstarter-testing`, for the drivers of interop/drive.py. */
export const pytest = (...options: ReadonlyArray<string>): Command => [
  python(),
  "-m",
  "pytest",
  "-q",
  "-p",
  "no:cacheprovider",
  ...options,
  ...program("test_bench.py").slice(1)
]

/** The Python that has the published drivers, if there is one. */
export const publishedDrivers = process.env["JUMPSTARTER_DRIVERS_PYTHON"]

/** The published drivers of some benches of interop/benches, in the exporter interop/drivers.py. */
export const drivers = (...benches: ReadonlyArray<string>): Command => [
  publishedDrivers ?? "",
  fileURLToPath(new URL("../../../../interop/drivers.py", import.meta.url)),
  ...benches
]
