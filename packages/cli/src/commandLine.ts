// The words of a command line in the order that the parser needs: it takes options only before arguments, and people write them
// where they think of them.
import * as Either from "effect/Either"
import type { Named } from "./described.ts"
import { type CommandError, usage } from "./failure.ts"
import * as options from "./options.ts"

const isNumber = (word: string): boolean => /^-\.?\d/.test(word)

// The parser's own options, which stand alone, and those with a value.
const alone = new Set(["--help", "-h", "--version"])

export const isAlone = (word: string): boolean => alone.has(word)

const withValue = new Set(["--completions", "--log-level"])

/**
 * Returns the path of the command, its options with their values, and then, after `--`, its arguments. What follows a `--` stays an
 * argument.
 */
export const arrange = (
  commands: ReadonlyArray<Named>,
  words: ReadonlyArray<string>
): Either.Either<ReadonlyArray<string>, CommandError> => {
  const path: Array<Named> = []
  const given: Array<string> = []
  let args: ReadonlyArray<string> = []
  let below = commands
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!
    const next = args.length === 0 ? below.find(({ name }) => name === word) : undefined
    if (word === "--") {
      args = [...args, ...words.slice(index + 1)]
      break
    } else if (next !== undefined) {
      path.push(next)
      below = next.below
    } else if (!word.startsWith("-") || word.length === 1 || isNumber(word)) {
      args = [...args, word]
    } else if (isAlone(word)) {
      return Either.right([...path.map(({ name }) => name), word])
    } else {
      given.push(word)
      const value = words[index + 1]
      if (!word.includes("=") && !options.isFlag(word) && value !== undefined) {
        given.push(value)
        index++
      }
    }
  }
  const wrong = given.length === 0 ? undefined : wrongOf(path.at(-1), given, args)
  return wrong === undefined
    ? Either.right([...path.map(({ name }) => name), ...given, ...args.length === 0 ? [] : ["--", ...args]])
    : Either.left(wrong)
}

const wrongOf = (
  command: Named | undefined,
  given: ReadonlyArray<string>,
  args: ReadonlyArray<string>
): CommandError | undefined => {
  if (command === undefined) {
    const [first = ""] = given
    return args.length > 0 || withValue.has(first.replace(/=.*$/s, ""))
      ? undefined
      : usage(`${first} is the option of no command; \`effect-jumpstarter --help\` lists the commands`)
  }
  const known = command.options()
  let isValue = false
  for (const word of given) {
    if (isValue) {
      isValue = false
      continue
    }
    const name = word.replace(/=.*$/s, "")
    isValue = name === word && !options.isFlag(word)
    if (known.has(name) || withValue.has(name)) continue
    return usage(`${command.name} has no option ${name}; it has ${[...known].join(", ")}`)
  }
  return isValue ? usage(`the option ${given.at(-1)} of ${command.name} needs a value`) : undefined
}
