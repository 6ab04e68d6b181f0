// EmbeddingExplorer: one or two maps of the same images, which share hover, click and lasso.
//
// The model (Python) owns the state: selected, selection, epoch, colour, k. The page sets it and
// draws what follows from it; neighbours, correctness and thumbnails come from Python. What is
// hovered is the page's own, so that the mouse waits for nobody.

import { QUIET, RAMP, RIGHT, WRONG, stackingOrder } from "./sprites.js";
import { nextTowards, rowsInside } from "./point_index.js";
import { Scatter } from "./scatter.js";
import { listen } from "./gestures.js";
import { Thumbnails } from "./thumbnails.js";
import { OWN_KEYS, make, readTheme, watchTheme } from "./page.js";
import { Tooltip, drawPicture, showNeighbours, showSelection } from "./tiles.js";
import { Toolbar } from "./toolbar.js";
import { showLegend } from "./legend.js";
import { bytes, integers, readFound, readScene, readShades, shadeOf } from "./scene.js";

const MOST_MEMBERS = 100; // of the clicked class, which are ringed

class Page {
  constructor(model, el) {
    this.model = model;
    this.scene = readScene(model.get("_scene"));
    this.hovered = -1;
    this.shades = null;
    this.pictures = this.scene.images ? new Thumbnails(model, (rows) => this.arrived(rows)) : null;
    this.endings = [];
    this.build(el);
    this.follow();
    this.showEpoch();
    this.showLasso();
    this.showFound();
    this.error.textContent = model.get("_message");
  }

  // --- the page -------------------------------------------------------------------------------------

  build(el) {
    const { scene } = this;
    this.toolbar = new Toolbar(this.model, scene, {
      zoom: (factor) => this.panels.forEach((panel) => panel.scatter.zoom(factor)),
      showAll: () => this.panels.forEach((panel) => panel.scatter.showAll()),
    });
    this.panels = scene.spaces.map((space) => this.panel(space));
    this.legend = make("div", { class: "legend" });
    this.lassoed = make("div", { class: "lassoed" });
    this.error = make("p", { class: "error", role: "alert" });
    this.status = make("p", { class: "status", "aria-live": "polite" });
    const several = scene.spaces.length > 1 ? "several" : "one";
    const maps = make("div", { class: `maps ${several}` }, ...this.panels.map((panel) => panel.element));
    const hint = make("p", { class: "hint" }, scene.look_for);
    const keys = "drag moves · wheel zooms · Shift + drag draws a lasso · arrows, Enter, Esc";
    this.root = make(
      "div", { class: "dmlviz-ee" },
      this.toolbar.element, maps, this.legend, this.lassoed, hint,
      make("p", { class: "keys" }, keys), this.error, this.status,
    );
    this.root.style.setProperty("--map-height", `${scene.height}px`);
    el.append(this.root);
  }

  panel(space) {
    const holder = make("div", { class: "map" });
    const scatter = new Scatter(holder, this.scene.style, space);
    const label = `${space.name} ${space.how}. ${this.scene.words}.`;
    for (const [name, value] of Object.entries({
      tabindex: 0, role: "application", "aria-roledescription": "map", "aria-label": label,
      "aria-description": "Arrows go from point to point, Enter shows neighbours, Escape clears",
      [OWN_KEYS]: "true",
    })) scatter.top.setAttribute(name, value);
    const caption = make("p", { class: "title" });
    const strip = make("div", { class: "neighbours" });
    const left = make("div", { class: "left" }, caption, holder);
    const element = make("div", { class: "panel" }, left, strip);
    const panel = { space, scatter, caption, strip, element };
    panel.tooltip = new Tooltip(holder, this);
    const says = {
      hover: (row, ahead) => this.hover(row, panel, ahead),
      click: (row) => this.click(row),
      lasso: (path, done) => this.lasso(panel, path, done),
      towards: (dx, dy) => this.towards(panel, dx, dy),
      enter: () => this.hovered >= 0 && this.go(this.hovered),
      escape: () => this.clear(),
    };
    this.endings.push(listen(scatter, says, () => this.toolbar.lassoing));
    return panel;
  }

