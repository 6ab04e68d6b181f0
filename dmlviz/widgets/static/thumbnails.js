// Thumbnails of images by row: asked for in batches, decoded once and kept.
//
// Two lanes, each with one batch under way: what is on show, and what is fetched ahead, the neighbours
// of the mouse on the map, which it may come to next. The second waits for the first, never the first
// for the second.

const KEPT = 1000; // decoded pictures: at most 64 KiB each
const BATCHES = { shown: 32, ahead: 8 };
const QUEUE = 256; // older wishes are forgotten
const PATIENCE = 10_000; // ms after which an answer is no longer waited for

// A small picture from its RGB bytes, at once: nothing to wait for.
function fromPixels(bytes, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  image.data.fill(255); // opaque
  for (let from = 0, to = 0; from < bytes.byteLength; from++, to += from % 3 ? 1 : 2) {
    image.data[to] = bytes.getUint8(from);
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

export class Thumbnails {
  // arrived(rows) is called when pictures are there.
  constructor(model, arrived) {
    this.model = model;
    this.arrived = arrived;
    this.pictures = new Map(); // row → bitmap or canvas, or null if there is none; oldest first
    this.wishes = { shown: [], ahead: [] }; // rows, the newest first
    this.askedAt = { shown: -Infinity, ahead: -Infinity };
    this.pending = new Set(); // rows asked for and not yet decoded
    this.onMessage = (content, buffers) => this.receive(content, buffers);
    model.on("msg:custom", this.onMessage);
  }

  // The picture, null if it cannot be had, undefined if it is not here yet.
  get(row) {
    const picture = this.pictures.get(row);
    if (picture !== undefined) {
      this.pictures.delete(row); // to the end: used most recently
      this.pictures.set(row, picture);
    }
    return picture;
  }

  want(rows, ahead = []) {
    const missing = (row) => !this.pictures.has(row) && !this.pending.has(row);
    const shown = [...new Set([...rows, ...this.wishes.shown])];
    this.wishes.shown = shown.filter(missing).slice(0, QUEUE);
    this.wishes.ahead = ahead.filter((row) => missing(row) && !rows.includes(row));
    this.askBoth();
  }

  askBoth() {
    this.ask("shown");
    if (!this.underWay("shown")) this.ask("ahead");
  }

  underWay(lane) {
    return performance.now() - this.askedAt[lane] < PATIENCE;
  }

  ask(lane) {
    if (this.underWay(lane)) return;
    if (this.askedAt[lane] > -Infinity) this.pending.clear(); // it was lost
    const rows = this.wishes[lane].splice(0, BATCHES[lane]);
    if (!rows.length) return;
    this.askedAt[lane] = performance.now();
    for (const row of rows) this.pending.add(row);
    this.model.send({ type: "thumbnails", lane, rows });
  }

  async receive({ type, lane, asked, rows, sizes }, buffers) {
    if (type !== "thumbnails") return;
    this.askedAt[lane] = -Infinity;
    this.askBoth(); // the next batch travels while this one is decoded
    const jpeg = (bytes) => createImageBitmap(new Blob([bytes])).catch(() => null);
    const decode = (bytes, i) => (sizes[i] ? fromPixels(bytes, ...sizes[i]) : jpeg(bytes));
    const pictures = await Promise.all(buffers.map(decode));
    const decoded = new Map(rows.map((row, i) => [row, pictures[i]]));
    for (const row of asked) this.keep(row, decoded.get(row) ?? null);
    this.arrived(new Set(asked));
  }

  keep(row, picture) {
    this.pending.delete(row);
    this.pictures.set(row, picture);
    if (this.pictures.size <= KEPT) return;
    const [oldest, dropped] = this.pictures.entries().next().value;
    this.pictures.delete(oldest);
    dropped?.close?.();
  }

  close() {
    this.model.off("msg:custom", this.onMessage);
    for (const picture of this.pictures.values()) picture?.close?.();
  }
}
