// From mouse, wheel, touch and keys to what they mean on a map.

const CLICK = 4; // pixels that a hand may tremble in a click
const REACH = 14; // how far from a point it is still meant
const STEP = 60; // pixels that a key moves the map
const PAGE_SCROLLS = 400; // ms

// `says`: {hover(row, ahead), click(row), lasso(pixels, done), towards(dx, dy), enter(), escape()};
// `lassoing()` tells whether a plain drag draws a lasso. Returns a function that ends it all.
export function listen(scatter, says, lassoing) {
  const canvas = scatter.top;
  const ended = new AbortController();
  const on = (target, name, react, options = {}) =>
    target.addEventListener(name, react, { signal: ended.signal, ...options });
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const hit = (x, y) => scatter.near(x, y, REACH, 1)[0] ?? -1;

  let drag = null; // {kind, start, last, moved, path}
  let moved = false; // the mouse was moved over the map, rather than the map under the mouse
  let scrolled = -Infinity; // when the page was last scrolled

  on(canvas, "pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    const at = place(event);
    const kind = event.shiftKey || lassoing() ? "lasso" : "pan";
    drag = { kind, start: at, last: at, moved: false, path: [at] };
  });

  on(canvas, "pointermove", (event) => {
    const at = place(event);
    moved ||= Boolean(event.movementX || event.movementY);
    if (!drag) return says.hover(hit(...at), scatter.near(...at, 4 * REACH, 9));
    const away = Math.hypot(at[0] - drag.start[0], at[1] - drag.start[1]);
    drag.moved ||= away > CLICK;
    if (!drag.moved) return;
    says.hover(-1, []);
    if (drag.kind === "pan") scatter.pan(at[0] - drag.last[0], at[1] - drag.last[1]);
    else says.lasso((drag.path.push(at), drag.path), false);
    drag.last = at;
  });

  on(canvas, "pointerup", (event) => {
    const done = drag;
    drag = null;
    if (!done) return;
    if (!done.moved) says.click(hit(...place(event)));
    else if (done.kind === "lasso") says.lasso(done.path, true);
  });

  on(canvas, "pointercancel", () => {
    drag = null;
    says.lasso([], false);
  });

  on(canvas, "pointerleave", () => {
    moved = false;
    if (!drag) says.hover(-1, []);
  });

  // Whoever scrolls the page past the map does not want to zoom: the wheel is the map's only after
  // the mouse was moved on it, and the page's for as long as it keeps turning.
  on(window, "wheel", (event) => {
    if (!canvas.contains(event.target)) scrolled = performance.now();
  }, { capture: true, passive: true });

  on(canvas, "wheel", (event) => {
    const passing = !moved || performance.now() - scrolled < PAGE_SCROLLS;
    if (passing && !event.ctrlKey) return void (scrolled = performance.now());
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 18 : 1;
    scatter.zoom(Math.exp(-0.0018 * event.deltaY * lines), ...place(event));
  }, { passive: false });

  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const keys = {
    "+": () => scatter.zoom(1.3),
    "=": () => scatter.zoom(1.3), // the + key without Shift
    "-": () => scatter.zoom(1 / 1.3),
    0: () => scatter.showAll(),
    Enter: () => says.enter(),
    " ": () => says.enter(),
    Escape: () => says.escape(),
  };

  on(canvas, "keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = arrows[event.key];
    if (arrow && event.shiftKey) scatter.pan(-STEP * arrow[0], STEP * arrow[1]);
    else if (arrow) says.towards(...arrow);
    else if (keys[event.key]) keys[event.key]();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  on(canvas, "blur", () => says.hover(-1, []));
  return () => ended.abort();
}
