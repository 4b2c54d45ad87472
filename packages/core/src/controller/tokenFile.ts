// The tokens in a client's configuration file. Writing new tokens keeps other keys and comments, and replaces the file atomically. `jmp`
// takes no lock, so the file is read again right before a refresh and before writing.
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { type Document, isMap, isScalar } from "yaml"
import * as lockFile from "./lockFile.ts"
import type { Tokens, TokenStore } from "./tokens.ts"
import * as tokens from "./tokens.ts"
import * as yamlDocument from "./yamlDocument.ts"

const textAt = (document: Document, key: string): string | undefined => {
  const value: unknown = document.get(key)
  return typeof value === "string" && value !== "" ? value : undefined
}

// Returns the tokens in a file; none when it has no token or is not YAML.
const read = (text: string): Option.Option<Tokens> =>
  Option.flatMap(Either.getRight(yamlDocument.parseTree(text)), ({ document }) => {
    const token = isMap(document.contents) ? textAt(document, "token") : undefined
    const refreshToken = token === undefined ? undefined : textAt(document, "refresh_token")
    return token === undefined ? Option.none() : Option.some({
      token: Redacted.make(token),
      refreshToken: refreshToken === undefined ? undefined : Redacted.make(refreshToken)
    })
  })

const has = (text: string, wanted: Tokens): boolean =>
  Option.exists(
    read(text),
    ({ refreshToken, token }) => tokens.isSame(token, wanted.token) && tokens.isSame(refreshToken, wanted.refreshToken)
  )

// Returns the text with another value of a top-level key and every other byte unchanged. The caller checks the result, because YAML has
// forms that this does not handle, such as a mapping in braces.
const spliced = (text: string, key: string, value: string): string => {
  const tree = Either.getOrUndefined(yamlDocument.parseTree(text))
  const node: unknown = tree?.document.get(key, true)
  const range = isScalar(node) ? node.range : undefined
  const quoted = JSON.stringify(value)
  if (!isScalar(node) || range === undefined || range === null) {
    return `${text.replace(/\n*$/, "\n")}${key}: ${quoted}\n`
  }
  const isBlock = node.type === "BLOCK_FOLDED" || node.type === "BLOCK_LITERAL"
  const written = node.type === "PLAIN" && /^[\w.~-]*[A-Za-z_~-][\w.~-]*$/.test(value) ? value : quoted
  const before = text.slice(0, range[0])
  return `${before}${/:$/.test(before) ? " " : ""}${isBlock ? `${quoted}\n` : written}${text.slice(range[1])}`
}

// Returns the text of the file with other tokens.
const withTokens = (text: string, { refreshToken, token }: Tokens): string => {
  const first = spliced(text, "token", Redacted.value(token))
  const changed = refreshToken === undefined ? first : spliced(first, "refresh_token", Redacted.value(refreshToken))
  if (has(changed, { token, refreshToken })) return changed
  return Either.match(yamlDocument.parseTree(text), {
    onLeft: () => text,
    onRight: ({ document }) => {
      document.set("token", Redacted.value(token))
      if (refreshToken !== undefined) document.set("refresh_token", Redacted.value(refreshToken))
      return document.toString({ lineWidth: 0 })
    }
  })
}

const replace = Effect.fnUntraced(function*(
  fileSystem: FileSystem.FileSystem,
  path: Path.Path,
  file: string,
  text: string
) {
  const temporary = path.join(path.dirname(file), `.${path.basename(file)}.${crypto.randomUUID()}.tmp`)
  yield* Effect.scoped(
    Effect.flatMap(
      fileSystem.open(temporary, { flag: "wx", mode: 0o600 }),
      (open) => Effect.zipRight(open.writeAll(new TextEncoder().encode(text)), open.sync)
    )
  ).pipe(
    Effect.zipRight(fileSystem.rename(temporary, file)),
    Effect.onError(() => Effect.ignore(fileSystem.remove(temporary)))
  )
}, Effect.uninterruptible)

export const store = (
  fileSystem: FileSystem.FileSystem,
  path: Path.Path,
  file: string,
  loaded: Tokens
): TokenStore => {
  // A symbolic link stays a link to its file.
  const resolved = fileSystem.realPath(file)

  const notKept = (why: string) => Effect.logWarning(`the new tokens cannot be written to ${file}: ${why}`)

  const write = Effect.fnUntraced(function*(stored: Tokens, wanted: Tokens) {
    const target = yield* resolved
    const text = yield* fileSystem.readFileString(target)
    if (has(text, wanted)) return
    const present = read(text)
    // The token came from a variable, or `jmp` is writing the file, which it truncates first.
    if (Option.isNone(present)) return yield* notKept("the file has no token")
    const { token } = present.value
    // Tokens of a login during the refresh stay.
    if (!tokens.isSame(token, stored.token) && !tokens.isSame(token, wanted.token)) return
    yield* replace(fileSystem, path, target, withTokens(text, wanted))
  })

  return {
    exchange: (renew) =>
      Effect.gen(function*() {
        yield* Effect.flatMap(resolved, (target) => lockFile.acquire(fileSystem, `${target}.lock`)).pipe(
          Effect.catchAll(({ message }) =>
            Effect.logWarning(
              `another process may refresh the tokens of ${file} at the same time, because they cannot be locked: ${message}`
            )
          )
        )
        const stored = yield* Effect.map(
          Effect.option(Effect.flatMap(resolved, fileSystem.readFileString)),
          (text) => Option.getOrElse(Option.flatMap(text, read), () => loaded)
        )
        const renewed = yield* renew(stored)
        yield* Effect.catchAll(write(stored, renewed), ({ message }) => notKept(message))
        return renewed
      }).pipe(Effect.scoped)
  }
}
