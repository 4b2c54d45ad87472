import { assert, describe, it } from "@effect/vitest"
import { guardedHost } from "../../../src/host/presigned/guardedNetwork.ts"

const cases = {
  "loopback": [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "0.1.2.3",
    "::1",
    "::",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:0:127.0.0.1",
    "::127.0.0.1",
    "0:0:0:0:0:ffff:0.0.0.0",
    "64:ff9b::127.0.0.1",
    "64:ff9b:1::7f00:1",
    "64:ff9b:1:7f00:0:100::",
    "2002:7f00:1::",
    "2002:7f00:0001:1234::5",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "fd12::5efe:7f00:1",
    "localhost",
    "LOCALHOST.",
    "bench.localhost"
  ],
  "link-local": ["169.254.0.1", "::ffff:169.254.1.2", "fe80::1", "fe80::1%eth0", "febf::1", "64:ff9b::169.254.3.4"],
  "metadata": [
    "169.254.169.254",
    "169.254.170.2",
    "169.254.170.23",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd00:ec2:0:0::254",
    "fd20:ce::254",
    "fd00:42::42",
    "fe80::a9fe:a9fe",
    "fe80::a9fe:a9fe%eth0",
    "::ffff:a9fe:a9fe",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::",
    "::ffff:100.100.100.200"
  ],
  "nothing": [
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.5",
    "100.64.0.1",
    "8.8.8.8",
    "169.253.1.1",
    "fd12:3456::1",
    "2001:db8::1",
    "2001:db8:0:1::7f00:1",
    "::ffff:192.168.1.5",
    "64:ff9b::10.0.0.1",
    "2002:c0a8:101::1",
    "localhost.example",
    "notlocalhost",
    "bench.lab"
  ]
}

describe("a guarded network", () => {
  for (const [network, hosts] of Object.entries(cases)) {
    for (const host of hosts) {
      it(`${network} has ${host}`, () => assert.strictEqual(guardedHost(host) ?? "nothing", network))
    }
  }

  it("includes the addresses that a URL writes in other notations", () => {
    for (
      const host of ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "127.0.0.1.", "%31%32%37.0.0.1", "①②⑦.0.0.1"]
    ) {
      assert.strictEqual(guardedHost(new URL(`http://${host}/`).hostname), "loopback", host)
    }
    assert.strictEqual(guardedHost(new URL("http://0xa9fea9fe/").hostname), "metadata")
    assert.strictEqual(guardedHost(new URL("http://[0:0::ffff:169.254.169.254]/").hostname), "metadata")
  })
})
