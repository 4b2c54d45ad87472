// Certificates that are made during a test run, so that none can expire.
import { Effect, Redacted } from "effect"
import * as selfsigned from "selfsigned"
import type { ServerCertificate } from "../../src/transport/GrpcServer.ts"

/** A certificate with its key, and its PEM alone. */
export interface Pair {
  readonly certificate: ServerCertificate
  readonly pem: string
}

interface Options {
  readonly names: ReadonlyArray<string>
  readonly authority?: boolean
  readonly issuer?: Pair
  readonly notBefore?: Date
  readonly notAfter?: Date
}

/** A certificate for some names. Without an issuer, it is self-signed and its own authority. */
export const pair = ({ authority, issuer, names, notAfter, notBefore }: Options): Effect.Effect<Pair> =>
  Effect.promise(async () => {
    const made = await selfsigned.generate([{ name: "commonName", value: names[0] ?? "test" }], {
      algorithm: "sha256",
      // Faster to make than an RSA key.
      keyType: "ec",
      ...(notBefore === undefined ? {} : { notBeforeDate: notBefore }),
      ...(notAfter === undefined ? {} : { notAfterDate: notAfter }),
      ...(issuer === undefined
        ? {}
        : { ca: { key: Redacted.value(issuer.certificate.privateKey), cert: issuer.pem } }),
      extensions: [
        { name: "basicConstraints", cA: authority ?? issuer === undefined, critical: true },
        {
          name: "subjectAltName",
          altNames: names.map((name) => /^[\d.]+$/.test(name) ? { type: 7, ip: name } : { type: 2, value: name })
        }
      ]
    })
    const chain = issuer === undefined ? made.cert : `${made.cert}\n${issuer.certificate.chain}`
    return { certificate: { chain, privateKey: Redacted.make(made.private) }, pem: made.cert }
  })

/** A self-signed certificate for some names, which is its own authority. */
export const selfSigned = (...names: ReadonlyArray<string>): Effect.Effect<Pair & { readonly ca: string }> =>
  Effect.map(pair({ names }), (made) => ({ ...made, ca: made.pem }))

/** A certificate of this machine, made once, for tests of other things than certificates. */
export const localhost = Effect.runSync(Effect.cached(selfSigned("localhost", "127.0.0.1")))

/** A certificate for some names, issued by an intermediate of a root, and served with both. */
export const chain = (...names: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const root = yield* pair({ names: ["root"] })
    const intermediate = yield* pair({ names: ["intermediate"], authority: true, issuer: root })
    const leaf = yield* pair({ names, issuer: intermediate })
    return { root, intermediate, leaf }
  })
