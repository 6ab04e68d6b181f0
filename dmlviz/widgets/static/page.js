// What every widget asks of the page that it stands in: elements, and its colours.

// JupyterLab takes keys for its own (a, b: new cell; d d: delete it) unless the element that has the
// focus says otherwise; it asks none of those around it.
const FOCUSABLE = ["button", "input", "select"];
export const OWN_KEYS = "data-lm-suppress-shortcuts";

// An element: make("p", {class: "x", "aria-label": "…"}, "text", child, …).
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  if (FOCUSABLE.includes(tag)) element.setAttribute(OWN_KEYS, "true");
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Paper and ink as the page has them now, and whether the paper is dark.
export function readTheme(root) {
  const { backgroundColor, color } = getComputedStyle(root);
  const context = make("canvas", { width: 1, height: 1 }).getContext("2d");
  context.fillStyle = backgroundColor;
  context.fillRect(0, 0, 1, 1);
  const paperBytes = [...context.getImageData(0, 0, 1, 1).data.subarray(0, 3)];
  const dark = paperBytes.reduce((total, part) => total + part) < 384;
  return { paper: backgroundColor, paperBytes, ink: color, dark };
}

// Calls `react` whenever the page may have changed its colours; returns a function that ends it.
// The page changes its body for many reasons, and while it does so its parts may be hidden.
export function watchTheme(react) {
  const watch = new MutationObserver(() => requestAnimationFrame(react));
  const where = { attributes: true, attributeFilter: ["data-jp-theme-name", "class", "style"] };
  watch.observe(document.body, where);
  return () => watch.disconnect();
}
