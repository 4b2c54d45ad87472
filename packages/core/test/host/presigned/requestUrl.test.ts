import { assert, describe, it } from "@effect/vitest"
import { Either } from "effect"
import * as requestUrl from "../../../src/host/presigned/requestUrl.ts"

const parsed = (text: string) => Either.getOrThrow(requestUrl.parse(text))

describe("the URL of a request", () => {
  for (
    const target of [
      "/",
      "/a'b?c='d'",
      "/a/%2E%2E/b/%2e/c",
      "/a/../b/./c//d",
      "/a\\b?c\\d",
      "/a|b^c`d{e}\"f<g>?\"<>|^`{}",
      "/%41%7E?a=%2f&b=%2F&&c&=+",
      "/?",
      "/a;b=1,2:@!$&()*"
    ]
  ) {
    it(`is sent as it was written: ${target}`, () => {
      const { path, query } = parsed(`http://bench.lab${target}`)
      assert.strictEqual(`${path}${query}`, target)
      assert.strictEqual(requestUrl.format(parsed(`http://bench.lab${target}`)), `http://bench.lab${target}`)
    })
  }

  it("has a path, and is encoded in ASCII", () => {
    assert.strictEqual(requestUrl.format(parsed("http://bench.lab")), "http://bench.lab/")
    assert.strictEqual(requestUrl.format(parsed("http://bench.lab?a")), "http://bench.lab/?a")
    assert.strictEqual(requestUrl.format(parsed("http://bench.lab/ü b?é")), "http://bench.lab/%C3%BC%20b?%C3%A9")
    assert.strictEqual(requestUrl.format(parsed("https://BÜCHER.lab:443/a#b?c")), "https://xn--bcher-kva.lab/a")
  })

  it("has a user that errors do not show", () => {
    const url = parsed("https://me:p%40s:s@x@bench.lab:8443/a?sig=secret#f")
    assert.strictEqual(url.authorization, `Basic ${btoa("me:p@s:s@x")}`)
    assert.strictEqual(requestUrl.format(url), "https://bench.lab:8443/a?sig=secret")
    assert.strictEqual(requestUrl.redacted(url), "https://bench.lab:8443/a?[REDACTED]")
    assert.isUndefined(parsed("http://@bench.lab/").authorization)
  })

  for (
    const [text, problem] of [
      ["http://", "is not an http or https URL"],
      ["http:///bench.lab/", "is not an http or https URL"],
      ["http:bench.lab/", "is not an http or https URL"],
      ["http:\\\\bench.lab/", "is not an http or https URL"],
      ["http://bench.lab\\@evil.example/", "is not an http or https URL"],
      ["http://me@/", "is not an http or https URL"],
      ["http://bench.lab:99999/", "is not an http or https URL"],
      ["http://a b/", "is not an http or https URL"],
      ["ftp://bench.lab/", "is not an http or https URL"],
      ["//bench.lab/", "is not an http or https URL"],
      ["http://%ff@bench.lab/", "has malformed user information"],
      [" http://bench.lab/", "begins or ends with a space"],
      ["http://bench.lab/ ", "begins or ends with a space"],
      ["http://bench.lab/\n", "has a line break or another control character"],
      ["http://bench.lab/a\r\nx: y", "has a line break or another control character"],
      ["http://be\tnch.lab/", "has a line break or another control character"]
    ] as const
  ) {
    it(`rejects ${JSON.stringify(text)}`, () => {
      assert.deepStrictEqual(requestUrl.parse(text), Either.left(problem))
    })
  }

  const from = parsed("http://me@bench.lab:81/a%2F/b/c?d=%20'")
  for (
    const [location, to] of [
      ["https://else.lab/%2e/'?x", "https://else.lab/%2e/'?x"],
      ["//else.lab/x", "http://else.lab/x"],
      ["/x/%2E%2E/y?'", "http://bench.lab:81/x/%2E%2E/y?'"],
      ["x", "http://bench.lab:81/a%2F/b/x"],
      ["./x/../y", "http://bench.lab:81/a%2F/b/y"],
      ["../../../x?..", "http://bench.lab:81/x?.."],
      ["..", "http://bench.lab:81/a%2F/"],
      ["?e", "http://bench.lab:81/a%2F/b/c?e"],
      ["", "http://bench.lab:81/a%2F/b/c?d=%20'"],
      ["/\u00c3\u00bc", "http://bench.lab:81/ü"],
      ["/\u00fc", "http://bench.lab:81/%FC"]
    ] as const
  ) {
    it(`resolves ${JSON.stringify(location)} to ${to}`, () => {
      assert.strictEqual(requestUrl.resolve(from, location), to)
    })
  }
})
