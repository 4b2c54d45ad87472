// Commands with what their help says: a sentence, and an example to copy.
import * as Command from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Span from "@effect/cli/HelpDoc/Span"
import * as Usage from "@effect/cli/Usage"

/** A command as the arrangement of words sees it. */
export interface Named {
  readonly name: string
  readonly summary: string
  /** The commands below this one. */
  readonly below: ReadonlyArray<Named>
  /** The names of its options, with their dashes. */
  readonly options: () => ReadonlySet<string>
}

export interface Described<C> extends Named {
  readonly command: C
}

// The parser tells the options of a command only in its usage.
const optionsOf = <Name extends string, R, E, A>(command: Command.Command<Name, R, E, A>): ReadonlySet<string> =>
  new Set(HelpDoc.toAnsiText(Usage.getHelp(Command.getUsage(command))).match(/(?<![\w-])--?[a-z][\w-]*/g))

export const describe = <Name extends string, R, E, A>(
  command: Command.Command<Name, R, E, A>,
  name: Name,
  text: { readonly summary: string; readonly details?: string; readonly example: string },
  below: ReadonlyArray<Named> = []
): Described<Command.Command<Name, R, E, A>> => ({
  name,
  summary: text.summary,
  below,
  options: () => optionsOf(command),
  command: Command.withDescription(
    command,
    HelpDoc.blocks([
      HelpDoc.p(text.summary),
      ...text.details === undefined ? [] : [HelpDoc.p(text.details)],
      HelpDoc.p(Span.concat(Span.text("Example: "), Span.code(`effect-jumpstarter ${text.example}`)))
    ])
  )
})