  // --- what people do -------------------------------------------------------------------------------

  set(name, value) {
    this.model.set(name, value);
    this.model.save_changes();
  }

  go(row) {
    this.set("selected", row);
  }

  click(row) {
    this.panels.forEach((panel) => panel.tooltip.hide()); // its picture stands beside the map now
    this.go(row < 0 ? null : row);
  }

  peek(row) {
    this.hover(row, null);
  }

  hover(row, panel, ahead = []) {
    if (row === this.hovered && row < 0) return;
    this.hovered = row;
    for (const other of this.panels) {
      other.scatter.marks.hovered = row;
      other.scatter.redrawTop();
      if (other === panel && row >= 0) other.tooltip.show(row, other.scatter);
      else other.tooltip.hide();
    }
    if (row >= 0) this.pictures?.want(panel ? [row] : [], ahead);
  }

  towards(panel, dx, dy) {
    const { scatter } = panel;
    const from = this.hovered >= 0 ? this.hovered : this.model.get("selected");
    const middle = [scatter.width / 2, scatter.height / 2];
    const next = from === null
      ? scatter.near(...middle, scatter.width, 1)[0] ?? -1
      : nextTowards(scatter.places, from, dx, dy);
    if (next < 0) return;
    scatter.reveal(next);
    this.hover(next, panel, scatter.near(...scatter.at(next), 60, 9));
    this.status.textContent = `image ${next}, ${this.caption(next)}`;
  }

  lasso(panel, path, done) {
    panel.scatter.marks.lasso = done ? null : path;
    panel.scatter.redrawTop();
    if (!done) return;
    const polygon = path.map((point) => panel.scatter.toPlane(...point));
    this.select(rowsInside(panel.scatter.places, polygon));
  }

  select(rows) {
    this.set("selection", new DataView(Int32Array.from(rows).buffer));
  }

  clear() {
    this.hover(-1, null);
    if (this.selection().length) this.select([]);
    if (this.model.get("selected") !== null) this.go(null);
  }

  // --- what follows from the state ------------------------------------------------------------------

  follow() {
    const reactions = {
      "change:epoch": () => this.showEpoch(),
      "change:colour change:_correct change:_shades": () => this.showColours(),
      "change:selected change:_found change:colour": () => this.showFound(),
      "change:selection": () => this.showLasso(),
      "change:epoch change:colour change:k": () => this.toolbar.update(),
      "change:_message": () => (this.error.textContent = this.model.get("_message")),
    };
    for (const [names, react] of Object.entries(reactions)) {
      for (const name of names.split(" ")) this.model.on(name, react);
      this.endings.push(() => names.split(" ").forEach((name) => this.model.off(name, react)));
    }
    const resized = new ResizeObserver(() => this.resize()); // and once at the beginning
    this.panels.forEach((panel) => resized.observe(panel.scatter.holder));
    this.endings.push(() => resized.disconnect(), watchTheme(() => this.retheme()));
  }

  resize() {
    this.theme = readTheme(this.root);
    this.panels.forEach((panel) => panel.scatter.resize(this.theme));
    this.showLegend();
  }

  retheme() {
    if (this.theme && this.theme.paper !== readTheme(this.root).paper) this.resize();
  }

  showEpoch() {
    for (const { scatter, space, caption } of this.panels) {
      scatter.go(this.toolbar.epoch);
      caption.replaceChildren(make("b", {}, space.name), ` ${space.how}`);
    }
    this.hover(-1, null);
  }

  showColours() {
    const colour = this.model.get("colour");
    const correct = this.correct();
    this.shades = readShades(this.model.get("_shades"), this.scene.style.ramp.length);
    const chosen = this.chosen();
    this.panels.forEach(({ scatter }, i) => {
      const kinds = this.kinds(colour, correct[i]);
      scatter.paint(kinds, stackingOrder(kinds), chosen);
    });
    this.showLegend();
  }

  correct() { // of the last epoch until Python has judged the next
    return this.model.get("_correct").right?.map(bytes) ?? [];
  }

  showLegend() {
    if (!this.theme) return;
    const fresh = this.model.get("_correct").epoch === this.model.get("epoch");
    showLegend(this.legend, this, this.model.get("colour"), fresh ? this.correct() : []);
  }

