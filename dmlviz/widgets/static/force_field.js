// ForceField: points and proxies that follow the mouse along a circle, and the forces on them.
//
// The model (Python) owns the angles. While a point is dragged the page sets them and draws it at
// once; Python answers with the arrows. The widget's manager has one message under way and keeps
// only the latest of what is to follow, so that a slow loss makes the arrows late, never the point.

import { make, readTheme, watchTheme } from "./page.js";
import { Circle } from "./force_field_circle.js";

const REACH = 20; // pixels from a point within which it is meant
const TURN_BY = 2; // degrees, for a key
const CALMER = 0.97; // each step of those let go is so much shorter than the one before
const REST = 0.05; // degrees, the last of them

const wrapped = (degrees) => ((Math.round(degrees * 10) / 10) % 360 + 360) % 360;

class ForceFieldPage {
  constructor(model, el) {
    this.model = model;
    this.circle = new Circle(model.get("_look"));
    this.ended = new AbortController();
    this.held = null; // {handle, beside}: what the mouse holds, and how far beside its middle
    this.asked = this.stepping = false;
    this.pace = 0; // degrees of the next step while points are let go
    this.build(el);
    this.listen();
    this.follow();
    this.run(0);
  }

  // --- the page -------------------------------------------------------------------------------------

  build(el) {
    const { labels, key } = this.model.get("_look");
    this.handles = [
      ...labels.map((label, i) => this.handle(false, i, `point ${i} of class ${label}`)),
      ...this.model.get("proxy_angles").map((_, i) => this.handle(true, i, `proxy of class ${i}`)),
    ];
    const elements = this.handles.map(({ element }) => element);
    this.stage = make("div", { class: "stage" }, this.circle.canvas, ...elements);
    this.caption = make("p", { class: "caption" });
    this.error = make("p", { class: "error", role: "alert" });
    const button = (words, title, action) => {
      const made = make("button", { type: "button", title }, words);
      made.addEventListener("click", action);
      return made;
    };
    this.release = button("let go", "all points follow their arrows until they rest", () => {
      this.run(this.pace ? 0 : this.model.get("_look").step);
    });
    const step = button("step", "all points move a little along their arrows", () => {
      this.run(0);
      this.step(this.model.get("_look").step);
    });
    const reset = button("reset", "put all back", () => {
      this.run(0);
      this.model.send({ type: "reset" });
    });
    const tools = make("div", { class: "tools" }, step, this.release, reset);
    const keys = "drag along the circle · Tab chooses, ← → move, Esc lets go";
    this.root = make(
      "div", { class: "dmlviz-ff" },
      this.caption, this.stage, make("p", { class: "key" }, key), tools,
      make("p", { class: "keys" }, keys), this.error,
    );
    el.append(this.root);
  }

  // A point or a proxy for the keyboard and for screen readers; the mouse takes what is nearest.
  handle(proxy, index, words) {
    const element = make("button", {
      type: "button", class: "handle", role: "slider", "aria-label": words,
      "aria-valuemin": 0, "aria-valuemax": 360,
    });
    return { index, element, trait: proxy ? "proxy_angles" : "angles" };
  }

  // --- what people do -------------------------------------------------------------------------------

  angle(handle) {
    return this.model.get(handle.trait)[handle.index];
  }

  move(handle, degrees) {
    if (this.stepping) return; // its answer would undo this
    const places = [...this.model.get(handle.trait)];
    places[handle.index] = wrapped(degrees);
    this.model.set(handle.trait, places);
    this.model.save_changes();
  }

  nearest(px, py) { // of equally near ones a point, which lies above the proxies
    const away = (handle) => {
      const [x, y] = this.circle.at(this.angle(handle));
      return Math.hypot(x - px, y - py);
    };
    const [first] = [...this.handles].sort((a, b) => away(a) - away(b));
    return away(first) <= REACH ? first : null;
  }

