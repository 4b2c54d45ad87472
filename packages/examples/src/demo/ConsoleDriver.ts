/** The board's serial console: a little of U-Boot and of Linux, as the embedded exporter hosts it. */
import { Driver } from "@effect-jumpstarter/core"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Board } from "./Board.ts"

type State = "off" | "u-boot" | "login" | "shell"

type Event = Data.TaggedEnum<{
  readonly Power: { readonly on: boolean }
  readonly Line: { readonly text: string }
}>
const Event = Data.taggedEnum<Event>()

const uBoot: Readonly<Record<string, string>> = {
  version: "U-Boot 2025.04 (demo_board)\r\n",
  "printenv bootargs": "bootargs=console=ttyS0,115200 root=/dev/mmcblk0p2\r\n"
}

const linux: Readonly<Record<string, string>> = {
  "uname -srm": "Linux 6.12.0-demo aarch64\r\n",
  uptime: " 00:00:03 up 0 min,  load average: 0.42, 0.10, 0.03\r\n"
}

const banner = [
  "U-Boot SPL 2025.04 (demo_board)\r\n",
  "DRAM:  2 GiB\r\n",
  "MMC:   mmc@0: eMMC 8 GiB\r\n",
  "autoboot is off\r\n",
  "=> "
]

const boot = [
  "Starting kernel ...\r\n",
  "[    0.000000] Booting Linux on physical CPU 0x0\r\n",
  "[    0.214871] mmc0: new HS400 MMC card\r\n",
  "[    0.563402] EXT4-fs (mmcblk0p2): mounted filesystem\r\n",
  "\r\ndemo-board login: "
]

// What the board says to a line, and how it goes on. It echoes what it is sent, as terminals do.
const answer = (state: State, line: string): readonly [State, ReadonlyArray<string>] => {
  const echo = `${line}\r\n`
  switch (state) {
    case "off":
      return [state, []]
    case "u-boot":
      return line === "boot"
        ? ["login", [echo, ...boot]]
        : [state, [echo + (uBoot[line] ?? (line === "" ? "" : `Unknown command '${line}'\r\n`)), "=> "]]
    case "login":
      return line === "root" ? ["shell", [echo, "# "]] : [state, [echo, "demo-board login: "]]
    case "shell":
      return [state, [echo + (linux[line] ?? (line === "" ? "" : `sh: ${line}: not found\r\n`)), "# "]]
  }
}

const step = (state: State, event: Event): readonly [State, ReadonlyArray<string>] =>
  event._tag === "Line" ? answer(state, event.text) : event.on ? ["u-boot", banner] : ["off", []]

export const make = (board: Board): Driver.Driver =>
  Driver.make({
    client: "jumpstarter_driver_pyserial.client.PySerialClient",
    driverType: "serial",
    description: "Serial console, 115200 baud",
    methods: {
      connect: Driver.streamTransform((input) =>
        Stream.merge(
          Stream.map(board.powered, (on) => Event.Power({ on })),
          input.pipe(Stream.decodeText(), Stream.splitLines, Stream.map((text) => Event.Line({ text }))),
          { haltStrategy: "right" }
        ).pipe(
          Stream.mapAccum<State, Event, ReadonlyArray<string>>("off", step),
          Stream.flatMap(Stream.fromIterable),
          // A serial line is slow.
          Stream.tap((text) => Effect.sleep(5 + text.length / 2)),
          Stream.encodeText
        )
      )
    }
  })
