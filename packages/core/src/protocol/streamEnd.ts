// What a write to a byte stream fails with after the end of its writing direction.
export const writtenAfter = "the byte stream has ended, nothing more can be written"
