// One value for each rule of the value encoding, as it travels (protocol.md 3.1); `values` in interop/probe.py.
import type { JsonValue } from "../../src/protocol/ProtobufValue.ts"
import { record } from "./arbitraries.ts"

/** The values that every peer sends unchanged. */
export const portable: Readonly<Record<string, JsonValue>> = {
  none: null,
  true: true,
  false: false,
  zero: 0,
  int: 42,
  negative: -7,
  float: 1.5,
  minus_zero: -0,
  min_float: 5e-324,
  nan: null,
  inf: null,
  minus_inf: null,
  empty_string: "",
  unicode: "é ü 漢字 \u{1f600} \u0000 \u2028",
  bytes: "é",
  bytearray: "abc",
  empty_list: [],
  empty_dict: {},
  nested_empty: [[], {}, [[]], { a: {}, b: [] }],
  nested_none: [null, [null], { a: null }],
  mixed: [1, "two", null, true, { k: [1.5] }],
  special_keys: record<JsonValue>([["__proto__", "p"], ["constructor", "c"], ["toString", 1], ["", "empty"]]),
  odd_keys: { "2": "int", true: "bool", None: "none", "2.5": "float" },
  uuid: "12345678-1234-5678-1234-567812345678",
  datetime_utc: "2024-01-02T03:04:05Z",
  datetime_naive: "2024-01-02T03:04:05.678000",
  date: "2024-01-02",
  time: "03:04:05",
  timedelta: "PT1H2.5S",
  decimal: "1.50",
  path: "/a/b",
  ip: "10.0.0.1",
  regex: "a+",
  complex: "1+2j",
  enum_string: "red",
  enum_number: 2,
  tuple: [1, "a"],
  set: [7],
  frozenset: ["x"],
  generator: [0, 1, 2],
  dataclass: { x: 1, y: 2.5 },
  model: { voltage: 5, label: null }
}

/** Integers beyond 2^53 - 1, which Python rounds and sends, and this host refuses to send. */
export const rounded: Readonly<Record<string, JsonValue>> = {
  two_53: 2 ** 53,
  two_53_plus_1: 2 ** 53,
  max_float: Number.MAX_VALUE,
  big_int: 1e30
}
