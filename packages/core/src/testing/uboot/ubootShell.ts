// The commands of a fake U-Boot, and the part of its language that clients use: several commands in a line, single quotes, and the
// exit code of the last command.

interface Options {
  readonly environment?: Readonly<Record<string, string>> | undefined
  readonly commands?: Readonly<Record<string, (line: string) => Reply>> | undefined
  readonly dhcp?:
    | { readonly address: string; readonly gateway: string; readonly netmask?: string | undefined }
    | undefined
  readonly files?: Readonly<Record<string, number>> | undefined
}

type Reply = string | { readonly output: string; readonly code: number }

interface Outcome {
  readonly output: string
  /** What the board does instead of returning to its prompt. */
  readonly action?: "boot" | "reset" | undefined
}

export interface UbootShell {
  readonly environment: ReadonlyMap<string, string>
  /** Forgets what was set since the start. */
  readonly reset: () => void
  /** Runs a line. With `other`, it runs each command that is not an `echo`. */
  readonly run: (line: string, other?: (command: string) => Reply) => Outcome
}

// Splits at semicolons that are not in quotes.
const split = (line: string): ReadonlyArray<string> =>
  (line.match(/(?:'[^']*'|\\.|[^;'\\])+/g) ?? []).map((command) => command.trim()).filter((command) => command !== "")

const unquote = (text: string): string =>
  text.replaceAll(/'([^']*)'|\\(.)/g, (_, quoted?: string, escaped?: string) => quoted ?? escaped ?? "")

const boots = /^(boot|bootm|booti|bootz|bootefi)\b|^run bootcmd$/

// The system's own shell has a richer language, so a line is one command, up to the `echo` of its exit code.
const echoed = /^(.*); (echo \S*\$\?)$/s

export const make = (options: Options): UbootShell => {
  const environment = new Map<string, string>()
  const reset = () => {
    environment.clear()
    for (const [name, value] of Object.entries(options.environment ?? {})) environment.set(name, value)
  }
  reset()
  let code = 0

  const printenv = (name: string): Reply => {
    const value = environment.get(name)
    return value === undefined
      ? { output: `## Error: "${name}" not defined\r\n`, code: 1 }
      : `${name}=${value}\r\n`
  }
  const setenv = (rest: string): Reply => {
    const [, name = "", value = ""] = /^(\S+)\s*(.*)$/s.exec(rest) ?? []
    if (value === "") environment.delete(name)
    else environment.set(name, unquote(value))
    return ""
  }
  const dhcp = (): Reply => {
    if (options.dhcp === undefined) return { output: "Retry time exceeded; starting again\r\n", code: 1 }
    const { address, gateway, netmask } = options.dhcp
    environment.set("ipaddr", address)
    environment.set("gatewayip", gateway)
    if (netmask !== undefined) environment.set("netmask", netmask)
    return `DHCP client bound to address ${address} (4 ms)\r\n`
  }
  const tftp = (rest: string): Reply => {
    const [address = "", file = ""] = rest.split(/\s+/)
    const size = options.files?.[file]
    if (environment.get("serverip") === undefined) return { output: "*** ERROR: `serverip' not set\r\n", code: 1 }
    return size === undefined
      ? { output: "TFTP error: 'File not found' (1)\r\nNot retrying...\r\n", code: 1 }
      : `Load address: ${address}\r\nLoading: # done\r\nBytes transferred = ${size} (${size.toString(16)} hex)\r\n`
  }
  const known: Readonly<Record<string, (rest: string) => Reply>> = {
    printenv,
    setenv,
    dhcp,
    tftpboot: tftp,
    version: () => "U-Boot 2026.01\r\n"
  }
  const obey = (command: string): Reply => {
    const [, word = "", rest = ""] = /^(\S+)\s*(.*)$/s.exec(command) ?? []
    const own = options.commands?.[word]
    if (own !== undefined) return own(command)
    return known[word]?.(rest) ?? { output: `Unknown command '${word}' - try 'help'\r\n`, code: 1 }
  }

  return {
    environment,
    reset,
    run: (line, other) => {
      const commands = other === undefined ? split(line) : echoed.exec(line)?.slice(1) ?? [line]
      let output = ""
      for (const command of commands) {
        if (command.startsWith("#") || command === "") continue
        if (/^echo\b/.test(command)) {
          output += `${unquote(command.slice(5)).replaceAll("$?", String(code))}\r\n`
          code = 0
          continue
        }
        if (other === undefined && command === "reset") return { output, action: "reset" }
        if (other === undefined && boots.test(command)) return { output, action: "boot" }
        const reply = (other ?? obey)(command)
        output += typeof reply === "string" ? reply : reply.output
        code = typeof reply === "string" ? 0 : reply.code
      }
      return { output }
    }
  }
}
