// The limit on the size of a message.

/**
 * The largest message peers accept, in bytes (`protocol.md` 3.2).
 *
 * @since 0.1.0
 * @category models
 */
export const maxMessageBytes: number = 4 * 1024 * 1024
