// The parser's completions for shells, without its mistakes.
import { isAlone } from "./commandLine.ts"
import { isFlag } from "./options.ts"

const repairedBash = (script: string, underscored: string): string =>
  script
    // The state below two commands is joined as the states are: a__b,c for a b c.
    .replaceAll(
      new RegExp(`^( +)(${underscored}(?:,\\w+)+),(\\w+)\\)$`, "gm"),
      (_, indent: string, parents: string, command: string) => `${indent}${parents.replaceAll(",", "__")},${command})`
    )
    .replaceAll(/(compgen -W ")([^"$ ]+,[^"$ ]+)"/g, (_, begin: string, values: string) =>
      `${begin}${values.replaceAll(",", " ")}"`)
    // The Bash of macOS does not know it.
    .replace(" -o nosort", "")

const repairedZsh = (script: string): string =>
  script
    // An option with a value has one, which can be a file, and some options can be repeated.
    .replaceAll(/^( +)'\*?(--?[\w-]+)(\[.*\])' \\$/gm, (line, indent: string, option: string, text: string) => {
      if (isFlag(option) || isAlone(option)) return line
      const repeats = text.includes("several times") ? "*" : ""
      return `${indent}'${repeats}${option}${text}:value:_files' \\`
    })
    // So can an argument.
    .replaceAll(/^( +)(&& ret=0\n +;;)$/gm, "$1'*:argument:_files' \\\n$1$2")

const repairedFish = (script: string): string => script.replaceAll(" -r -f -d ", " -r -F -d ")

/** Corrects a script. The parser spells a name with a hyphen in two ways, so that only the first word would be completed. */
export const repaired = (name: string, script: string): string => {
  const underscored = name.replaceAll("-", "__")
  const spelled = script
    // Bash: the name of the program as a state, and as its case.
    .replaceAll(`cmd="${name}"`, `cmd="${underscored}"`)
    .replaceAll(new RegExp(`^( {8})${name}\\)$`, "gm"), `$1${underscored})`)
    // Zsh: the functions of the commands below another one.
    .replaceAll(`_${name}__`, `_${underscored}__`)
    // There is no wizard: it would ask for every option.
    .replaceAll(/^.*(?:'--wizard\[| -l wizard ).*\n/gm, "")
    .replaceAll(/ --wizard(?= )/g, "")
  return script.startsWith("#compdef")
    ? repairedZsh(spelled)
    : script.startsWith("function")
    ? repairedBash(spelled, underscored)
    : repairedFish(spelled)
}
