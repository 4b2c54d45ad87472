/** The simulated board of the embedded exporter, made of the fakes for tests. */
import { Driver, DriverFailure } from "@effect-jumpstarter/core"
import { FlasherTest, PowerTest, SerialTest } from "@effect-jumpstarter/core/testing"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** The time between two measurements of the supply. */
export const intervalMillis = 50

// An inrush current, a busy start, then a nearly idle board with some ripple.
const load: PowerTest.Load = (sinceOn) => {
  const seconds = Duration.toSeconds(sinceOn)
  return 0.35 + 2.3 * Math.exp(-seconds / 0.12) + 0.9 * Math.exp(-(((seconds - 0.9) / 0.35) ** 2)) +
    0.05 * Math.sin(seconds * 23)
}

const banner = [
  "U-Boot SPL 2025.04 (demo_board)",
  "DRAM:  2 GiB",
  "MMC:   mmc@0: eMMC 8 GiB",
  "autoboot is off",
  "=> "
].join("\r\n")

const kernel = [
  "Starting kernel ...",
  "[    0.000000] Booting Linux on physical CPU 0x0",
  "[    0.214871] mmc0: new HS400 MMC card",
  "[    0.563402] EXT4-fs (mmcblk0p2): mounted filesystem",
  "",
  "demo-board login: "
].join("\r\n")

// A little of U-Boot and of Linux.
const script: ReadonlyArray<SerialTest.Step> = [
  { expect: "version", reply: "U-Boot 2025.04 (demo_board)\r\n=> " },
  { expect: "printenv bootargs", reply: "bootargs=console=ttyS0,115200 root=/dev/mmcblk0p2\r\n=> " },
  { expect: "boot", reply: kernel },
  { expect: "root", reply: "# " },
  { expect: "uname -srm", reply: "Linux 6.12.0-demo aarch64\r\n# " }
]

// Drivers are plain values, so another property adds a method.
const limit = Driver.call(([amperes]) =>
  typeof amperes === "number" && amperes > 0 && amperes <= 5
    ? Effect.log(`current limit ${amperes.toFixed(1)} A`)
    : DriverFailure.make(
      "InvalidArgument",
      `the limit must be above 0 A and at most 5 A, not ${JSON.stringify(amperes)}`
    )
)

/** Makes the drivers: a power supply, a console that sends text at power-on, and a storage as slow as flash memory. */
export const make = Effect.gen(function*() {
  const serial = yield* SerialTest.make({ script, echo: true })
  const supply = yield* PowerTest.make({
    load,
    interval: Duration.millis(intervalMillis),
    onSwitch: (on) =>
      Effect.zipRight(Effect.log(on ? "output on, 12.0 V" : "output off"), on ? serial.say(banner) : Effect.void)
  })
  const flasher = yield* FlasherTest.make({
    targets: ["rootfs", "data"],
    defaultTarget: "rootfs",
    bytesPerSecond: 20_000_000
  })
  return {
    power: { ...supply.driver, description: "Bench supply, 12 V", methods: { ...supply.driver.methods, limit } },
    console: { ...serial.driver, description: "Serial console, 115200 baud" },
    storage: { ...flasher.driver, description: "eMMC with partitions rootfs and data" }
  }
})
