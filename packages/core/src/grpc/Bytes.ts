/**
 * Bytes in one piece or in several consecutive pieces. Large messages are passed on in the pieces they arrived in, because
 * joining the pieces would cost more than all other work on the message.
 *
 * @since 0.1.0
 */

/**
 * @since 0.1.0
 * @category models
 */
export type Bytes = Uint8Array | ReadonlyArray<Uint8Array>

/**
 * Returns the pieces in order.
 *
 * @since 0.1.0
 * @category combinators
 */
export const pieces = (bytes: Bytes): ReadonlyArray<Uint8Array> => bytes instanceof Uint8Array ? [bytes] : bytes

/**
 * Returns the total number of bytes in all pieces.
 *
 * @since 0.1.0
 * @category combinators
 */
export const size = (bytes: Bytes): number =>
  bytes instanceof Uint8Array ? bytes.length : bytes.reduce((sum, { length }) => sum + length, 0)

/**
 * Returns the same bytes in one piece: the piece itself when there is only one, otherwise a copy.
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
