// Thumbnails of images by row: asked for in batches, decoded once and kept.
//
// Two lanes, each with one batch under way: what is on show never waits for what is fetched ahead,
// the neighbours of the mouse on the map, which it may come to next.

const KEPT = 1000; // decoded pictures: at most 64 KiB each
const BATCHES = { shown: 32, ahead: 8 };
const QUEUE = 256; // older wishes are forgotten
const PATIENCE = 10_000; // ms after which an answer is no longer waited for

export class Thumbnails {
  // arrived(rows) is called when pictures are there.
  constructor(model, arrived) {
    this.model = model;
    this.arrived = arrived;
    this.pictures = new Map(); // row → ImageBitmap, or null where there is none; oldest first
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
    this.wishes = { shown: shown.filter(missing).slice(0, QUEUE), ahead: ahead.filter(missing) };
    this.ask("shown");
    this.ask("ahead");
  }

  ask(lane) {
    if (performance.now() - this.askedAt[lane] < PATIENCE) return; // a batch is under way
    if (this.askedAt[lane] > -Infinity) this.pending.clear(); // it was lost
    const rows = this.wishes[lane].splice(0, BATCHES[lane]);
    if (!rows.length) return;
    this.askedAt[lane] = performance.now();
    for (const row of rows) this.pending.add(row);
    this.model.send({ type: "thumbnails", lane, rows });
  }

  async receive({ type, lane, asked, rows }, buffers) {
    if (type !== "thumbnails") return;
    this.askedAt[lane] = -Infinity;
    this.ask(lane); // the next batch travels while this one is decoded
    const decode = (bytes) => createImageBitmap(new Blob([bytes])).catch(() => null);
    const bitmaps = await Promise.all(buffers.map(decode));
    const decoded = new Map(rows.map((row, i) => [row, bitmaps[i]]));
    for (const row of asked) this.keep(row, decoded.get(row) ?? null);
    this.arrived(new Set(asked));
  }

  keep(row, picture) {
    this.pending.delete(row);
    this.pictures.set(row, picture);
    if (this.pictures.size <= KEPT) return;
    const [oldest, bitmap] = this.pictures.entries().next().value;
    this.pictures.delete(oldest);
    bitmap?.close();
  }

  close() {
    this.model.off("msg:custom", this.onMessage);
    for (const picture of this.pictures.values()) picture?.close();
  }
}
