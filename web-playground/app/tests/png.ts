import { deflateSync, crc32 } from "node:zlib";
import type { Browser } from "playwright-core";

/** A picture of a page in at most 256 colours: a third of the size, and the eye sees no difference. */
export async function reduced(browser: Browser, png: Buffer): Promise<Buffer> {
  const page = await browser.newPage();
  const { width, height, base64 } = await page.evaluate(async (given) => {
    const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${given}`)).blob());
    const context = new OffscreenCanvas(image.width, image.height).getContext("2d")!;
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, image.width, image.height);
    let text = "";
    for (let at = 0; at < data.length; at += 32_768) text += String.fromCharCode(...data.subarray(at, at + 32_768));
    return { width: image.width, height: image.height, base64: btoa(text) };
  }, png.toString("base64"));
  await page.close();
  const pixels = Buffer.from(base64, "base64");

  // Colours in steps of eight; the commonest become the palette, the others the nearest of these.
  const counts = new Map<number, number>();
  const colour = (at: number) => ((pixels[at]! & 0xf8) << 16) | ((pixels[at + 1]! & 0xf8) << 8) | (pixels[at + 2]! & 0xf8);
  const exact = new Map<number, Map<number, number>>();
  for (let at = 0; at < pixels.length; at += 4) {
    const rough = colour(at);
    counts.set(rough, (counts.get(rough) ?? 0) + 1);
    const real = (pixels[at]! << 16) | (pixels[at + 1]! << 8) | pixels[at + 2]!;
    const inside = exact.get(rough) ?? new Map<number, number>();
    inside.set(real, (inside.get(real) ?? 0) + 1);
    exact.set(rough, inside);
  }
  const common = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 144).map(([rough]) => rough);
  const palette = common.map((rough) => [...exact.get(rough)!].sort((a, b) => b[1] - a[1])[0]![0]);
  const parts = (value: number) => [value >> 16, (value >> 8) & 0xff, value & 0xff] as const;
  const distance = (a: number, b: number) => parts(a).reduce((sum, part, index) => sum + (part - parts(b)[index]!) ** 2, 0);
  const nearest = new Map<number, number>();
  for (const rough of counts.keys()) {
    let best = 0;
    for (let index = 1; index < palette.length; index++) if (distance(rough, palette[index]!) < distance(rough, palette[best]!)) best = index;
    const own = common.indexOf(rough);
    nearest.set(rough, own >= 0 ? own : best);
  }
  const rows = Buffer.alloc((width + 1) * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) rows[y * (width + 1) + 1 + x] = nearest.get(colour((y * width + x) * 4))!;
  }
  const chunk = (kind: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(kind, "latin1"), data]);
    const out = Buffer.alloc(body.length + 8);
    out.writeUInt32BE(data.length, 0);
    body.copy(out, 4);
    out.writeUInt32BE(crc32(body), body.length + 4);
    return out;
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 3, 0, 0, 0], 8);
  const table = Buffer.from(palette.flatMap((value) => [...parts(value)]));
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk("IHDR", head), chunk("PLTE", table), chunk("IDAT", deflateSync(rows, { level: 9 })), chunk("IEND", Buffer.alloc(0))]);
}
