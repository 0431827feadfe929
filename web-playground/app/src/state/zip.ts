/** A ZIP archive of texts, stored without compression: a few kilobytes need none, and no library. */

const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function crc(bytes: Uint8Array): number {
  let value = 0xffffffff;
  for (const byte of bytes) value = (value >>> 8) ^ TABLE[(value ^ byte) & 0xff]!;
  return (value ^ 0xffffffff) >>> 0;
}

/** Fields of little-endian numbers: pairs of a size in bytes and a value. */
function fields(...pairs: [size: 2 | 4, value: number][]): Uint8Array {
  const out = new DataView(new ArrayBuffer(pairs.reduce((sum, [size]) => sum + size, 0)));
  let at = 0;
  for (const [size, value] of pairs) {
    if (size === 2) out.setUint16(at, value, true);
    else out.setUint32(at, value, true);
    at += size;
  }
  return new Uint8Array(out.buffer);
}

/** UTF-8 names, 1980-01-01: the same texts give the same bytes. */
export function zip(files: { name: string; text: string }[]): Blob {
  const encoder = new TextEncoder();
  const body: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const { name, text } of files) {
    const [title, content] = [encoder.encode(name), encoder.encode(text)];
    const common: [2 | 4, number][] = [[2, 20], [2, 0x0800], [2, 0], [2, 0], [2, 0x21], [4, crc(content)], [4, content.length], [4, content.length], [2, title.length], [2, 0]];
    const head = fields([4, 0x04034b50], ...common);
    body.push(head, title, content);
    directory.push(fields([4, 0x02014b50], [2, 20], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, at]), title);
    at += head.length + title.length + content.length;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const end = fields([4, 0x06054b50], [2, 0], [2, 0], [2, files.length], [2, files.length], [4, size], [4, at], [2, 0]);
  return new Blob([...body, ...directory, end] as BlobPart[], { type: "application/zip" });
}
