// The parser's completions for shells. It spells a name with a hyphen in two ways, so that only the first word would be completed.

/** Spells the name of the program in one way. */
export const repaired = (name: string, script: string): string => {
  const underscored = name.replaceAll("-", "__")
  return script
    // Bash: the name of the program as a state, and as its case.
    .replaceAll(`cmd="${name}"`, `cmd="${underscored}"`)
    .replaceAll(new RegExp(`^( {8})${name}\\)$`, "gm"), `$1${underscored})`)
    // Zsh: the functions of the commands below another one.
    .replaceAll(`_${name}__`, `_${underscored}__`)
}
