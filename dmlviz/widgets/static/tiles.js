// Pictures beside the map: a tooltip, the neighbours in a row, what the lasso holds.

import { OWN_KEYS, make } from "./page.js";

const SIGNS = ["✗", "✓", ""];
const LOOKS = ["wrong", "right", "unknown"];
const [TIP, SIDE, SMALL] = [112, 76, 44]; // pixels: in the tooltip, of a neighbour, in the lasso
const SHORT = { cosine: "cos", euclidean: "distance" };
const SCORES = { cosine: "cosine similarity", euclidean: "Euclidean distance" };

// Draws a picture into a canvas as large as it fits; before it is here, nothing.
export function drawPicture(canvas, picture) {
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  canvas.classList.toggle("missing", picture === null);
  if (!picture) return;
  const grow = Math.min(canvas.width / picture.width, canvas.height / picture.height);
  const [width, height] = [picture.width * grow, picture.height * grow];
  context.imageSmoothingEnabled = grow < 2; // small pictures are seen pixel by pixel
  const corner = [(canvas.width - width) / 2, (canvas.height - height) / 2];
  context.drawImage(picture, ...corner, width, height);
}

// Names of a family differ at their ends.
const short = (name) => (name.length > 18 ? `…${name.slice(-17)}` : name);

// `subject` is the page: {pictures: Thumbnails or null, caption(row), inWords(row), shade(row),
// shades, summary(rows), go(row), peek(row)}.
export function pictureCanvas(subject, row, side) {
  const scale = window.devicePixelRatio || 1;
  const size = { width: Math.round(side * scale), height: Math.round(side * scale) };
  const canvas = make("canvas", { ...size, "data-row": row, "aria-hidden": "true" });
  canvas.style.width = canvas.style.height = `${side}px`;
  drawPicture(canvas, subject.pictures?.get(row));
  return canvas;
}

// A picture that can be clicked like its point on the map.
function tile(subject, row, side, { look = "", sign = "", words = [] } = {}) {
  const caption = subject.caption(row);
  const button = make("button", { class: `tile ${look}`, type: "button", title: caption });
  button.style.width = `${side + 6}px`;
  const spoken = [`image ${row}`, caption, words[0], look].filter(Boolean);
  button.setAttribute("aria-label", spoken.join(", "));
  const frame = make("span", { class: "frame" });
  if (look === "unknown") frame.style.borderColor = subject.shade(row);
  if (subject.pictures) frame.append(pictureCanvas(subject, row, side));
  if (sign) frame.append(make("span", { class: "sign" }, sign));
  button.append(frame, ...words.map((text) => make("span", { class: "words" }, text)));
  button.addEventListener("click", () => {
    subject.peek(-1); // a button that is replaced is never left
    subject.go(row);
  });
  button.addEventListener("pointerenter", () => subject.peek(row));
  button.addEventListener("pointerleave", () => subject.peek(-1));
  return button;
}

// Similarities that differ little need more digits to differ at all.
function scores(values, metric) {
  const digits = Math.max(...values) - Math.min(...values) < 0.02 ? 4 : 2;
  return Array.from(values, (value) => `${SHORT[metric]} ${value.toFixed(digits)}`);
}

// Fills `holder` with the clicked image and its neighbours. `found`: {rows, values, marks}.
export function showNeighbours(holder, subject, selected, found, { dimensions, metric }) {
  if (selected === null || !found) {
    const what = "Click a point: its nearest images in the embedding space appear here.";
    return holder.replaceChildren(make("p", { class: "empty" }, what));
  }
  const words = (row, score) => [score, short(subject.caption(row))];
  const query = { look: "anchor", sign: "★", words: words(selected, `image ${selected}`) };
  const numbers = scores(found.values, metric);
  const tiles = Array.from(found.rows, (row, i) => {
    const mark = found.marks[i];
    const look = { look: LOOKS[mark], sign: SIGNS[mark], words: words(row, numbers[i]) };
    return tile(subject, row, SIDE, look);
  });
  const right = found.marks.filter((mark) => mark === 1).length;
  const share = `: ${right} of ${tiles.length} are of its class`;
  const label = subject.shades ? `; below it ${subject.shades.what}` : "";
  const title = `nearest in all ${dimensions} dimensions, by ${SCORES[metric]}`;
  const more = found.marks.includes(2) ? label : share;
  const strip = make("div", { class: "strip" }, tile(subject, selected, SIDE, query), ...tiles);
  const focused = holder.contains(document.activeElement);
  holder.replaceChildren(make("p", { class: "title" }, title + more), strip);
  if (focused) strip.firstChild.focus({ preventScroll: true });
  subject.pictures?.want([selected, ...found.rows]);
}

// Fills `holder` with the images in the lasso, at most `most` of them.
export function showSelection(holder, subject, rows, clear, most = 60) {
  holder.hidden = rows.length === 0;
  if (holder.hidden) return holder.replaceChildren();
  const shown = Array.from({ length: Math.min(most, rows.length) }, (_, i) =>
    rows[Math.floor((i * rows.length) / Math.min(most, rows.length))]);
  const several = rows.length === 1 ? "image" : "images";
  const part = shown.length < rows.length ? `, ${shown.length} of them shown` : "";
  const words = `${rows.length.toLocaleString("en")} ${several} in the lasso${part}`;
  const button = make("button", { type: "button", class: "plain" }, "clear");
  button.addEventListener("click", clear);
  const title = make("p", { class: "title" }, words, subject.summary(rows), button);
  const tiles = shown.map((row) => tile(subject, row, SMALL));
  holder.replaceChildren(title, make("div", { class: "grid" }, ...tiles));
  subject.pictures?.want(shown);
}

// The picture and the words beside a point at (x, y) of a map.
export class Tooltip {
  constructor(holder, subject) {
    this.subject = subject;
    this.words = make("span", { class: "words" });
    this.box = holder.appendChild(make("div", { class: "tip", "aria-hidden": "true" }, this.words));
    this.box.hidden = true;
  }

  hide() {
    this.box.hidden = true;
  }

  show(row, scatter) {
    this.box.hidden = false;
    if (this.row !== row) {
      this.row = row;
      this.words.textContent = this.subject.inWords(row);
      this.box.querySelector("canvas")?.remove();
      if (this.subject.pictures) this.box.prepend(pictureCanvas(this.subject, row, TIP));
    }
    const [x, y] = scatter.at(row);
    const [width, height] = [this.box.offsetWidth, this.box.offsetHeight];
    const left = x + 18 + width < scatter.width ? x + 18 : x - 18 - width;
    const top = Math.max(4, Math.min(scatter.height - height - 4, y - height / 2));
    this.box.style.transform = `translate(${left}px, ${top}px)`;
  }
}
