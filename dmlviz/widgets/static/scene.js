// What Python sends, as arrays: numbers travel as bytes.

// A view may start anywhere, an array of floats may not.
function copied(view) {
  return view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
}

export const bytes = (view) => new Uint8Array(copied(view));
export const integers = (view) => new Int32Array(copied(view));
const floats = (view) => new Float32Array(copied(view));

export function readScene(scene) {
  const shades = bytes(scene.style.ramp);
  const ramp = Array.from({ length: shades.length / 3 }, (_, i) =>
    `rgb(${shades.subarray(3 * i, 3 * i + 3).join(",")})`);
  const style = { ...scene.style, ramp };
  const read = { ...scene, labels: integers(scene.labels), style };
  read.spaces = scene.spaces.map((space) => readSpace(space, read));
  return read;
}

function readSpace(space, { n, coloured, style }) {
  const places = floats(space.places);
  const epochs = places.length / (2 * n);
  const own = (epoch) => Math.min(epoch, epochs - 1); // a space of one epoch stays as it is
  const proxies = floats(space.proxies);
  const classes = integers(space.proxy_classes);
  const proxiesAt = (epoch) => Array.from(classes, (label, i) => {
    const at = 2 * (own(epoch) * classes.length + i);
    const slot = coloured.indexOf(label);
    return [proxies[at], proxies[at + 1], slot < 0 ? null : style.classes[slot]];
  });
  const placesAt = (epoch) => places.subarray(2 * n * own(epoch), 2 * n * (own(epoch) + 1));
  return { ...space, placesAt, proxiesAt, reach: reachOf([places, proxies], space.circle) };
}

// How far from (0, 0) anything lies, across and up, at any epoch: the axes stay put.
function reachOf(arrays, circle) {
  const reach = circle ? [circle[2], circle[2]] : [1e-6, 1e-6];
  for (const array of arrays) {
    array.forEach((value, i) => {
      const away = Math.abs(value);
      if (away > reach[i % 2]) reach[i % 2] = away; // never for NaN
    });
  }
  return reach;
}

export function readFound(found) {
  return { rows: integers(found.rows), values: floats(found.values), marks: bytes(found.marks) };
}

export function readShades(shades, steps) {
  return shades.values ? { ...shades, values: floats(shades.values), steps } : null;
}

// Which of the colours of the ramp a row's label has; null where it is unknown.
export function shadeOf({ values, low, high, steps }, row) {
  const part = (values[row] - low) / (high - low || 1);
  return Number.isNaN(part) ? null : Math.round(Math.min(1, Math.max(0, part)) * (steps - 1));
}
