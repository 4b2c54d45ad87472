// The lines of a record that is in a file.
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as format from "./format.ts"

export interface Problem {
  readonly line: number
  readonly details: string
}

const decodeHeader = Schema.decodeEither(Schema.parseJson(format.Header))
const decodeEvent = Schema.decodeEither(Schema.parseJson(format.Event))

const problemAt = (line: number, what: string) => (error: ParseResult.ParseError): Problem => ({
  line,
  details: `${what}: ${ParseResult.ArrayFormatter.formatErrorSync(error)[0]?.message ?? error.message}`
})

export const read = (text: string): Either.Either<ReadonlyArray<string>, Problem> =>
  Either.gen(function*() {
    const lines = text.split("\n")
    // The last line of a process that was killed may be incomplete.
    if (Either.isLeft(decodeEvent(lines.at(-1) ?? ""))) lines.pop()
    const [header = "", ...events] = lines
    yield* Either.mapLeft(decodeHeader(header), problemAt(1, "this is not the first line of a record"))
    for (const [index, line] of events.entries()) {
      yield* Either.mapLeft(decodeEvent(line), problemAt(index + 2, "this is not an event of a record"))
    }
    return lines
  })