  kinds(colour, correct) {
    const { n, labels, coloured } = this.scene;
    const kinds = new Uint8Array(n).fill(QUIET);
    if (colour === "class") {
      for (let i = 0; i < n; i++) {
        const slot = coloured.indexOf(labels[i]);
        if (slot >= 0) kinds[i] = slot;
      }
    } else if (colour === "correct" && correct) {
      for (let i = 0; i < n; i++) kinds[i] = correct[i] ? RIGHT : WRONG;
    } else if (colour === "label" && this.shades) {
      for (let i = 0; i < n; i++) {
        const step = shadeOf(this.shades, i);
        if (step !== null) kinds[i] = RAMP + step;
      }
    }
    return kinds;
  }

  showFound() {
    const selected = this.model.get("selected");
    const found = this.model.get("_found");
    const here = found.row === selected && selected !== null;
    const members = this.members(selected);
    this.ringed = members.length > 0;
    this.showLegend();
    this.panels.forEach((panel, i) => {
      const near = here ? readFound(found.spaces[i]) : null;
      Object.assign(panel.scatter.marks, { selected, found: near, members });
      panel.scatter.redrawTop();
      if (near || selected === null) {
        const about = { dimensions: panel.space.dimensions, metric: this.scene.metric };
        showNeighbours(panel.strip, this, selected, near, about);
      }
    });
  }

  members(row) { // the others of a clicked image's class, unless they are too many to ring
    const { labels, coloured, n } = this.scene;
    if (row === null || !labels.length) return [];
    if (this.model.get("colour") === "class" && coloured.includes(labels[row])) return [];
    const rows = [];
    for (let i = 0; i < n; i++) if (labels[i] === labels[row] && i !== row) rows.push(i);
    return rows.length > MOST_MEMBERS ? [] : rows;
  }

  showLasso() {
    showSelection(this.lassoed, this, this.selection(), () => {
      this.select([]);
      this.panels[0].scatter.top.focus(); // the button is gone
    });
    this.showColours(); // the others become faint
  }

  selection() {
    const data = this.model.get("selection");
    return data?.byteLength ? Array.from(integers(data)) : [];
  }

  chosen() {
    const rows = this.selection();
    if (!rows.length) return null;
    const chosen = new Uint8Array(this.scene.n);
    for (const row of rows) chosen[row] = 1;
    return chosen;
  }

  arrived(rows) {
    for (const canvas of this.root.querySelectorAll("canvas[data-row]")) {
      const row = Number(canvas.dataset.row);
      if (rows.has(row)) drawPicture(canvas, this.pictures.get(row));
    }
  }

  // --- words ----------------------------------------------------------------------------------------

  caption(row) {
    const { labels, classes } = this.scene;
    if (labels.length) return classes[labels[row]];
    return this.shades ? this.shades.values[row].toPrecision(3) : "";
  }

  inWords(row) {
    const what = this.scene.labels.length || !this.shades ? "" : `${this.shades.what} `;
    return [what + this.caption(row), row].filter((word) => word !== "").join(" · ");
  }

  shade(row) { // the colour of a continuous label
    const step = this.shades && shadeOf(this.shades, row);
    return step === null ? this.scene.style.quiet : this.scene.style.ramp[step];
  }

  summary(rows) { // of a lasso: the most frequent classes
    const { labels, classes } = this.scene;
    if (!labels.length) return "";
    const counts = new Map();
    for (const row of rows) counts.set(labels[row], (counts.get(labels[row]) ?? 0) + 1);
    const order = [...counts].sort((a, b) => b[1] - a[1]);
    const first = order.slice(0, 4).map(([label, count]) => `${classes[label]}: ${count}`);
    const more = order.length > 4 ? ` and ${order.length - 4} classes more` : "";
    return ` · ${first.join(", ")}${more} `;
  }

  close() {
    this.toolbar.stop();
    this.pictures?.close();
    this.endings.forEach((end) => end());
  }
}

export default {
  render({ model, el }) {
    const page = new Page(model, el);
    return () => page.close();
  },
};
