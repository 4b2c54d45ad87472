// Programs that tests need besides Python. A test that needs one that is missing is skipped, and says so.
import { existsSync } from "node:fs"
import { delimiter, join } from "node:path"
import { stderr } from "node:process"

/** Whether one of the programs is not on the PATH. */
export const missing = (...programs: ReadonlyArray<string>): boolean => {
  const directories = (process.env["PATH"] ?? "").split(delimiter)
  const absent = programs.filter((program) => !directories.some((directory) => existsSync(join(directory, program))))
  if (absent.length === 0) return false
  stderr.write(`*** NO ${absent.join(", ")} ON THE PATH: THE TESTS THAT NEED IT ARE SKIPPED. ***\n`)
  return true
}
