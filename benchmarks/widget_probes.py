"""What runs inside of the page to measure a widget: JavaScript, one probe each."""

# The picture, and moves of the first slider.
_REPAINTED = """
const image = document.querySelector(".widget-image");
const frame = () => new Promise(requestAnimationFrame);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const handle = document.querySelector(".widget-slider .noUi-handle");
const press = (key) =>
  handle.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
const slider = document.querySelector(".widget-slider .noUi-target").noUiSlider;
const value = () => Number(slider.get()); // the handle's aria-valuenow comes later
let key = "ArrowLeft";
const move = () => { // one step, and at the end of the slider back
  const before = value();
  press(key);
  if (value() === before) press(key = key === "ArrowLeft" ? "ArrowRight" : "ArrowLeft");
};
"""

# Times in ms from a key on the first slider until the browser has painted the new picture: it says
# so itself (Element Timing).
PRESS = f"""async (times) => {{
  {_REPAINTED}
  image.setAttribute("elementtiming", "picture");
  const painted = () => new Promise((done, fail) => {{
    const watch = new PerformanceObserver((list) => {{
      watch.disconnect();
      done(list.getEntries()[0].renderTime);
    }});
    watch.observe({{type: "element"}});
    setTimeout(() => fail(new Error("no other picture in ten seconds")), 10_000);
  }});
  const taken = [];
  for (let i = 0; i < times; i++) {{
    const end = painted();
    const start = performance.now();
    move();
    taken.push(await end - start);
    await sleep(150);
  }}
  return taken;
}}"""

# The slider's moves [ms, value], and when each picture was decoded, ms.
DRAG = f"""async (seconds) => {{
  {_REPAINTED}
  const moves = [], painted = [];
  const watch = new MutationObserver(() =>
    image.decode().catch(() => {{}}).then(() => painted.push(performance.now())));
  watch.observe(image, {{attributes: true, attributeFilter: ["src"]}});
  const end = performance.now() + 1000 * seconds;
  while (performance.now() < end) {{
    move();
    moves.push([performance.now(), value()]);
    await frame();
  }}
  await sleep(1500);
  watch.disconnect();
  return [moves, painted];
}}"""

# Pictures a second that were decoded and painted.
FRAMES = f"""async (seconds) => {{
  {_REPAINTED}
  let painted = 0, last = "";
  const end = performance.now() + 1000 * seconds;
  while (performance.now() < end) {{
    await frame();
    if (image.src !== last && image.complete && image.naturalWidth > 0) {{
      last = image.src;
      painted += 1;
    }}
  }}
  return painted / seconds;
}}"""

# Times in ms from the mouse on a place of the map to the picture of the point there.
HOVER = """async (times) => {
  const canvas = document.querySelector(".dmlviz-ee .map canvas:nth-child(2)");
  const box = canvas.getBoundingClientRect();
  const frame = () => new Promise(requestAnimationFrame);
  const afterwards = () => new Promise((done) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = done;
    channel.port2.postMessage(0);
  });
  const tip = () => document.querySelector(".dmlviz-ee .tip");
  const ready = () => {
    const picture = tip()?.querySelector("canvas");
    return tip() && !tip().hidden && picture && picture.getContext("2d")
      .getImageData(0, 0, picture.width, picture.height).data.some((value) => value);
  };
  const move = (x, y) => canvas.dispatchEvent(new PointerEvent("pointermove", {
    bubbles: true, clientX: box.left + x, clientY: box.top + y, movementX: 1,
  }));
  const taken = [];
  for (let i = 0; taken.length < times && i < 10 * times; i++) {
    move(2, 2);
    await frame();
    const angle = 2.4 * i, radius = 10 + 1.5 * i % 150;  // places all over the map
    const start = performance.now();
    move(box.width / 2 + radius * Math.cos(angle), box.height / 2 + radius * Math.sin(angle));
    await frame();
    if (!tip() || tip().hidden) continue;  // no point there
    while (!ready() && performance.now() - start < 3000) await frame();
    await afterwards(); // what this frame shows is drawn before the next message is read
    taken.push(performance.now() - start);
    await new Promise((done) => setTimeout(done, 60));
  }
  return taken;
}"""

# Times in ms of a message to the kernel and its answer.
ECHO = """async (times) => {
  const taken = [];
  for (let i = 0; i < times; i++) {
    const start = performance.now();
    await new Promise((done) => {
      const answered = () => {
        window.echo.off("msg:custom", answered);
        done();
      };
      window.echo.on("msg:custom", answered);
      window.echo.send({});
    });
    taken.push(performance.now() - start);
    await new Promise((done) => setTimeout(done, 60));
  }
  return taken;
}"""

# Frames a second while every frame brings an event of the mouse.
EVENTS = """async (kind) => {
  const canvas = document.querySelector(".dmlviz-ee .map canvas:nth-child(2)");
  const box = canvas.getBoundingClientRect();
  const event = (type, x, y, more = {}) => {
    const place = {bubbles: true, cancelable: true, clientX: box.left + x, clientY: box.top + y};
    const of = type === "wheel" ? WheelEvent : PointerEvent;
    canvas.dispatchEvent(new of(type, {...place, movementX: 1, button: 0, ...more}));
  };
  canvas.setPointerCapture = () => {};
  event(kind === "pan" ? "pointerdown" : "pointermove", 200, 200);
  const began = performance.now();
  for (let i = 0; i < 90; i++) {
    await new Promise(requestAnimationFrame);
    const [dx, dy] = [100 * Math.sin(i / 15), 80 * Math.cos(i / 15)];
    if (kind === "zoom") event("wheel", 200, 200, {deltaY: Math.sin(i / 15) > 0 ? -40 : 40});
    else event("pointermove", 200 + dx, 200 + dy);
  }
  if (kind === "pan") event("pointerup", 200, 200);
  return 90_000 / (performance.now() - began);
}"""

# The page's heap in MiB, its garbage collected.
HEAP = """async () => {
  for (let i = 0; i < 3; i++) { gc(); await new Promise((done) => setTimeout(done, 100)); }
  return performance.memory.usedJSHeapSize / 2 ** 20;
}"""

# Begins to run code in the kernel, and does not wait for its end.
START = """(code) => {
  const {session} = window.jupyterapp.shell.currentWidget.sessionContext;
  session.kernel.requestExecute({code, store_history: false});
}"""
