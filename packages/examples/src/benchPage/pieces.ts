/** How a file travels. The page has this file too, which is why it imports nothing. */

/** The page cuts a file into pieces of this many bytes. */
export const pieceBytes = 256 * 1024

/** As many pieces may be on their way to the exporter. */
export const piecesAhead = 8
