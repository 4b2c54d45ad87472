// The outcome of every operation under every fault. docs/faults.md shows this table, and the tests in this folder check
// it.

export const operations = [
  "call",
  "streaming call",
  "byte stream",
  "upload",
  "download",
  "log stream",
  "status wait"
] as const

export type Operation = (typeof operations)[number]

const faults = [
  "exporter killed",
  "socket cut",
  "exporter frozen",
  "connection silent",
  "exporter restarted",
  "client interrupted",
  "slow reader",
  "slow writer",
  "controller restarted",
  "router lost",
  "lease ended"
] as const

export type Fault = (typeof faults)[number]

/** What each outcome means to users of the library. */
const outcomes = {
  "lost":
    "fails at once with `ConnectionLost` of origin `transport`. Whether the driver has acted is unknown, and the operation " +
    "is not repeated. The next call connects to the exporter that runs at the address then.",
  "waits":
    "there is no hidden deadline, and the operation continues when the exporter does. `Effect.timeout` ends it in time, and " +
    "scopes close, even while the exporter does not respond. A TCP connection counts as lost after 200 seconds of silence. " +
    "Any connection counts as lost after 20 unanswered status requests, which the client sends if it has a `reconnect` " +
    "schedule, or while the program watches the status.",
  "cancelled":
    "the RPC is cancelled, and both sides release everything. An upload that was cut off fails in the driver.",
  "continues": "over a new connection, with the exporter that runs at the address now.",
  "continues after a gap": "the same, and a `LogGap` says that lines may be missing.",
  "ends": "after ten attempts without a line, which take 13 seconds, with a warning in the program's log.",
  "ends at readyTimeout":
    "the exporter may come back, so the wait continues. After `readyTimeout` it fails with `StatusNotReached`, which gives " +
    "the reason.",
  "ends unanswered":
    "fails with `StatusNotReached` after 20 status requests in a row without an answer within `statusPolling.deadline`, " +
    "which takes 100 seconds.",
  "held back":
    "the writer waits for the reader, for as long as it takes and in bounded memory. When the reader continues, everything " +
    "arrives.",
  "counts what it missed":
    "nothing waits for the reader. Items that do not fit are dropped, and the reader learns how many.",
  "completes": "waits for the writer, for as long as it takes, and then completes as usual.",
  "undisturbed": "the operation does not notice.",
  "ends with the lease":
    "at once: a log stream ends, and a status wait fails with `StatusNotReached`, which says how the lease ended.",
  "-": "does not apply: a call sends one message and receives one."
} as const

export type Outcome = keyof typeof outcomes

type Outcomes<Faults> = { readonly [_ in keyof Faults]: Outcome }

type Row = Outcomes<typeof faults>

const rows: Readonly<Record<Operation, Row>> = {
  "call": ["lost", "lost", "waits", "lost", "lost", "cancelled", "-", "completes", "undisturbed", "lost", "lost"],
  "streaming call": [
    "lost",
    "lost",
    "waits",
    "lost",
    "lost",
    "cancelled",
    "held back",
    "completes",
    "undisturbed",
    "lost",
    "lost"
  ],
  "byte stream": [
    "lost",
    "lost",
    "waits",
    "lost",
    "lost",
    "cancelled",
    "held back",
    "completes",
    "undisturbed",
    "lost",
    "lost"
  ],
  "upload": [
    "lost",
    "lost",
    "waits",
    "lost",
    "lost",
    "cancelled",
    "held back",
    "completes",
    "undisturbed",
    "lost",
    "lost"
  ],
  "download": [
    "lost",
    "lost",
    "waits",
    "lost",
    "lost",
    "cancelled",
    "held back",
    "completes",
    "undisturbed",
    "lost",
    "lost"
  ],
  "log stream": [
    "ends",
    "continues after a gap",
    "waits",
    "continues after a gap",
    "continues after a gap",
    "cancelled",
    "counts what it missed",
    "completes",
    "undisturbed",
    "continues after a gap",
    "ends with the lease"
  ],
  "status wait": [
    "ends at readyTimeout",
    "continues",
    "ends unanswered",
    "continues",
    "continues",
    "cancelled",
    "counts what it missed",
    "completes",
    "undisturbed",
    "continues",
    "ends with the lease"
  ]
}

export const expected = (operation: Operation, fault: Fault): Outcome => rows[operation][faults.indexOf(fault)] ?? "-"

const line = (cells: ReadonlyArray<string>): string => `| ${cells.join(" | ")} |`

/** The table and the outcomes as Markdown. */
export const markdown = [
  line(["", ...faults]),
  line(["", ...faults].map(() => "---")),
  ...operations.map((operation) => line([`**${operation}**`, ...faults.map((fault) => expected(operation, fault))])),
  "",
  ...Object.entries(outcomes).map(([outcome, meaning]) => `- **${outcome}**: ${meaning}`)
].join("\n")
