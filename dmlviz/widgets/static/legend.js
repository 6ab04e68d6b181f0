// What the colours of the points mean.

import { QUIET, RIGHT, WRONG, drawMarker, pointStyles } from "./sprites.js";
import { make } from "./page.js";

// Fills `holder`. `correct`: one Uint8Array per map, whether each image's nearest is right.
export function showLegend(holder, { scene, theme, shades, ringed }, colour, correct) {
  const styles = pointStyles(scene.style, theme);
  const entries = [];
  if (colour === "class") {
    scene.coloured.forEach((label, i) => entries.push(entry(styles[i], scene.classes[label])));
    const rest = scene.classes.length - scene.coloured.length;
    if (rest > 0) entries.push(entry(styles[QUIET], `${rest} other classes`));
  } else if (colour === "correct") {
    const shares = correct.map((right) => `${((100 * sum(right)) / scene.n).toFixed(1)} %`);
    const words = `nearest is of the same class: Recall@1 = ${shares.join(" | ") || "…"}`;
    entries.push(entry(styles[RIGHT], words), entry(styles[WRONG], "of another class"));
  } else if (shades) {
    entries.push(ramp(scene.style.ramp, shades));
  } else {
    entries.push("click an image: the colour is how far the label of each is from its");
  }
  if (scene.spaces.some((space) => space.proxies.byteLength)) {
    const diamond = { marker: "D", hollow: true, edge: theme.ink, width: 1.3 };
    entries.push(entry(diamond, "proxy"));
  }
  if (ringed) {
    const ring = { marker: "o", hollow: true, edge: scene.style.right, width: 1.3 };
    entries.push(entry(ring, "of the clicked image's class"));
  }
  holder.replaceChildren(...entries);
}

const sum = (array) => array.reduce((total, value) => total + value, 0);

function entry(style, words) {
  const scale = window.devicePixelRatio || 1;
  const canvas = make("canvas", { width: 14 * scale, height: 14 * scale });
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  drawMarker(context, style, 7, 7, 5);
  return make("span", { class: "entry" }, canvas, words);
}

function ramp(colours, { low, high, what }) {
  const bar = make("span", { class: "ramp" });
  bar.style.background = `linear-gradient(to right, ${colours.join(", ")})`;
  const [from, to] = [low, high].map((value) => value.toPrecision(3));
  return make("span", { class: "entry" }, `${what}: ${from} `, bar, ` ${to}`);
}
