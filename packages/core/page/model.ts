// What the lines of a record say, in the order in which the page shows it.
import type { Begin, Bytes, Event, Failure, Header } from "../src/testing/record/format.ts"

type Of<Name extends Event["event"]> = Extract<Event, { readonly event: Name }>

interface Piece {
  readonly at: number
  readonly from: "device" | "program"
  readonly bytes: Uint8Array
}

interface Progress {
  readonly at: number
  readonly sent: number
  readonly received: number
  readonly total?: number | undefined
}

export interface Call {
  readonly id: number
  readonly kind: Begin["kind"]
  readonly name: string
  readonly lane: string
  readonly at: number
  readonly begin: Partial<Begin>
  end: number | undefined
  outcome: "done" | "failed" | "interrupted" | "open"
  result: unknown
  failure: Failure | undefined
  readonly items: Array<{ readonly at: number; readonly value: unknown }>
  readonly pieces: Array<Piece>
  readonly progress: Array<Progress>
}

export interface ConsoleLine {
  readonly at: number
  readonly from: "device" | "program"
  readonly text: string
}

export interface Console {
  readonly name: string
  readonly lines: ReadonlyArray<ConsoleLine>
  readonly pieces: ReadonlyArray<Piece>
}

export interface Chart {
  readonly name: string
  readonly fields: ReadonlyArray<string>
  readonly times: ReadonlyArray<number>
  readonly values: ReadonlyArray<ReadonlyArray<number | null>>
}

export interface LogLine {
  readonly at: number
  readonly source: "exporter" | "program"
  readonly level: "debug" | "info" | "warning" | "error"
  readonly origin: string
  readonly text: string
  readonly details: ReadonlyArray<readonly [string, unknown]>
}

export interface Model {
  readonly header: Header
  readonly end: number
  readonly calls: ReadonlyArray<Call>
  readonly consoles: ReadonlyArray<Console>
  readonly charts: ReadonlyArray<Chart>
  readonly log: ReadonlyArray<LogLine>
  readonly connections: ReadonlyArray<Of<"connection">>
  readonly exporters: ReadonlyArray<string>
  readonly cuts: ReadonlyArray<Of<"cut">>
  // The call that the run failed at, as far as the record shows it.
  readonly failing: Call | undefined
}

const nameOf = ({ driver, kind, method, name }: Partial<Begin>): string =>
  kind === "step" || kind === "lease"
    ? name ?? ""
    : kind === "resource"
    ? `${driver === "" ? "(root)" : driver ?? "?"}`
    : `${driver === "" ? "(root)" : driver ?? "?"}.${method ?? "?"}`

const laneOf = ({ driver, kind }: Partial<Begin>): string =>
  kind === "step" ? "steps" : kind === "lease" ? "lease" : driver === "" ? "(root)" : driver ?? "?"

const toBytes = (data: Bytes): Uint8Array =>
  "text" in data
    ? new TextEncoder().encode(data.text)
    : Uint8Array.from(atob(data.base64), (character) => character.charCodeAt(0))

const levels: Record<string, LogLine["level"]> = {
  TRACE: "debug",
  DEBUG: "debug",
  INFO: "info",
  WARN: "warning",
  WARNING: "warning",
  ERROR: "error",
  CRITICAL: "error",
  FATAL: "error"
}

const details = (...groups: ReadonlyArray<unknown>): ReadonlyArray<readonly [string, unknown]> =>
  groups.flatMap((group) => typeof group === "object" && group !== null ? Object.entries(group) : [])

const exporterLine = (event: Of<"log">): LogLine => ({
  at: event.at,
  source: "exporter",
  level: levels[event.severity] ?? "info",
  origin: event.driverType?.replace(/^.*\./, "") ?? event.source.toLowerCase().replaceAll("_", " "),
  text: event.message,
  details: details(
    event.operation === undefined ? {} : { operation: event.operation },
    event.timestamp === undefined ? {} : { "exporter's time": event.timestamp },
    event.backlog === true ? { backlog: true } : {},
    event.fields
  )
})

const programLine = (event: Of<"message">): LogLine => ({
  at: event.at,
  source: "program",
  level: levels[event.level] ?? "info",
  origin: "program",
  text: event.text,
  details: details(event.annotations)
})

// The text of both sides, line by line. The time of a line is that of its first character.
const linesOf = (pieces: ReadonlyArray<Piece>): ReadonlyArray<ConsoleLine> => {
  const lines: Array<ConsoleLine> = []
  const decoders = { device: new TextDecoder(), program: new TextDecoder() }
  const rest = { device: "", program: "" }
  const since = { device: 0, program: 0 }
  const flush = (from: Piece["from"]): void => {
    if (rest[from] !== "") lines.push({ at: since[from], from, text: rest[from] })
    rest[from] = ""
  }
  for (const { at, bytes, from } of pieces) {
    flush(from === "device" ? "program" : "device")
    if (rest[from] === "") since[from] = at
    const parts = (rest[from] + decoders[from].decode(bytes, { stream: true })).split(/\r*\n|\r(?=[^\r\n])/)
    rest[from] = parts.pop() ?? ""
    for (const text of parts) {
      lines.push({ at: since[from], from, text })
      since[from] = at
    }
    // What a program sends at a prompt is a line of its own.
    if (from === "program") {
      rest.program = rest.program.replace(/\r+$/, "")
      flush("program")
    }
  }
  flush("device")
  return lines
}

const numbersOf = (value: unknown): ReadonlyArray<readonly [string, number]> =>
  typeof value === "number"
    ? [["value", value]]
    : typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.entries(value).filter((entry): entry is [string, number] => typeof entry[1] === "number")
    : []

