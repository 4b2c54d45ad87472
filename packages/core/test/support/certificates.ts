// Certificates made for a test run, so that none can expire.
import { Effect, Redacted } from "effect"
import * as selfsigned from "selfsigned"
import type { ServerCertificate } from "../../src/GrpcServer.ts"

/** A self-signed certificate for some names, which is its own authority. */
export const selfSigned = (
  ...names: ReadonlyArray<string>
): Effect.Effect<{ readonly certificate: ServerCertificate; readonly ca: string }> =>
  Effect.promise(async () => {
    const made = await selfsigned.generate([{ name: "commonName", value: names[0] ?? "test" }], {
      algorithm: "sha256",
      // Quicker to make than an RSA key.
      keyType: "ec",
      extensions: [
        { name: "basicConstraints", cA: true, critical: true },
        {
          name: "subjectAltName",
          altNames: names.map((name) => /^[\d.]+$/.test(name) ? { type: 7, ip: name } : { type: 2, value: name })
        }
      ]
    })
    return { certificate: { chain: made.cert, privateKey: Redacted.make(made.private) }, ca: made.cert }
  })
