// Markers: each is drawn once, on a small canvas, and its pixels are then stamped into a picture.
// Ten thousand stamps take a few milliseconds; ten thousand calls of a canvas take a hundred.

const TURN = 2 * Math.PI;

// Outlines around (0, 0) of about the same area, in units of the radius.
const OUTLINES = {
  o: (path) => path.arc(0, 0, 1, 0, TURN),
  s: (path) => path.rect(-0.9, -0.9, 1.8, 1.8),
  "^": (path) => polygon(path, 3, 1.3, 0.15),
  v: (path) => (path.rotate(Math.PI), polygon(path, 3, 1.3, 0.15)),
  "<": (path) => (path.rotate(-Math.PI / 2), polygon(path, 3, 1.3, 0.15)),
  D: (path) => polygon(path, 4, 1.2),
  p: (path) => polygon(path, 5, 1.15),
  P: (path) => cross(path),
  X: (path) => (path.rotate(Math.PI / 4), cross(path)),
  "*": (path) => star(path),
};

function polygon(path, corners, reach, down = 0) {
  for (let i = 0; i < corners; i++) {
    const angle = -Math.PI / 2 + (i * TURN) / corners;
    path.lineTo(reach * Math.cos(angle), reach * Math.sin(angle) + down);
  }
  path.closePath();
}

function star(path) {
  for (let i = 0; i < 10; i++) {
    const angle = -Math.PI / 2 + (i * TURN) / 10;
    const reach = i % 2 ? 0.42 : 1.1;
    path.lineTo(reach * Math.cos(angle), reach * Math.sin(angle));
  }
  path.closePath();
}

function cross(path) {
  const [near, far] = [0.4, 1.15];
  const corners = [
    [near, far], [near, near], [far, near], [far, -near], [near, -near], [near, -far],
    [-near, -far], [-near, -near], [-far, -near], [-far, near], [-near, near], [-near, far],
  ];
  for (const corner of corners) path.lineTo(...corner);
  path.closePath();
}

// Draws one marker at (x, y). `style`: {marker, fill, edge, width, alpha, hollow}.
export function drawMarker(context, style, x, y, radius) {
  context.save();
  context.translate(x, y);
  context.scale(radius, radius);
  context.beginPath();
  OUTLINES[style.marker](context);
  context.restore(); // the path keeps its shape, the line its width
  context.globalAlpha = style.alpha ?? 1;
  context.fillStyle = style.fill;
  if (!style.hollow) context.fill();
  context.strokeStyle = style.edge;
  context.lineWidth = style.width ?? 0;
  if (style.width) context.stroke();
  context.globalAlpha = 1;
}

// The pixels of each style's marker: where (dx, dy from its middle), their colour times their
// opacity, and how much of 256 parts of what is below shows through. The radius is in pixels of
// the page, `scale` of the screen's to one of these; `opacity` makes all of them fainter.
export function makeSprites(styles, radius, scale, opacity = 1) {
  return styles.map((style) => {
    const reach = radius * (style.size ?? 1) * scale;
    const half = Math.ceil(1.35 * reach + 1);
    const side = 2 * half;
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = side;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const width = (style.width ?? 0) * scale;
    drawMarker(context, { ...style, width }, half, half, reach);
    return pixelsOf(context.getImageData(0, 0, side, side).data, side, opacity);
  });
}

function pixelsOf(data, side, opacity) {
  const sprite = { half: side / 2, dx: [], dy: [], colour: [], below: [] };
  for (let i = 0; i < side * side; i++) {
    const alpha = Math.round(data[4 * i + 3] * opacity);
    if (alpha < 3) continue;
    const [red, green, blue] = [0, 1, 2].map((c) => Math.round((data[4 * i + c] * alpha) / 255));
    sprite.dx.push((i % side) - side / 2);
    sprite.dy.push(Math.floor(i / side) - side / 2);
    sprite.colour.push(pack(red, green, blue, alpha));
    sprite.below.push(256 - alpha - (alpha >> 7));
  }
  const { dx, dy, colour, below } = sprite;
  const typed = { dx: Int32Array.from(dx), dy: Int32Array.from(dy) };
  return { ...sprite, ...typed, colour: Uint32Array.from(colour), below: Int32Array.from(below) };
}

// One pixel as ImageData holds it in memory, on all machines that browsers run on.
export const pack = (red, green, blue, alpha = 255) =>
  ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;

// Lays a sprite over a picture, Uint32Array of `width` pixels a line, with its middle at (x, y).
export function stamp(picture, width, height, sprite, x, y) {
  const { half, dx, dy, colour, below } = sprite;
  const whole = x >= half && y >= half && x + half <= width && y + half <= height;
  for (let i = 0; i < colour.length; i++) {
    const [px, py] = [x + dx[i], y + dy[i]];
    if (!whole && (px < 0 || py < 0 || px >= width || py >= height)) continue;
    const at = py * width + px;
    const under = picture[at];
    const redBlue = (Math.imul(under & 0xff00ff, below[i]) >>> 8) & 0xff00ff; // two at a time
    const greenAlpha = Math.imul((under >>> 8) & 0xff00ff, below[i]) & 0xff00ff00;
    picture[at] = colour[i] + redBlue + greenAlpha;
  }
}

// All looks a point can have, in the order of `kinds` below.
export function pointStyles(look, theme) {
  const edge = { edge: theme.paper, width: 0.6 };
  const classes = look.classes.map((fill, i) => ({ marker: look.markers[i], fill, ...edge }));
  for (const style of classes) {
    if (theme.dark && style.fill === "#000000") style.edge = theme.ink; // black on black
  }
  const quiet = { marker: "o", fill: look.quiet, size: 0.75, alpha: theme.dark ? 0.4 : 0.6 };
  const right = { marker: "o", fill: look.right, ...edge };
  const wrong = { marker: "X", fill: look.wrong, ...edge };
  const ramp = look.ramp.map((fill) => ({ marker: "o", fill, ...edge }));
  return [...classes, quiet, right, wrong, ...ramp];
}

// kinds: 0…7 a coloured class, then these, then the ramp of the continuous label.
export const QUIET = 8;
export const RIGHT = 9;
export const WRONG = 10;
export const RAMP = 11;

// The order to stamp points in: quiet below, wrong on top, and within a kind of layer as if
// shuffled, since points sorted by class would hide the classes that come first.
export function stackingOrder(kinds) {
  const keys = new Float64Array(kinds.length);
  for (let i = 0; i < keys.length; i++) {
    const layer = kinds[i] === QUIET ? 0 : kinds[i] === WRONG ? 2 : 1;
    const shuffled = Math.imul(i, 0x9e3779b1) >>> 12; // 20 bits
    keys[i] = layer * 2 ** 50 + shuffled * 2 ** 30 + i;
  }
  return Uint32Array.from(keys.sort(), (key) => key % 2 ** 30);
}
