// Reads certificates from text, and recognizes what else the text may be.
import * as Either from "effect/Either"
import { X509Certificate } from "node:crypto"

const block = /-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g

// Errors show the label, so the pattern must not match parts of a secret.
const label = /-----BEGIN ([A-Z0-9 ]{1,40})-----/

const isCertificate = (bytes: Buffer): boolean => {
  try {
    return new X509Certificate(bytes).raw.length > 0
  } catch {
    return false
  }
}

const kinds: ReadonlyArray<readonly [RegExp, string]> = [
  [/PRIVATE KEY$/, "a private key"],
  [/PUBLIC KEY$/, "a public key"],
  [/CERTIFICATE REQUEST$/, "a request for a certificate"],
  [/CRL$/, "a list of revoked certificates"]
]

const nameOf = (label: string): string => kinds.find(([pattern]) => pattern.test(label))?.[1] ?? `"${label}"`

const problemOf = (text: string): string => {
  if (text.trim() === "") return "it is empty"
  const kind = label.exec(text)?.[1]
  if (kind === "CERTIFICATE") return "it has no complete certificate: the line -----END CERTIFICATE----- is missing"
  if (kind !== undefined) return `it is ${nameOf(kind)}, not a certificate`
  // Reading DER as UTF-8 text has replaced the bytes that are not UTF-8.
  if (isCertificate(Buffer.from(text, "latin1")) || text.startsWith("0") && text.includes("\ufffd")) {
    return "it is DER; convert it to PEM with `openssl x509 -inform der`"
  }
  if (isCertificate(Buffer.from(text, "base64"))) {
    return "it is base64 of DER; decode it, and convert it to PEM with `openssl x509 -inform der`"
  }
  return /^[^\n]+\.(pem|crt|cer|cert|der|p12|pfx)\s*$/i.test(text)
    ? "it looks like the path of a file; give the content of the file"
    : "it is neither PEM nor base64 of PEM"
}

// Returns the certificates in PEM, or in base64 of PEM, in order.
export const certificates = (text: string): Either.Either<ReadonlyArray<X509Certificate>, string> => {
  const pem = text.includes("-----BEGIN ") ? text : Buffer.from(text, "base64").toString("utf8")
  const blocks = pem.match(block)
  if (blocks === null) return Either.left(problemOf(pem.includes("-----BEGIN ") ? pem : text))
  // Node would skip a certificate that it cannot read, and then fail every connection without saying why.
  return Either.all(blocks.map((one, index) =>
    Either.try({
      try: () => new X509Certificate(one),
      catch: (cause) =>
        `certificate ${index + 1} of ${blocks.length} cannot be read: ${
          cause instanceof Error ? cause.message : String(cause)
        }`
    })
  ))
}

// Says why a certificate chain and its private key cannot be used.
export const keyProblem = (chain: string, privateKey: string): string | undefined => {
  const read = certificates(chain)
  if (Either.isLeft(read)) return `the certificate chain cannot be read: ${read.left}`
  const kind = label.exec(privateKey)?.[1]
  return kind === undefined
    ? "the private key is not PEM"
    : !kind.endsWith("PRIVATE KEY")
    ? `the private key is ${nameOf(kind)}, not a private key`
    : undefined
}
