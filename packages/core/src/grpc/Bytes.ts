/**
 * Bytes in one piece, or in several that follow each other: what is large is handed on in the pieces it came in, because
 * putting them together costs more than anything else that happens to it.
 *
 * @since 0.1.0
 */

/**
 * @since 0.1.0
 * @category models
 */
export type Bytes = Uint8Array | ReadonlyArray<Uint8Array>

/**
 * The pieces, in their order.
 *
 * @since 0.1.0
 * @category combinators
 */
export const pieces = (bytes: Bytes): ReadonlyArray<Uint8Array> => bytes instanceof Uint8Array ? [bytes] : bytes

/**
 * How many bytes there are in all pieces.
 *
 * @since 0.1.0
 * @category combinators
 */
export const size = (bytes: Bytes): number =>
  bytes instanceof Uint8Array ? bytes.length : bytes.reduce((sum, { length }) => sum + length, 0)

/**
 * The same bytes in one piece: the piece itself when there is one, otherwise a copy.
 *
 * @since 0.1.0
 * @category combinators
 */
export const join = (bytes: Bytes): Uint8Array => {
  if (bytes instanceof Uint8Array) return bytes
  const [first] = bytes
  if (first !== undefined && bytes.length === 1) return first
  const whole = new Uint8Array(size(bytes))
  let offset = 0
  for (const piece of bytes) {
    whole.set(piece, offset)
    offset += piece.length
  }
  return whole
}
