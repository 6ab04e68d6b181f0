// What is above the maps: colour, k, epoch, and what the mouse does.

import { make } from "./page.js";

const EVERY = 700; // ms per epoch

const COLOURS = {
  class: "class",
  correct: "right or wrong",
  label: "continuous label",
};

export class Toolbar {
  // `says`: {zoom(factor), showAll()}. Everything else goes through the model, as from Python.
  constructor(model, scene, says) {
    this.model = model;
    this.scene = scene;
    this.lassoing = false;
    const parts = [this.colour(), this.neighbours()];
    if (scene.epochs.length > 1) parts.push(this.scrubber());
    this.element = make("div", { class: "toolbar" }, ...parts, this.tools(says));
    this.update();
  }

  set(name, value) {
    this.model.set(name, value);
    this.model.save_changes();
  }

  colour() {
    const options = this.scene.colours.map((c) => make("option", { value: c }, COLOURS[c]));
    this.colours = make("select", { "aria-label": "colour of the points" }, ...options);
    this.colours.addEventListener("change", () => this.set("colour", this.colours.value));
    return make("label", {}, "colour ", this.colours);
  }

  neighbours() {
    const limits = { type: "range", min: 1, max: this.scene.most, "aria-label": "neighbours" };
    this.k = make("input", limits);
    this.kWords = make("output");
    this.k.addEventListener("input", () => this.set("k", Number(this.k.value)));
    return make("label", {}, "neighbours ", this.k, this.kWords);
  }

  scrubber() {
    const last = this.scene.epochs.length - 1;
    this.play = make("button", { type: "button", class: "play" });
    this.play.addEventListener("click", () => this.toggle());
    this.epochs = make("input", { type: "range", min: 0, max: last, "aria-label": "epoch" });
    this.epochWords = make("output");
    this.epochs.addEventListener("input", () => this.goTo(Number(this.epochs.value)));
    const slider = make("label", {}, "epoch ", this.epochs, this.epochWords);
    return make("span", { class: "scrubber" }, this.play, slider);
  }

  tools(says) {
    const button = (sign, words, action) => {
      const made = make("button", { type: "button", title: words, "aria-label": words }, sign);
      made.addEventListener("click", () => action(made));
      return made;
    };
    const lasso = button("lasso", "draw around points (or Shift and drag)", (made) => {
      this.lassoing = !this.lassoing;
      made.setAttribute("aria-pressed", this.lassoing);
    });
    lasso.setAttribute("aria-pressed", "false");
    const zooms = [
      button("+", "zoom in", () => says.zoom(1.4)),
      button("−", "zoom out", () => says.zoom(1 / 1.4)),
      button("show all", "show all points again", () => says.showAll()),
    ];
    return make("span", { class: "tools" }, lasso, ...zooms);
  }

  get epoch() {
    return this.scene.epochs.indexOf(this.model.get("epoch"));
  }

  goTo(number) {
    this.set("epoch", this.scene.epochs[number]);
  }

  toggle() {
    if (this.playing) return this.stop();
    const last = this.scene.epochs.length - 1;
    if (this.epoch === last) this.goTo(0);
    this.playing = setInterval(() => {
      if (this.epoch < last) this.goTo(this.epoch + 1);
      if (this.epoch === last) this.stop();
    }, EVERY);
    this.update();
  }

  stop() {
    clearInterval(this.playing);
    this.playing = null;
    this.update();
  }

  update() {
    this.colours.value = this.model.get("colour");
    this.k.value = this.model.get("k");
    this.kWords.textContent = this.model.get("k");
    if (!this.play) return;
    this.epochs.value = this.epoch;
    this.epochWords.textContent = this.model.get("epoch");
    this.epochs.setAttribute("aria-valuetext", this.model.get("epoch"));
    this.play.textContent = this.playing ? "❚❚" : "▶";
    this.play.setAttribute("aria-label", this.playing ? "pause" : "play the epochs");
  }
}
