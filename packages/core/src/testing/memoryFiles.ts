// A tree of files in memory that behaves like OpenDAL's file system service. Paths of directories end with a slash; the
// root is "/". Failures use OpenDAL's messages, some of which name another operation than the caller's.
import * as Either from "effect/Either"

type Outcome<A = void> = Either.Either<A, string>

interface Stat {
  readonly length: number
  readonly isFile: boolean
}

export interface MemoryFiles {
  readonly files: ReadonlyMap<string, Uint8Array>
  readonly write: (path: string, bytes: Uint8Array) => Outcome
  // A directory can be opened for reading, but not read.
  readonly openable: (path: string) => Outcome
  readonly read: (path: string) => Outcome<Uint8Array>
  readonly stat: (path: string) => Outcome<Stat>
  readonly exists: (path: string) => Outcome<boolean>
  readonly copy: (source: string, target: string) => Outcome
  readonly rename: (source: string, target: string) => Outcome
  readonly createDirectory: (path: string) => Outcome
  // Removing a missing path is not a failure.
  readonly remove: (path: string) => Outcome
  readonly removeAll: (path: string) => Outcome
  readonly list: (path: string, recursive: boolean) => ReadonlyArray<string>
}

const root = "/"

export const normalize = (path: string): string => path.replaceAll(/\/{2,}/g, "/").replace(/^\//, "") || root

const asFile = (path: string): string => path.replace(/\/$/, "")

const asDirectory = (path: string): string => path.endsWith("/") ? path : `${path}/`

const parent = (path: string): string => path.replace(/[^/]*\/?$/, "") || root

const done: Outcome = Either.right(undefined)

const fail = (kind: string, operation: string, why: string, path: string): Outcome<never> =>
  Either.left(`${kind} (${kind === "Unexpected" ? "temporary" : "permanent"}) at ${operation} => ${why}: ${path}`)

export const make = (): MemoryFiles => {
  const files = new Map<string, Uint8Array>()
  const directories = new Set([root])

  const addDirectory = (path: string): void => {
    if (directories.has(path)) return
    directories.add(path)
    if (path !== root) addDirectory(parent(path))
  }
  const below = (directory: string, path: string): boolean =>
    path !== root && path !== directory && (directory === root || path.startsWith(directory))
  const entries = () => [...directories, ...files.keys()]
  const isEmpty = (directory: string): boolean => !entries().some((entry) => below(directory, entry))

  const hasFileAbove = (path: string): boolean =>
    path !== root && (files.has(asFile(parent(path))) || hasFileAbove(parent(path)))
  const kind = (path: string): "file" | "directory" | undefined =>
    files.has(asFile(path)) ? "file" : path === root || directories.has(asDirectory(path)) ? "directory" : undefined
  const refuseBelowFile = (operation: string, path: string): Outcome =>
    hasFileAbove(path) ? fail("Unexpected", operation, "not a directory", path) : done
  const refuseSlash = (operation: string, role: string, path: string): Outcome =>
    path.endsWith("/") ? fail("IsADirectory", `Operator::${operation}`, `${role} path is a directory`, path) : done

  // Makes the directories above a path before it is written.
  const makeRoom = (operation: string, path: string): Outcome => {
    if (files.has(asFile(parent(path)))) return fail("AlreadyExists", operation, "entity already exists", path)
    return Either.map(refuseBelowFile(operation, path), () => addDirectory(parent(path)))
  }

  const put = (operation: string, path: string, bytes: Uint8Array): Outcome =>
    Either.flatMap(makeRoom(operation, path), () => {
      if (kind(path) === "directory") return fail("Unexpected", operation, "is a directory", path)
      files.set(path, bytes)
      return done
    })

  const stat: MemoryFiles["stat"] = (path) => {
    const name = normalize(path)
    return Either.flatMap(refuseBelowFile("stat", name), (): Outcome<Stat> => {
      const found = kind(name)
      if (found === undefined) return fail("NotFound", "stat", "entity not found", path)
      if (found === "directory") return Either.right({ length: 0, isFile: false })
      return name.endsWith("/")
        ? fail("NotFound", "", "stat expected a directory, but found a file", path)
        : Either.right({ length: files.get(name)?.length ?? 0, isFile: true })
    })
  }

  // Makes the checks that copy and rename share, and returns the kind of the source.
  const between = (operation: string, name: string, source: string, target: string) =>
    Either.gen(function*() {
      yield* refuseSlash(operation, "from", source)
      yield* refuseSlash(operation, "to", target)
      if (source === target) {
        return yield* fail("IsSameFile", `Operator::${operation}`, "from and to paths are same", source)
      }
      yield* refuseBelowFile(name, source)
      const found = kind(source)
      return found === undefined ? yield* fail("NotFound", name, "entity not found", source) : found
    })

  const moveDirectory = (source: string, target: string): Outcome =>
    Either.gen(function*() {
      const [from, to] = [asDirectory(source), asDirectory(target)]
      yield* makeRoom("rename", target)
      if (files.has(target)) return yield* fail("Unexpected", "rename", "not a directory", target)
      if (below(from, to)) return yield* fail("Unexpected", "rename", "invalid input parameter", target)
      if (!isEmpty(to)) return yield* fail("Unexpected", "rename", "directory not empty", target)
      for (const entry of entries().filter((entry) => entry === from || below(from, entry))) {
        const moved = to + entry.slice(from.length)
        const bytes = files.get(entry)
        if (bytes === undefined) directories.add(moved)
        else files.set(moved, bytes)
        files.delete(entry)
        directories.delete(entry)
      }
    })

  const list: MemoryFiles["list"] = (path, recursive) => {
    const name = normalize(path)
    // A path without a slash at its end is a prefix of the paths to list.
    const directory = name.endsWith("/") ? name : parent(name)
    if (!directories.has(directory)) return []
    const found = entries().filter((entry) =>
      below(directory, entry) && (recursive || parent(entry) === directory) && (name === root || entry.startsWith(name))
    )
    return directory === name ? [name, ...found.sort()] : found.sort()
  }

  return {
    files,
    write: (path, bytes) => {
      const name = normalize(path)
      return Either.flatMap(refuseSlash("writer", "write", name), () => put("write", name, bytes))
    },
    openable: (path) => {
      const name = normalize(path)
      return Either.flatMap(refuseSlash("reader", "read", name), () => Either.map(stat(name), () => undefined))
    },
    read: (path) =>
      Either.fromNullable(files.get(normalize(path)), () => "Unexpected (temporary) at read => is a directory"),
    stat,
    exists: (path) =>
      Either.match(stat(path), {
        onLeft: (why) => why.startsWith("NotFound ") ? Either.right(false) : Either.left(why),
        onRight: () => Either.right(true)
      }),
    copy: (from, to) => {
      const [source, target] = [normalize(from), normalize(to)]
      return Either.flatMap(between("copy", "copy", source, target), (found) =>
        found === "directory"
          ? fail("Unexpected", "copy", "invalid input parameter", source)
          : put("copy", target, files.get(source) ?? new Uint8Array()))
    },
    rename: (from, to) => {
      const [source, target] = [normalize(from), normalize(to)]
      return Either.flatMap(between("move_", "rename", source, target), (found) =>
        found === "directory"
          ? moveDirectory(source, target)
          : Either.map(put("rename", target, files.get(source) ?? new Uint8Array()), () => void files.delete(source)))
    },
    createDirectory: (path) => {
      const name = normalize(path)
      if (!name.endsWith("/")) {
        return fail("NotADirectory", "create_dir", "the path trying to create should end with `/`", path)
      }
      return Either.flatMap(refuseBelowFile("create_dir", name), () => {
        if (kind(name) === "file") return fail("AlreadyExists", "create_dir", "entity already exists", path)
        addDirectory(name)
        return done
      })
    },
    remove: (path) => {
      const name = normalize(path)
      return Either.flatMap(refuseBelowFile("delete", name), () => {
        const directory = asDirectory(name)
        if (!files.delete(asFile(name)) && directories.has(directory)) {
          if (!isEmpty(directory)) return fail("Unexpected", "delete", "directory not empty", path)
          directories.delete(directory)
        }
        return done
      })
    },
    removeAll: (path) => {
      const name = normalize(path)
      return Either.map(refuseBelowFile("stat", name), () => {
        for (const entry of list(name, true)) {
          files.delete(entry)
          directories.delete(entry)
        }
      })
    },
    list
  }
}
