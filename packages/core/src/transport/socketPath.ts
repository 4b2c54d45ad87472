// What can be wrong with the path of a Unix socket. The system keeps it in a field of fixed size, and Node cuts off what does
// not fit: a server would listen under another name, and its clients would look for a third.
import * as Fs from "node:fs"
import { dirname } from "node:path"

export const maxBytes = process.platform === "darwin" ? 103 : 107

// Named pipes of Windows are no files.
export const isFile = process.platform !== "win32"

// A socket without a file, which Linux knows by name.
const isAbstract = (path: string): boolean => path.startsWith("\0")

export const problem = (path: string): string | undefined => {
  if (typeof path !== "string" || path === "") return "the path of the socket is missing"
  if (isAbstract(path) && process.platform !== "linux") return "only Linux has abstract sockets"
  if (path.includes("\0", 1)) return "a path cannot contain the character U+0000"
  const bytes = Buffer.byteLength(path)
  return isFile && bytes > maxBytes
    ? `the path has ${bytes} bytes, and the path of a Unix socket has at most ${maxBytes}`
    : undefined
}

// The same for who is to listen there. Node says of a directory that is not there that it is forbidden.
export const problemToListen = (path: string): string | undefined =>
  problem(path) ??
    (isAbstract(path)
      ? "an abstract socket has no permissions and is open to every user of the machine; listen on a path"
      : isFile && !Fs.existsSync(dirname(path))
      ? `there is no directory ${dirname(path)}`
      : undefined)
