// Which points are near a place? A grid of cells, each with a list of the points in it.

const PER_CELL = 3;

export class PointIndex {
  // places: Float32Array x₀ y₀ x₁ y₁ …
  constructor(places) {
    this.places = places;
    const n = places.length / 2;
    this.side = Math.max(1, Math.ceil(Math.sqrt(n / PER_CELL)));
    this.measure();
    this.starts = new Int32Array(this.side * this.side + 1);
    this.rows = new Int32Array(n);
    const cells = Int32Array.from({ length: n }, (_, i) => this.cellOf(i));
    for (const cell of cells) this.starts[cell + 1]++;
    for (let c = 0; c < this.side * this.side; c++) this.starts[c + 1] += this.starts[c];
    const next = this.starts.slice();
    for (let i = 0; i < n; i++) this.rows[next[cells[i]]++] = i;
  }

  measure() {
    let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let i = 0; i < this.places.length; i += 2) {
      left = Math.min(left, this.places[i]);
      right = Math.max(right, this.places[i]);
      low = Math.min(low, this.places[i + 1]);
      high = Math.max(high, this.places[i + 1]);
    }
    this.left = left;
    this.low = low;
    this.step = Math.max(right - left, high - low, 1e-9) / this.side;
  }

  column(value, from) {
    return Math.min(this.side - 1, Math.max(0, Math.floor((value - from) / this.step)));
  }

  cellOf(row) {
    const x = this.column(this.places[2 * row], this.left);
    return this.column(this.places[2 * row + 1], this.low) * this.side + x;
  }

  // Rows within `reach` of (x, y), nearest first, at most `most`.
  near(x, y, reach, most) {
    const found = [];
    const last = this.column(x + reach, this.left);
    const top = this.column(y + reach, this.low);
    for (let j = this.column(y - reach, this.low); j <= top; j++) {
      for (let i = this.column(x - reach, this.left); i <= last; i++) {
        const cell = j * this.side + i;
        for (let at = this.starts[cell]; at < this.starts[cell + 1]; at++) {
          const row = this.rows[at];
          const away = Math.hypot(this.places[2 * row] - x, this.places[2 * row + 1] - y);
          if (away <= reach) found.push([away, row]);
        }
      }
    }
    return found.sort((a, b) => a[0] - b[0]).slice(0, most).map((pair) => pair[1]);
  }
}

// Rows of the points inside a polygon [x, y][], ascending.
export function rowsInside(places, polygon) {
  const [xs, ys] = [polygon.map((p) => p[0]), polygon.map((p) => p[1])];
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const [low, high] = [Math.min(...ys), Math.max(...ys)];
  const rows = [];
  for (let row = 0; row < places.length / 2; row++) {
    const [x, y] = [places[2 * row], places[2 * row + 1]];
    if (x < left || x > right || y < low || y > high) continue;
    if (isInside(x, y, polygon)) rows.push(row);
  }
  return rows;
}

// A ray to the right crosses the outline of what it starts in an odd number of times.
function isInside(x, y, polygon) {
  let inside = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [xi, yi] = polygon[i];
    const [xj, yj] = polygon[j];
    const crosses = yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi;
    if (crosses) inside = !inside;
  }
  return inside;
}

// The next point from `row` to the right, left, top or bottom, (dx, dy) = (±1, 0) or (0, ±1):
// straight ahead counts more than near; -1 if there is none in that quarter.
export function nextTowards(places, row, dx, dy) {
  const [x, y] = [places[2 * row], places[2 * row + 1]];
  let [best, least] = [-1, Infinity];
  for (let i = 0; i < places.length / 2; i++) {
    const ahead = (places[2 * i] - x) * dx + (places[2 * i + 1] - y) * dy;
    const aside = Math.abs((places[2 * i] - x) * dy) + Math.abs((places[2 * i + 1] - y) * dx);
    const cost = ahead + 2 * aside;
    if (ahead > 0 && aside <= ahead && cost < least) [best, least] = [i, cost];
  }
  return best;
}
