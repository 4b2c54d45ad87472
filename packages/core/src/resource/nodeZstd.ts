// libzstd in node:zlib, since Node 22.15. The types of Node 20 do not have it.
import * as Zlib from "node:zlib"

type Make = (options: Zlib.ZlibOptions) => Zlib.Gzip

interface Library {
  readonly createGzip: Make
  readonly createZstdCompress?: Make
  readonly createZstdDecompress?: Make
}

const library: Library = Zlib

const { createZstdCompress: encode, createZstdDecompress: decode } = library

/** The constructors of its codecs, or undefined where Node has none. */
export const nodeZstd = encode === undefined || decode === undefined ? undefined : { encode, decode }