  listen() {
    const { stage, circle } = this;
    const on = (target, name, react, options = {}) =>
      target.addEventListener(name, react, { signal: this.ended.signal, ...options });
    const place = ({ clientX, clientY }) => {
      const box = stage.getBoundingClientRect();
      return [clientX - box.left, clientY - box.top];
    };
    on(stage, "pointerdown", (event) => {
      const handle = event.button === 0 ? this.nearest(...place(event)) : null;
      if (!handle) return;
      this.run(0);
      stage.setPointerCapture(event.pointerId);
      handle.element.focus({ preventScroll: true });
      this.held = { handle, beside: this.angle(handle) - circle.degrees(...place(event)) };
      this.redraw();
    });
    on(stage, "pointermove", (event) => {
      const at = place(event);
      const towards = circle.degrees(...at);
      if (!this.held) stage.classList.toggle("near", this.nearest(...at) !== null);
      else if (towards !== null) this.move(this.held.handle, towards + this.held.beside);
    });
    on(stage, "lostpointercapture", () => this.letGo());
    // Neither may the focus leave what is held, nor the page scroll under a finger that holds it.
    on(stage, "mousedown", (event) => this.held && event.preventDefault());
    on(stage, "touchstart", (event) => this.held && event.preventDefault(), { passive: false });
    for (const handle of this.handles) {
      on(handle.element, "keydown", (event) => this.key(handle, event));
    }
  }

  key(handle, event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { length } = this.handles;
    const go = (by) => this.handles[(this.handles.indexOf(handle) + by + length) % length].element.focus();
    const turn = (by) => (this.run(0), this.move(handle, this.angle(handle) + by));
    const back = () => turn(TURN_BY); // counter-clockwise
    const forth = () => turn(-TURN_BY);
    const keys = {
      ArrowLeft: back, "[": back, ArrowRight: forth, "]": forth,
      ArrowDown: () => go(1), ArrowUp: () => go(-1),
      Escape: () => (this.letGo(), handle.element.blur()),
    };
    if (!keys[event.key]) return;
    keys[event.key]();
    event.preventDefault();
    event.stopPropagation();
  }

  letGo() {
    this.held = null;
    this.redraw();
  }

  // --- steps: one at a time, the next when Python has answered ---------------------------------------

  step(size) {
    if (this.stepping) return;
    this.stepping = true;
    this.model.send({ type: "step", size });
  }

  stepped(moved) {
    this.stepping = false;
    if (!this.pace) return;
    this.run(moved ? this.pace * CALMER : 0);
  }

  run(pace) {
    this.pace = pace > REST ? pace : 0;
    this.release.setAttribute("aria-pressed", this.pace > 0);
    if (this.pace) requestAnimationFrame(() => this.pace && this.step(this.pace));
  }

  // --- what follows from the state ------------------------------------------------------------------

  follow() {
    const state = "change:angles change:proxy_angles change:_arrows change:_message";
    const redraw = () => this.redraw();
    const answer = (message) => message.type === "stepped" && this.stepped(message.moved);
    for (const name of state.split(" ")) this.model.on(name, redraw);
    this.model.on("msg:custom", answer);
    const resized = new ResizeObserver(() => this.resize()); // and once at the beginning
    resized.observe(this.stage);
    const unwatch = watchTheme(() => this.retheme());
    this.ended.signal.addEventListener("abort", () => {
      for (const name of state.split(" ")) this.model.off(name, redraw);
      this.model.off("msg:custom", answer);
      resized.disconnect();
      unwatch();
    });
  }

  resize() {
    this.circle.resize(readTheme(this.root));
    this.redraw();
  }

  retheme() {
    if (this.circle.theme?.paper !== readTheme(this.root).paper) this.resize();
  }

  redraw() { // at most once a frame
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      if (this.circle.size > 0) this.show();
    });
  }

  show() {
    const { model, circle } = this;
    const { along, caption } = model.get("_arrows");
    const held = this.held && this.angle(this.held.handle);
    const [angles, proxyAngles] = [model.get("angles"), model.get("proxy_angles")];
    circle.draw({ angles, proxyAngles, along, held });
    for (const handle of this.handles) {
      const degrees = this.angle(handle);
      const [x, y] = circle.at(degrees);
      Object.assign(handle.element.style, { left: `${x}px`, top: `${y}px` });
      handle.element.setAttribute("aria-valuenow", degrees.toFixed(1));
      handle.element.setAttribute("aria-valuetext", `${degrees.toFixed(0)} degrees`);
    }
    this.stage.classList.toggle("held", held !== null);
    this.caption.textContent = caption;
    this.error.textContent = model.get("_message");
  }
}

export default {
  render({ model, el }) {
    const page = new ForceFieldPage(model, el);
    return () => page.ended.abort();
  },
};
