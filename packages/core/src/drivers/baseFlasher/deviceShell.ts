// The commands with which a small system on the device fetches an image and writes it.
import * as Encoding from "effect/Encoding"
import { quote } from "../console/commandLine.ts"

/** What to write, and where to. */
export interface Job {
  readonly url: string
  /** The name of the image, whose ending says how it is compressed. */
  readonly name: string
  /** The device file to write. */
  readonly target: string
  readonly certificate: boolean
  readonly insecureTls: boolean
  readonly headers: Readonly<Record<string, string>>
}

export const certificateFile = "/tmp/cacert.crt"

// The exit code of the pipeline that writes, and what it printed.
const codeFile = "/tmp/flash.code"
const outputFile = "/tmp/flash.log"

const writer = "dd"

const httpOptions = ({ certificate, headers, insecureTls }: Job): ReadonlyArray<string> => [
  ...insecureTls ? ["-k"] : [],
  ...certificate ? ["--cacert", certificateFile] : [],
  ...Object.entries(headers).flatMap(([name, value]) => ["-H", quote(`${name}: ${value}`)])
]

const decompressor = (name: string): ReadonlyArray<string> => {
  const path = name.replace(/[?#].*$/, "").toLowerCase()
  if (/\.gz(ip)?$/.test(path)) return ["zcat"]
  if (path.endsWith(".xz")) return ["xzcat"]
  return path.endsWith(".zst") ? ["zstdcat"] : []
}

export const download = (url: string, file: string): string => `curl -fsSL ${quote(url)} -o ${file}`

/** Begins to fetch and write the image in the background. */
export const start = (job: Job): string => {
  const pipeline = [
    ["curl -fsSL", ...httpOptions(job), quote(job.url)].join(" "),
    ...decompressor(job.name),
    [writer, `of=${quote(job.target)}`, "bs=64k", "iflag=fullblock", "oflag=direct"].join(" ")
  ].join(" | ")
  const steps = ["set -o pipefail", pipeline, `echo $? > ${codeFile}`].join("; ")
  return [`rm -f ${codeFile};`, `(${steps})`, `> ${outputFile} 2>&1 &`, "true"].join(" ")
}

/** Prints the exit code once there is one, and the number of bytes written so far. */
export const poll = [`cat ${codeFile} 2>/dev/null`, `cat /proc/$(pidof ${writer})/fdinfo/1 2>/dev/null`, "true"].join(
  "; "
)

export interface State {
  readonly code?: number | undefined
  readonly bytes?: number | undefined
}

export const readState = (lines: ReadonlyArray<string>): State => {
  const code = lines.find((line) => /^\d+$/.test(line.trim()))
  const position = lines.map((line) => /^pos:\s*(\d+)/.exec(line)?.[1]).find((text) => text !== undefined)
  return {
    code: code === undefined ? undefined : Number(code),
    bytes: position === undefined ? undefined : Number(position)
  }
}

/** Prints what the pipeline printed. */
export const output = `cat ${outputFile}`

// Sets the variables with which fls logs in to a registry.
const credentialsFile = "/tmp/flash.credentials"

// What a serial console takes as one line.
const chunk = /.{1,512}/g

/** Stops the echo of the console, and starts it again. */
export const echo = { off: ["stty", "-echo"].join(" "), on: ["stty", "echo"].join(" ") }

/** Writes credentials to a file of the device. These commands are as secret as the password. */
export const storeCredentials = (username: string, password: string): ReadonlyArray<string> => {
  const variables = { FLS_REGISTRY_USERNAME: username, FLS_REGISTRY_PASSWORD: password }
  const content = Object.entries(variables).map(([name, value]) => `${name}=${quote(value)}\n`).join("")
  const encoded = `${credentialsFile}.base64`
  return [
    `(umask 077; : > ${encoded}; : > ${credentialsFile})`,
    ...(Encoding.encodeBase64(content).match(chunk) ?? []).map((part) => `printf %s ${part} >> ${encoded}`),
    `base64 -d ${encoded} > ${credentialsFile} && rm -f ${encoded}`
  ]
}

/** Fetches and writes the image with fls, which shows its progress. */
export const fls = (job: Job): string =>
  ["fls", "from-url", "-i", "1.0", "-n", ...httpOptions(job), "--o-direct", quote(job.url), quote(job.target)].join(" ")

/** Runs a command once with the credentials. */
export const authenticated = (command: string): string =>
  `(set -a; . ${credentialsFile}; rm -f ${credentialsFile}; exec ${command})`

// Block devices are found by the address of their controller, because their numbers change.
const byAddress = /^\/sys\/class\/block#(.+)$/

/** The command that finds the device file of a target of the manifest, or the device file itself. */
export const lookup = (target: string): { readonly file: string } | { readonly command: string } => {
  const address = byAddress.exec(target)?.[1]
  return address === undefined
    ? { file: target }
    : { command: `ls -l /sys/class/block/ | grep ${quote(address)} | head -n 1` }
}

export const fileOfPartition = (label: string): string => `/dev/disk/by-partlabel/${label}`

/** Fails unless there is such a device. Without one, dd would make an ordinary file, and succeed. */
export const isDevice = (file: string): string => `test -b ${quote(file)}`

export const foundDevice = (lines: ReadonlyArray<string>): string | undefined => {
  const name = /\s(\w+)\s->/.exec(lines.join("\n"))?.[1]
  return name === undefined ? undefined : `/dev/${name}`
}