const chartsOf = (calls: ReadonlyArray<Call>): ReadonlyArray<Chart> => {
  const groups = new Map<string, Array<{ readonly at: number; readonly numbers: ReadonlyMap<string, number> }>>()
  for (const call of calls) {
    const readings = call.kind === "streamingCall"
      ? call.items
      : call.kind === "call" && call.outcome === "done" && call.end !== undefined
      ? [{ at: call.end, value: call.result }]
      : []
    for (const { at, value } of readings) {
      const numbers = numbersOf(value)
      if (numbers.length === 0) continue
      const group = groups.get(call.name) ?? []
      groups.set(call.name, group)
      group.push({ at, numbers: new Map(numbers) })
    }
  }
  return Array.from(groups, ([name, readings]) => {
    readings.sort((one, other) => one.at - other.at)
    const fields = Array.from(new Set(readings.flatMap(({ numbers }) => Array.from(numbers.keys()))))
    return {
      name,
      fields,
      times: readings.map(({ at }) => at),
      values: fields.map((field) => readings.map(({ numbers }) => numbers.get(field) ?? null))
    }
  }).filter(({ times }) => times.length > 1)
}

const failingOf = (header: Header, calls: ReadonlyArray<Call>): Call | undefined => {
  if (header.outcome === "passed") return undefined
  const ofDrivers = calls.filter(({ kind }) => kind !== "step" && kind !== "lease")
  const failed = ofDrivers.filter(({ outcome }) => outcome === "failed")
  const named = failed.filter(({ failure }) =>
    failure !== undefined && header.errors.some(({ message }) => message.includes(failure.message))
  )
  const steps = calls.filter(({ failure, kind }) =>
    kind === "step" && failure !== undefined && header.errors.some(({ message }) => message.includes(failure.message))
  )
  const underWay = ofDrivers.filter(({ kind, outcome }) =>
    kind !== "stream" && (outcome === "interrupted" || outcome === "open")
  )
  if (header.outcome === "unfinished") return underWay.at(-1) ?? failed.at(-1)
  // Of nested steps, the innermost has begun last.
  return named.at(-1) ?? steps.at(-1) ?? failed.at(-1) ?? underWay.at(-1)
}

export const parse = (text: string): Model => {
  const [first = "{}", ...rest] = text.split("\n")
  const header: Header = JSON.parse(first)
  const calls = new Map<number, Call>()
  const connections: Array<Of<"connection">> = []
  const cuts: Array<Of<"cut">> = []
  const log: Array<LogLine> = []
  let end = header.millis

  const call = (id: number, at: number): Call => {
    const known = calls.get(id)
    if (known !== undefined) return known
    // Its beginning was cut out.
    const unknown = made({ id }, at)
    calls.set(id, unknown)
    return unknown
  }
  const made = (begin: Partial<Begin> & { readonly id: number }, at: number): Call => ({
    id: begin.id,
    kind: begin.kind ?? "call",
    name: nameOf(begin),
    lane: laneOf(begin),
    at,
    begin,
    end: undefined,
    outcome: "open",
    result: undefined,
    failure: undefined,
    items: [],
    pieces: [],
    progress: []
  })

  const read = (event: Event): void => {
    end = Math.max(end, event.at)
    switch (event.event) {
      case "begin":
        calls.set(event.id, made(event, event.at))
        return
      case "item":
        call(event.id, event.at).items.push(event)
        return
      case "sent":
      case "received": {
        const from = event.event === "sent" ? "program" : "device"
        call(event.id, event.at).pieces.push({ at: event.at, from, bytes: toBytes(event.data) })
        return
      }
      case "progress":
        call(event.id, event.at).progress.push(event)
        return
      case "end":
        Object.assign(call(event.id, event.at), {
          end: event.at,
          outcome: event.outcome,
          result: event.result,
          failure: event.failure
        })
        return
      case "connection":
        connections.push(event)
        return
      case "log":
        log.push(exporterLine(event))
        return
      case "gap":
        log.push({
          at: event.at,
          source: "exporter",
          level: "warning",
          origin: "log",
          text: `${event.dropped ?? ""} log lines may be missing (${event.reason})`.trim(),
          details: []
        })
        return
      case "message":
        log.push(programLine(event))
        return
      case "cut":
        cuts.push(event)
    }
  }
  for (const line of rest) if (line !== "") read(JSON.parse(line))

  const all = Array.from(calls.values())
  for (const one of all) {
    // The program closed its connection, and the stream with it.
    const closed = connections.find(({ exporter, state }) => state === "Closed" && exporter === one.begin.exporter)
    if (one.failure?.tag === "ConnectionLost" && closed !== undefined && closed.at <= (one.end ?? end)) {
      one.outcome = "interrupted"
    }
  }
  const consoles = new Map<string, Array<Piece>>()
  for (const { kind, name, pieces } of all) {
    if (kind !== "stream" || pieces.length === 0) continue
    const group = consoles.get(name) ?? []
    consoles.set(name, group)
    for (const piece of pieces) group.push(piece)
  }
  return {
    header,
    end: Math.max(end, 1),
    calls: all,
    consoles: Array.from(consoles, ([name, pieces]) => {
      pieces.sort((one, other) => one.at - other.at)
      return { name, pieces, lines: linesOf(pieces) }
    }),
    charts: chartsOf(all),
    log,
    connections,
    exporters: Array.from(new Set(connections.map(({ exporter }) => exporter))),
    cuts,
    failing: failingOf(header, all)
  }
}
