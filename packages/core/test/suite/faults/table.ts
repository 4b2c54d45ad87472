// What becomes of every operation under every fault. docs/faults.md shows this table, and the tests beside it see that
// it is true.

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
  "slow writer"
] as const

export type Fault = (typeof faults)[number]

/** What they mean to those who use the library. */
const outcomes = {
  "lost":
    "fails at once as `ConnectionLost` of origin `transport`. Whether the driver has acted is unknown, and the operation " +
    "is not repeated. The next call goes to the exporter that is there then.",
  "waits":
    "there is no hidden deadline, and it goes on when the exporter does. `Effect.timeout` ends it in time, and scopes close, " +
    "although the exporter does not answer. A TCP connection counts as lost after 200 seconds of silence. Any connection does " +
    "after 20 unanswered questions for the status, which are asked with a `reconnect` schedule and while somebody watches.",
  "cancelled":
    "the RPC is cancelled, and everything is released on both sides. An upload that was cut off fails in the driver.",
  "goes on": "with the exporter that is there now, over a new connection.",
  "goes on after a gap": "the same, and a `LogGap` says that lines may be missing.",
  "ends": "after ten attempts without a line, which take 13 seconds, with a warning in the log of this side.",
  "ends at readyTimeout":
    "exporters come back, so it waits for this one; then it fails as `StatusNotReached`, and says what was wrong.",
  "ends unanswered":
    "fails as `StatusNotReached` when 20 questions in a row were not answered within `statusPolling.deadline`, which takes " +
    "100 seconds.",
  "held back":
    "the writer waits for the reader, for as long as it takes and in bounded memory. When the reader reads on, everything " +
    "arrives.",
  "told what it missed":
    "nothing waits for the reader. What does not fit is dropped, and the reader learns how much that was.",
  "completes": "waits for the writer, for as long as it takes, and then completes as usual.",
  "-": "does not apply: a call sends one message and receives one."
} as const

export type Outcome = keyof typeof outcomes

type Row = readonly [Outcome, Outcome, Outcome, Outcome, Outcome, Outcome, Outcome, Outcome]

const rows: Readonly<Record<Operation, Row>> = {
  "call": ["lost", "lost", "waits", "lost", "lost", "cancelled", "-", "completes"],
  "streaming call": ["lost", "lost", "waits", "lost", "lost", "cancelled", "held back", "completes"],
  "byte stream": ["lost", "lost", "waits", "lost", "lost", "cancelled", "held back", "completes"],
  "upload": ["lost", "lost", "waits", "lost", "lost", "cancelled", "held back", "completes"],
  "download": ["lost", "lost", "waits", "lost", "lost", "cancelled", "held back", "completes"],
  "log stream": [
    "ends",
    "goes on after a gap",
    "waits",
    "goes on after a gap",
    "goes on after a gap",
    "cancelled",
    "told what it missed",
    "completes"
  ],
  "status wait": [
    "ends at readyTimeout",
    "goes on",
    "ends unanswered",
    "goes on",
    "goes on",
    "cancelled",
    "told what it missed",
    "completes"
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
