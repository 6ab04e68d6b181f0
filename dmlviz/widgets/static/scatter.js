// One map: points on a lower canvas, what the mouse changes on an upper one.

import { QUIET, drawMarker, makeSprites, pack, pointStyles, stamp } from "./sprites.js";
import { PointIndex } from "./point_index.js";

const MARGIN = 1.06; // seen at first beyond the outermost points of all epochs
const GLIDE = 350; // ms from one epoch to the next
const ZOOMS = [0.5, 400];

export class Scatter {
  // `look`: colours and markers; `space`: see Space.for_page.
  constructor(holder, look, space) {
    this.holder = holder;
    this.look = look;
    this.space = space;
    this.base = holder.appendChild(document.createElement("canvas"));
    this.top = holder.appendChild(document.createElement("canvas"));
    this.camera = { x: 0, y: 0, zoom: 1 };
    this.places = space.placesAt(0);
    this.points = { kinds: new Uint8Array(this.places.length / 2).fill(QUIET), order: [] };
    this.marks = {}; // what the upper canvas shows, see drawTop
    this.asked = { base: false, top: false };
  }

  resize(theme) {
    this.theme = theme;
    this.scale = window.devicePixelRatio || 1;
    [this.width, this.height] = [this.holder.clientWidth, this.holder.clientHeight];
    for (const canvas of [this.base, this.top]) {
      canvas.width = Math.round(this.width * this.scale);
      canvas.height = Math.round(this.height * this.scale);
    }
    this.spritesFor = null;
    this.redraw();
  }

  // Colours of all points, and how they are stacked; `chosen`: Uint8Array, the others are faint.
  paint(kinds, order, chosen) {
    this.points = { kinds, order, chosen };
    this.redraw();
  }

  // --- where things are: x to the right, y up ------------------------------------------------------

  get pixels() { // of the page to one unit of the plane
    const [x, y] = this.space.reach;
    return (Math.min(this.width / x, this.height / y) / 2 / MARGIN) * this.camera.zoom;
  }

  toScreen(x, y) {
    const { camera, pixels } = this;
    return [this.width / 2 + (x - camera.x) * pixels, this.height / 2 - (y - camera.y) * pixels];
  }

  toPlane(px, py) {
    const { camera, pixels } = this;
    return [camera.x + (px - this.width / 2) / pixels, camera.y - (py - this.height / 2) / pixels];
  }

  at(row) {
    return this.toScreen(this.places[2 * row], this.places[2 * row + 1]);
  }

  // Rows near a place on the screen, nearest first.
  near(px, py, reach, most) {
    if (this.index?.places !== this.places) this.index = new PointIndex(this.places);
    return this.index.near(...this.toPlane(px, py), reach / this.pixels, most);
  }

  // --- moving ---------------------------------------------------------------------------------------

  pan(dx, dy) {
    this.camera.x -= dx / this.pixels;
    this.camera.y += dy / this.pixels;
    this.redraw();
  }

  // Zoom so that what is at (px, py), the middle if not given, stays there.
  zoom(factor, px = this.width / 2, py = this.height / 2) {
    const [x, y] = this.toPlane(px, py);
    this.camera.zoom = Math.min(ZOOMS[1], Math.max(ZOOMS[0], this.camera.zoom * factor));
    const [now, then] = [this.toPlane(px, py), [x, y]];
    this.camera.x += then[0] - now[0];
    this.camera.y += then[1] - now[1];
    this.redraw();
  }

  showAll() {
    this.camera = { x: 0, y: 0, zoom: 1 };
    this.redraw();
  }

  reveal(row) { // a point that the keyboard went to may be out of sight
    const [x, y] = this.at(row);
    if (x > 10 && y > 10 && x < this.width - 10 && y < this.height - 10) return;
    [this.camera.x, this.camera.y] = [this.places[2 * row], this.places[2 * row + 1]];
    this.redraw();
  }

  // Let the points glide to their places at another epoch.
  go(epoch) {
    const target = this.space.placesAt(epoch);
    cancelAnimationFrame(this.gliding);
    this.proxies = this.space.proxiesAt(epoch);
    const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (still || this.width === undefined) {
      this.places = target;
      return this.redraw();
    }
    const [from, began] = [this.places, performance.now()];
    const step = () => {
      const part = Math.min(1, (performance.now() - began) / GLIDE);
      const eased = part * part * (3 - 2 * part);
      this.places = part === 1 ? target : between(from, target, eased);
      this.redraw();
      if (part < 1) this.gliding = requestAnimationFrame(step);
    };
    if (from !== target) step();
    else this.redraw();
  }

  // --- drawing: at most once a frame ----------------------------------------------------------------

  redraw() {
    this.ask("base", () => this.drawBase());
    this.redrawTop();
  }

  redrawTop() {
    this.ask("top", () => this.drawTop());
  }

  ask(layer, draw) {
    if (this.asked[layer] || !this.theme) return;
    this.asked[layer] = true;
    requestAnimationFrame(() => {
      this.asked[layer] = false;
      if (this.width > 0) draw();
    });
  }

