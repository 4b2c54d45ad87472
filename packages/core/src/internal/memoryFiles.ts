// A tree of files in memory that answers as OpenDAL's file system service does. Paths of directories end in a slash;
// the root is "/".
import * as Either from "effect/Either"

export interface MemoryFiles {
  readonly files: ReadonlyMap<string, Uint8Array>
  readonly write: (path: string, bytes: Uint8Array) => void
  readonly read: (path: string) => Either.Either<Uint8Array, string>
  readonly kind: (path: string) => "file" | "directory" | undefined
  readonly createDirectory: (path: string) => Either.Either<void, string>
  // Deletes a file, or everything below a path. What is not there is no failure.
  readonly remove: (path: string, recursive: boolean) => void
  readonly list: (path: string, recursive: boolean) => ReadonlyArray<string>
}

const root = "/"

export const normalize = (path: string): string => path.replaceAll(/\/{2,}/g, "/").replace(/^\//, "") || root

const asDirectory = (path: string): string => path.endsWith("/") ? path : `${path}/`

const parent = (path: string): string => path.replace(/[^/]*\/?$/, "") || root

export const notFound = (operation: string, path: string): string =>
  `NotFound (permanent) at ${operation} => entity not found: ${path}`

export const make = (): MemoryFiles => {
  const files = new Map<string, Uint8Array>()
  const directories = new Set([root])

  const addDirectory = (path: string): void => {
    if (directories.has(path)) return
    directories.add(path)
    addDirectory(parent(path))
  }
  const kind: MemoryFiles["kind"] = (path) => {
    const name = normalize(path)
    return files.has(name) ? "file" : directories.has(asDirectory(name)) ? "directory" : undefined
  }
  const below = (directory: string, path: string): boolean =>
    path !== root && path !== directory && (directory === root || path.startsWith(directory))

  return {
    files,
    kind,
    write: (path, bytes) => {
      const name = normalize(path)
      addDirectory(parent(name))
      files.set(name, bytes)
    },
    read: (path) => Either.fromNullable(files.get(normalize(path)), () => notFound("read", path)),
    createDirectory: (path) => {
      if (!path.endsWith("/")) {
        return Either.left("NotADirectory (permanent) at create_dir => the path trying to create should end with `/`")
      }
      addDirectory(normalize(path))
      return Either.right(undefined)
    },
    remove: (path, recursive) => {
      const name = normalize(path)
      const directory = asDirectory(name)
      files.delete(name)
      if (recursive || directory === name) directories.delete(directory)
      if (!recursive) return
      for (const file of [...files.keys()]) if (below(directory, file)) files.delete(file)
      for (const entry of [...directories]) if (below(directory, entry)) directories.delete(entry)
      directories.add(root)
    },
    list: (path, recursive) => {
      const name = normalize(path)
      if (files.has(name)) return [name]
      const directory = asDirectory(name)
      if (!directories.has(directory)) return []
      // Without its slash a directory is listed as an entry, not entered.
      if (!recursive && directory !== name) return [directory]
      const entries = [...directories, ...files.keys()].filter((entry) => below(directory, entry))
      return [directory, ...entries.filter((entry) => recursive || parent(entry) === directory).sort()]
    }
  }
}
