// ForceField's picture: the circle, what lies on it, and an arrow for each force.

import { drawMarker, pointStyles } from "./sprites.js";

const EXTENT = 1.2; // radii that are seen to each side of the middle
const [POINT, PROXY, HALO] = [6.5, 10, 17]; // radii of the markers, in pixels
const CENTRE = 0.1; // radii from the middle within which a direction means little

export class Circle {
  // `look`: {labels, classes, markers, quiet}, see ForceField.
  constructor(look) {
    this.canvas = document.createElement("canvas");
    this.look = look;
  }

  resize(theme) {
    this.theme = theme;
    this.styles = pointStyles({ ...this.look, ramp: [] }, theme);
    this.scale = window.devicePixelRatio || 1;
    this.size = this.canvas.clientWidth;
    this.canvas.width = this.canvas.height = Math.round(this.size * this.scale);
  }

  // --- where things are: degrees counter-clockwise from the right ----------------------------------

  get radius() {
    return this.size / 2 / EXTENT;
  }

  toScreen(x, y) {
    return [this.size / 2 + x * this.radius, this.size / 2 - y * this.radius];
  }

  at(degrees) {
    const angle = (degrees * Math.PI) / 180;
    return this.toScreen(Math.cos(angle), Math.sin(angle));
  }

  // The direction of a place on the screen, null in the middle.
  degrees(px, py) {
    const [x, y] = [px - this.size / 2, this.size / 2 - py];
    return Math.hypot(x, y) < CENTRE * this.radius ? null : (Math.atan2(y, x) * 180) / Math.PI;
  }

  // --- drawing -------------------------------------------------------------------------------------

  style(label) {
    const count = this.look.classes.length;
    return this.styles[((label % count) + count) % count];
  }

  // `along`: signed lengths of the arrows; `held`: the direction of what the mouse holds, or null.
  draw({ angles, proxyAngles, along, held }) {
    const context = this.canvas.getContext("2d");
    context.setTransform(this.scale, 0, 0, this.scale, 0, 0);
    context.clearRect(0, 0, this.size, this.size);
    context.beginPath();
    context.arc(...this.toScreen(0, 0), this.radius, 0, 2 * Math.PI);
    context.strokeStyle = this.look.quiet;
    context.lineWidth = 1.2;
    context.stroke();
    if (held !== null) this.drawHalo(context, held);
    proxyAngles.forEach((degrees, label) => {
      const { fill } = this.style(label);
      const edge = fill === "#000000" ? this.theme.ink : fill; // black on black
      const style = { marker: "D", hollow: true, edge, width: 2.6 };
      drawMarker(context, style, ...this.at(degrees), PROXY);
    });
    angles.forEach((degrees, i) => this.drawArrow(context, degrees, along[i] ?? 0));
    angles.forEach((degrees, i) => {
      drawMarker(context, this.style(this.look.labels[i]), ...this.at(degrees), POINT);
    });
  }

  drawArrow(context, degrees, length) { // along the tangent; shaft and head as plots.forces has them
    const angle = (degrees * Math.PI) / 180;
    const [x, y] = [Math.cos(angle), Math.sin(angle)];
    const [dx, dy] = [-y * length, x * length];
    const head = (side) =>
      this.toScreen(x + 0.75 * dx - side * 0.13 * dy, y + 0.75 * dy + side * 0.13 * dx);
    context.beginPath();
    context.moveTo(...this.toScreen(x, y));
    context.lineTo(...this.toScreen(x + dx, y + dy));
    context.moveTo(...head(1));
    context.lineTo(...this.toScreen(x + dx, y + dy));
    context.lineTo(...head(-1));
    context.strokeStyle = this.theme.ink;
    context.lineWidth = 1.8;
    context.lineCap = context.lineJoin = "round";
    context.stroke();
  }

  drawHalo(context, degrees) {
    context.beginPath();
    context.arc(...this.at(degrees), HALO, 0, 2 * Math.PI);
    context.globalAlpha = 0.25;
    context.fillStyle = this.theme.ink;
    context.fill();
    context.globalAlpha = 1;
  }
}