  get radius() { // many points are small points; near ones are larger
    const some = 8 - 1.3 * Math.log10(this.places.length / 2);
    return Math.max(1.6, Math.min(6, some)) * Math.min(2.4, Math.max(0.8, this.camera.zoom ** 0.35));
  }

  drawBase() {
    const context = this.base.getContext("2d", { alpha: false });
    this.prepareSprites();
    const { width, height } = this.base;
    if (this.image?.width !== width || this.image.height !== height) {
      this.image = new ImageData(width, height);
    }
    const picture = new Uint32Array(this.image.data.buffer).fill(pack(...this.theme.paperBytes));
    const { chosen } = this.points;
    if (chosen) this.stampPoints(picture, this.faint, (row) => !chosen[row]);
    this.stampPoints(picture, this.sprites, chosen && ((row) => chosen[row]));
    context.putImageData(this.image, 0, 0);
    context.setTransform(this.scale, 0, 0, this.scale, 0, 0);
    this.drawCircle(context);
    this.drawProxies(context);
    context.setTransform(1, 0, 0, 1, 0, 0);
  }

  prepareSprites() {
    const radius = Math.round(4 * this.radius) / 4; // a step in size needs new ones
    if (this.spritesFor === radius) return;
    const styles = pointStyles(this.look, this.theme);
    this.sprites = makeSprites(styles, radius, this.scale);
    this.faint = makeSprites(styles, radius, this.scale, 0.2);
    this.spritesFor = radius;
  }

  stampPoints(picture, sprites, which) {
    const { places, scale } = this;
    const { kinds, order } = this.points;
    const { width, height } = this.base;
    const pixels = this.pixels * scale;
    const left = (this.width / 2) * scale - this.camera.x * pixels;
    const top = (this.height / 2) * scale + this.camera.y * pixels;
    for (const row of order) {
      if (which && !which(row)) continue;
      const sprite = sprites[kinds[row]];
      const x = Math.round(left + places[2 * row] * pixels);
      const y = Math.round(top - places[2 * row + 1] * pixels);
      if (x < -sprite.half || y < -sprite.half) continue;
      if (x > width + sprite.half || y > height + sprite.half) continue;
      stamp(picture, width, height, sprite, x, y);
    }
  }

  drawCircle(context) {
    if (!this.space.circle) return;
    const [x, y, radius] = this.space.circle;
    context.beginPath();
    context.arc(...this.toScreen(x, y), radius * this.pixels, 0, 2 * Math.PI);
    context.strokeStyle = this.look.quiet;
    context.stroke();
  }

  drawProxies(context) {
    (this.proxies ?? []).forEach(([x, y, colour]) => {
      if (Number.isNaN(x)) return;
      const style = { marker: "D", hollow: !colour, fill: colour, edge: this.theme.ink, width: 1.3 };
      drawMarker(context, style, ...this.toScreen(x, y), 6);
    });
  }

  // marks: {hovered, selected, found: {rows, marks}, members, lasso: [px, py][]}
  drawTop() {
    const context = this.top.getContext("2d");
    context.setTransform(this.scale, 0, 0, this.scale, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    const { hovered, selected, found, members, lasso } = this.marks;
    for (const row of members ?? []) this.ring(context, row, this.look.right, 1.3);
    if (selected !== null && selected !== undefined) {
      if (found) this.drawNeighbours(context, selected, found);
      const style = { marker: "*", fill: this.look.anchor, edge: "#ffffff", width: 1.5 };
      drawMarker(context, style, ...this.at(selected), 11);
    }
    if (hovered >= 0) this.ring(context, hovered, this.theme.ink, 2);
    if (lasso?.length > 1) this.drawLasso(context, lasso);
  }

  drawNeighbours(context, selected, { rows, marks }) {
    const colours = [this.look.wrong, this.look.right, "#808080"];
    rows.forEach((row, i) => {
      context.beginPath();
      context.moveTo(...this.at(selected));
      context.lineTo(...this.at(row));
      context.setLineDash(marks[i] === 0 ? [5, 4] : []);
      context.lineWidth = 1.8;
      context.strokeStyle = colours[marks[i]];
      context.stroke();
      context.setLineDash([]);
    });
    rows.forEach((row, i) => this.ring(context, row, colours[marks[i]], 2));
  }

  ring(context, row, colour, width) {
    context.beginPath();
    context.arc(...this.at(row), this.radius + 2.5, 0, 2 * Math.PI);
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.stroke();
  }

  drawLasso(context, lasso) {
    context.beginPath();
    for (const point of lasso) context.lineTo(...point);
    context.closePath();
    context.globalAlpha = 0.12;
    context.fillStyle = this.theme.ink;
    context.fill();
    context.globalAlpha = 1;
    context.lineWidth = 1.2;
    context.strokeStyle = this.theme.ink;
    context.stroke();
  }
}

function between(from, to, part) {
  const places = new Float32Array(from.length);
  for (let i = 0; i < places.length; i++) places[i] = from[i] + part * (to[i] - from[i]);
  return places;
}
