// The files that tools may use: regular files in the folders that the person who starts the server names. Links are followed before a
// path is compared, so none leads out of a folder.
import type * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { CommandError } from "../failure.ts"

export interface Folders {
  /** Returns the real path of a file to read. */
  readonly source: (file: string) => Effect.Effect<string, CommandError>
  /** Returns the real path of a file to write, which need not exist. */
  readonly target: (file: string) => Effect.Effect<string, CommandError>
}

const refused = (message: string) => new CommandError({ kind: "local", message })

const isMissing = (error: PlatformError.PlatformError) => error._tag === "SystemError" && error.reason === "NotFound"

export const make = (folders: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const roots = yield* Effect.forEach(folders, (folder) =>
      Effect.mapError(
        files.realPath(folder),
        () => refused(`--allow-path ${folder} cannot be used: there is no such folder`)
      ))

    const isInside = (file: string): boolean =>
      roots.some((root) => file.startsWith(root.endsWith(path.sep) ? root : root + path.sep))

    const outside = (file: string) =>
      refused(
        roots.length === 0
          ? `the file ${file} cannot be used: this server allows no files; it has to be started with --allow-path FOLDER`
          : `the file ${file} cannot be used: it is outside of the allowed folders ${roots.join(", ")}`
      )

    const cannot = (file: string) => (error: PlatformError.PlatformError) =>
      refused(`the file ${file} cannot be used: ${isMissing(error) ? "there is no such file" : error.message}`)

    const regular = (file: string, real: string) =>
      Effect.gen(function*() {
        if (!isInside(real)) return yield* outside(file)
        const { type } = yield* Effect.mapError(files.stat(real), cannot(file))
        if (type !== "File") return yield* refused(`the file ${file} cannot be used: it is no regular file`)
        return real
      })

    const made: Folders = {
      source: (file) =>
        // What is outside is not even known to exist.
        Effect.matchEffect(files.realPath(file), {
          onFailure: (error) =>
            isInside(path.resolve(file)) ? Effect.fail(cannot(file)(error)) : Effect.fail(outside(file)),
          onSuccess: (real) => regular(file, real)
        }),
      target: (file) =>
        Effect.gen(function*() {
          const place = path.resolve(file)
          const existing = yield* Effect.option(files.realPath(place))
          if (Option.isSome(existing)) return yield* regular(file, existing.value)
          // A link to nothing would be followed when the file is created.
          const isLink = yield* Effect.isSuccess(files.readLink(place))
          const folder = yield* Effect.option(files.realPath(path.dirname(place)))
          if (isLink || Option.isNone(folder)) return yield* outside(file)
          const real = path.join(folder.value, path.basename(place))
          return isInside(real) ? real : yield* outside(file)
        })
    }
    return made
  })
