// Checks the path of a Unix socket. The system stores it in a field of fixed size, and Node truncates a longer path: a server would
// listen under another name, and its clients would look for a third one.
import * as Fs from "node:fs"
import { dirname } from "node:path"

export const maxBytes = process.platform === "darwin" ? 103 : 107

// On Windows the path names a pipe, which is not a file.
export const isFile = process.platform !== "win32"

// An abstract socket has a name but no file. Only Linux has them.
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

// The same for a server. Node reports a missing directory as a permission error.
export const problemToListen = (path: string): string | undefined =>
  problem(path) ??
    (isAbstract(path)
      ? "an abstract socket has no permissions and is open to every user of the machine; listen on a path"
      : isFile && !Fs.existsSync(dirname(path))
      ? `the directory ${dirname(path)} does not exist`
      : undefined)
