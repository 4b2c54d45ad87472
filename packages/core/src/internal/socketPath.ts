// What can be wrong with the path of a Unix socket. The system keeps it in a field of fixed size, and Node cuts off what does
// not fit: a server would listen under another name, and its clients would look for a third.
import * as Fs from "node:fs"
import { dirname } from "node:path"

const maxBytes = process.platform === "darwin" ? 103 : 107

// Named pipes of Windows are no files.
const isFile = process.platform !== "win32"

export const problem = (path: string): string | undefined => {
  const bytes = Buffer.byteLength(path)
  return isFile && bytes > maxBytes
    ? `the path has ${bytes} bytes, that of a Unix socket can have ${maxBytes}`
    : undefined
}

// The same for who is to listen there. Node says of a directory that is not there that it is forbidden.
export const problemToListen = (path: string): string | undefined =>
  problem(path) ?? (isFile && !Fs.existsSync(dirname(path)) ? `there is no directory ${dirname(path)}` : undefined)
