// Shared by all explorers. Python puts this file in front of each module (hypav/figures/explorer.py): no imports.
//
// A module ends in `export default explorer({...})`, see below. `numbers(state)` and `sentence(state, numbers)` need no
// browser: tests compare them with hypav. The state is JSON. Text enters the page as text, never as HTML.

// --- numbers as text, the same as hypav.figures.explorer.fixed and .short ---

/** x with a fixed number of decimals, as Python rounds: exact halves to even; a true minus sign, none before zero. */
function fixed(x, digits = 2) {
  const doubled = x * 2 ** (digits + 1);
  let text = x.toFixed(digits);
  if (Number.isInteger(doubled) && doubled % 2 !== 0) {
    const scale = 10 ** digits, below = Math.floor(x * scale);
    text = ((below % 2 === 0 ? below : below + 1) / scale).toFixed(digits);
  }
  if (!/[1-9]/.test(text)) text = text.replace("-", "");
  return text.replace("-", "−");
}

/** x with at most six significant digits, as Python's "{x:g}". */
function short(x) {
  return String(Number(x.toPrecision(6)) + 0).replace("-", "−");
}

// --- the space of curvature k; points are arrays of any length. See hypav/geometry.py ---

const MARGIN = 2 * Number.EPSILON;

function dot(x, y) {
  let sum = 0;
  for (let i = 0; i < x.length; i += 1) sum += x[i] * y[i];
  return sum;
}

function squaredGap(x, y) {
  let sum = 0;
  for (let i = 0; i < x.length; i += 1) sum += (x[i] - y[i]) * (x[i] - y[i]);
  return sum;
}

const times = (s, x) => x.map((value) => s * value);
const plus = (x, y) => x.map((value, i) => value + y[i]);
const minus = (x, y) => x.map((value, i) => value - y[i]);
const length = (x) => Math.sqrt(dot(x, x));
const linspace = (low, high, count) =>
  Array.from({ length: count }, (_, i) => (i === count - 1 ? high : low + (i * (high - low)) / (count - 1)));
const direction = (angle) => [Math.cos(angle), Math.sin(angle)];

function tanRatio(v) {
  const s = Math.sqrt(Math.abs(v));
  return s === 0 ? 1 : (v < 0 ? Math.tanh(s) : Math.tan(s)) / s;
}

/** artan_k(x)/x of u = kx²; w = 1 + u has more digits near the rim. */
function artanRatio(u, w) {
  const s = Math.sqrt(Math.abs(u));
  if (s === 0) return 1;
  if (u > 0) return Math.atan(s) / s;
  return (u > -0.6 ? Math.atanh(s) : Math.log1p(Math.min(s, 1)) - Math.log(Math.min(w, 1)) / 2) / s;
}

const onePlus = (x, k) => Math.max(1 + k * dot(x, x), MARGIN);
const factor = (x, k) => 2 / onePlus(x, k);

function mobiusAdd(x, y, k) {
  const xy = dot(x, y), xx = dot(x, x), yy = dot(y, y);
  const a = 1 - 2 * k * xy - k * yy, b = 1 + k * xx, below = 1 - 2 * k * xy + k * k * xx * yy;
  return x.map((value, i) => (a * value + b * y[i]) / below);
}

const expmap0 = (v, k) => times(tanRatio(k * dot(v, v)), v);
const logmap0 = (x, k) => times(artanRatio(k * dot(x, x), onePlus(x, k)), x);
const expmap = (z, v, k) => mobiusAdd(z, expmap0(times(1 / onePlus(z, k), v), k), k);

function movedToOrigin(gap, product, k) {
  const below = Math.max(product - k * gap, 1e-30);
  return [gap / below, (k * gap) / below, product / below, below];
}

function logmap(z, x, k) {
  const a = onePlus(z, k), difference = minus(x, z), gap = dot(difference, difference);
  const [, u, w, below] = movedToOrigin(gap, a * onePlus(x, k), k);
  const size = (a * artanRatio(u, w)) / below;
  return difference.map((value, i) => size * (a * value + k * gap * z[i]));
}

function distance(x, y, k) {
  const [q, u, w] = movedToOrigin(squaredGap(x, y), onePlus(x, k) * onePlus(y, k), k);
  return 2 * Math.sqrt(q) * artanRatio(u, w);
}

/** Eq. 1: a point farther out than (1 - ξ)/√-k is pulled in to there. */
function project(x, k, xi = 1e-5) {
  const most = k < 0 ? (1 - xi) / Math.sqrt(-k) : Infinity, norm = length(x);
  return norm > most ? times(most / norm, x) : x;
}

/** `points` points of the geodesic from x to y. */
function segment(x, y, k, points = 31) {
  const v = logmap(x, y, k);
  return linspace(0, 1, points).map((t) => expmap(x, times(t, v), k));
}

/** The sum of a triangle's angles in degrees; null if two corners coincide. */
function angleSum(corners, k) {
  let sum = 0;
  for (let i = 0; i < 3; i += 1) {
    const [a, b] = [1, 2].map((turn) => logmap(corners[i], corners[(i + turn) % 3], k));
    if (dot(a, a) === 0 || dot(b, b) === 0) return null;
    const cosine = dot(a, b) / (length(a) * length(b));
    sum += (Math.acos(Math.min(Math.max(cosine, -1), 1)) * 180) / Math.PI;
  }
  return sum;
}

// --- drawing ---

const STYLE = `
.hx { --paper: #fff; --ink: #1b1f24; --quiet: #57606a; --line: #c4cbd3; --field: #f6f8fa; --edge: #6b7681;
  --blue: #0072b2; --red: #c24e00; --green: #007a59; --purple: #a6527f; --ring: #0550ae;
  color: var(--ink); background: var(--paper); font: 15px/1.45 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
  border: 1px solid var(--line); border-radius: 8px; padding: .75rem; margin: 1em 0; max-width: 60rem;
  box-sizing: border-box; }
@media (prefers-color-scheme: dark) { .hx { --paper: #14181d; --ink: #e6e9ed; --quiet: #a3adb8; --line: #3a424c;
  --field: #1d232a; --edge: #8b96a2; --blue: #64b9f0; --red: #ff9a57; --green: #3fcf9f; --purple: #ec9cc6; --ring: #8ec2ff; } }
body[data-jp-theme-light="false"] .hx { --paper: #14181d; --ink: #e6e9ed; --quiet: #a3adb8; --line: #3a424c;
  --field: #1d232a; --edge: #8b96a2; --blue: #64b9f0; --red: #ff9a57; --green: #3fcf9f; --purple: #ec9cc6; --ring: #8ec2ff; }
body[data-jp-theme-light="true"] .hx { --paper: #fff; --ink: #1b1f24; --quiet: #57606a; --line: #c4cbd3;
  --field: #f6f8fa; --edge: #6b7681; --blue: #0072b2; --red: #c24e00; --green: #007a59; --purple: #a6527f; --ring: #0550ae; }
.hx *, .hx *::before { box-sizing: border-box; }
.hx .bar { display: flex; flex-wrap: wrap; gap: .4rem 1.5rem; align-items: center; margin-bottom: .5rem; }
.hx .control { display: flex; flex-wrap: wrap; gap: .4rem; align-items: center; }
.hx button, .hx select { font: inherit; color: inherit; }
.hx button, .hx select { background: var(--field); border: 1px solid var(--edge); border-radius: 5px; min-height: 2rem;
  min-width: 2rem; padding: 0 .55rem; cursor: pointer; max-width: 100%; }
.hx input[type=range] { width: 9.5rem; min-height: 2rem; margin: 0; accent-color: var(--blue); }
.hx input[type=checkbox] { width: 1.15rem; height: 1.15rem; margin: 0; accent-color: var(--blue); }
.hx .value { min-width: 3.4em; font-variant-numeric: tabular-nums; }
.hx .panels { display: flex; flex-wrap: wrap; gap: .5rem; }
.hx figure { flex: 1 1 19.5rem; max-width: 26rem; min-width: 0; margin: 0; padding: 0; }
.hx figcaption { font-weight: 600; font-size: .95em; color: var(--ink); text-align: left; margin: .2rem 0; }
.hx svg { display: block; width: 100%; height: auto; overflow: hidden; background: var(--paper); }
.hx svg text { font: 13px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: var(--ink); }
.hx svg text.halo { paint-order: stroke; stroke: var(--paper); stroke-width: 4px; stroke-linejoin: round; }
.hx [role=status] { margin: .5rem 0 0; min-height: 4.4em; max-width: 46em; }
.hx .note { margin: .3rem 0 0; color: var(--quiet); font-size: .93em; }
.hx :is(button, select, input):focus-visible { outline: 3px solid var(--ring); outline-offset: 2px; }
.hx .handle { cursor: grab; touch-action: none; outline: none; }
.hx .handle .ring { fill: transparent; stroke: transparent; stroke-width: 3; }
.hx .handle:hover .ring { stroke: var(--line); }
.hx .handle:focus .ring { stroke: var(--ring); }
.hx .l { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.hx .thin { stroke-width: 1; } .hx .wide { stroke-width: 3.5; }
.hx .dash { stroke-dasharray: 7 4; } .hx .dots { stroke-dasharray: 1.5 4; } .hx .dashdot { stroke-dasharray: 8 3 2 3; }
.hx .l.blue { stroke: var(--blue); } .hx .l.red { stroke: var(--red); } .hx .l.green { stroke: var(--green); }
.hx .l.purple { stroke: var(--purple); } .hx .l.ink { stroke: var(--ink); } .hx .l.quiet { stroke: var(--quiet); }
.hx .l.line { stroke: var(--line); } .hx .rim { fill: var(--field); stroke: var(--ink); stroke-width: 1.2; }
.hx .f { stroke: var(--paper); stroke-width: 1; }
.hx .f.blue { fill: var(--blue); } .hx .f.red { fill: var(--red); } .hx .f.green { fill: var(--green); }
.hx .f.purple { fill: var(--purple); } .hx .f.ink { fill: var(--ink); } .hx .f.quiet { fill: var(--quiet); }
.hx .hollow.f { fill: var(--paper); stroke-width: 2; }
.hx .hollow.blue { stroke: var(--blue); } .hx .hollow.red { stroke: var(--red); } .hx .hollow.green { stroke: var(--green); }
.hx .hollow.ink { stroke: var(--ink); } .hx .hollow.purple { stroke: var(--purple); } .hx .hollow.quiet { stroke: var(--quiet); }
.hx .bar-fill { stroke-width: 1.5; fill-opacity: .35; }
.hx .bar-fill.blue { fill: var(--blue); stroke: var(--blue); } .hx .bar-fill.red { fill: var(--red); stroke: var(--red); }
@media (max-width: 30rem) {
  .hx .control { flex: 1 0 100%; }
  .hx .control > .name { flex: 1 0 100%; }
  .hx input[type=range] { flex: 1 1 4rem; width: 4rem; }
}
@media print { .hx .bar { display: none; } }
`;

/** An HTML element, or an SVG element for the names that only SVG has. */
function make(name, attributes = {}, ...children) {
  const drawn = ["svg", "g", "path", "circle", "text", "rect"].includes(name);
  const element = drawn ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

const SHAPES = { // around 0, of about the same area
  circle: "M-6 0a6 6 0 1 0 12 0a6 6 0 1 0 -12 0Z",
  square: "M-5.5 -5.5H5.5V5.5H-5.5Z",
  diamond: "M0 -7.5L7.5 0L0 7.5L-7.5 0Z",
  triangle: "M0 -7L7 5.5H-7Z",
  down: "M0 7L7 -5.5H-7Z",
  star: "M0 -8L2.2 -2.6L8 -2.4L3.5 1.3L5 7L0 3.8L-5 7L-3.5 1.3L-8 -2.4L-2.2 -2.6Z",
};

/** A picture with a scale. x and y are the ends of its axes; a panel with `axes` shows ticks and names. */
class Panel {
  constructor({ title, x, y, width = 340, height = 340, axes = null }) {
    Object.assign(this, { x, y, width, height, axes });
    this.left = axes ? 46 : 4;
    this.below = axes ? 40 : 4;
    this.ground = make("g");
    this.layer = make("g");
    this.top = make("g");
    const viewBox = `0 0 ${width} ${height}`;
    this.svg = make("svg", { viewBox, role: "group", "aria-label": title }, this.ground, this.layer, this.top);
    this.caption = make("figcaption", {}, title);
    this.element = make("figure", {}, this.caption, this.svg);
  }

  X(value) {
    return this.left + ((value - this.x[0]) / (this.x[1] - this.x[0])) * (this.width - this.left - 6);
  }

  Y(value) {
    const high = this.height - this.below;
    return high - ((value - this.y[0]) / (this.y[1] - this.y[0])) * (high - 6);
  }

  /** The point under the pointer. */
  at(event) {
    const box = this.svg.getBoundingClientRect();
    const px = ((event.clientX - box.left) / box.width) * this.width;
    const py = ((event.clientY - box.top) / box.height) * this.height;
    const high = this.height - this.below;
    return [
      this.x[0] + ((px - this.left) / (this.width - this.left - 6)) * (this.x[1] - this.x[0]),
      this.y[0] + ((high - py) / (high - 6)) * (this.y[1] - this.y[0]),
    ];
  }

  clear() {
    this.layer.replaceChildren();
    if (this.axes) this.drawAxes(this.axes);
  }

  drawAxes({ xname, yname, xticks, yticks }) {
    const bottom = this.Y(this.y[0]), left = this.X(this.x[0]);
    this.draw("path", { class: "l quiet thin", d: `M${left} ${this.Y(this.y[1])}V${bottom}H${this.X(this.x[1])}` });
    for (const tick of xticks) {
      this.draw("path", { class: "l line thin", d: `M${this.X(tick)} ${bottom}v5` });
      this.draw("text", { x: this.X(tick), y: bottom + 18, "text-anchor": "middle" }, short(tick));
    }
    for (const tick of yticks) {
      this.draw("path", { class: "l line thin", d: `M${left} ${this.Y(tick)}h-5` });
      this.draw("text", { x: left - 8, y: this.Y(tick) + 4, "text-anchor": "end" }, short(tick));
    }
    this.draw("text", { x: (left + this.width) / 2, y: this.height - 5, "text-anchor": "middle" }, xname);
    const middle = (this.Y(this.y[0]) + this.Y(this.y[1])) / 2;
    this.draw("text", { transform: `translate(12 ${middle}) rotate(-90)`, "text-anchor": "middle" }, yname);
  }

  draw(name, attributes, ...children) {
    const element = make(name, attributes, ...children);
    this.layer.append(element);
    return element;
  }

  /** Curves, each a list of points, in one path. */
  lines(curves, look) {
    const d = curves
      .map((curve) => "M" + curve.map(([a, b]) => `${this.X(a).toFixed(2)} ${this.Y(b).toFixed(2)}`).join("L"))
      .join("");
    return this.draw("path", { class: `l ${look}`, d });
  }

  marks(points, look, shape = "circle", size = 1) {
    for (const [a, b] of points) {
      const place = `translate(${this.X(a).toFixed(2)} ${this.Y(b).toFixed(2)}) scale(${size})`;
      this.draw("path", { class: `f ${look}`, d: SHAPES[shape], transform: place });
    }
  }

  text([a, b], words, { dx = 9, dy = -9, anchor = "start" } = {}) {
    const x = Math.min(Math.max(this.X(a) + dx, 8), this.width - 8);
    const y = Math.min(Math.max(this.Y(b) + dy, 14), this.height - 4);
    return this.draw("text", { class: "halo", x, y, "text-anchor": anchor }, words);
  }

  /** The rim of the ball for k < 0, or the equator (dashed) for k > 0. */
  rim(k) {
    if (k === 0) return;
    const r = this.X(1 / Math.sqrt(Math.abs(k))) - this.X(0);
    const look = k < 0 ? "rim" : "l quiet thin dash";
    this.draw("circle", { class: look, cx: this.X(0), cy: this.Y(0), r });
  }

  /** A legend in the top left corner: rows of [look, shape or "line", words]. */
  legend(rows, { x = 12, y = 14 } = {}) {
    rows.forEach(([look, shape, words], row) => {
      const height = y + 18 * row;
      if (shape === "line") this.draw("path", { class: `l ${look}`, d: `M${x - 6} ${height}h22` });
      else this.draw("path", { class: `f ${look}`, d: SHAPES[shape], transform: `translate(${x + 5} ${height})` });
      this.draw("text", { class: "halo", x: x + 21, y: height + 4 }, words);
    });
  }
}

// --- controls ---

/** A slider with two buttons for single steps. */
function slider({ key, label, low, high, step, digits = 2 }, ui) {
  const input = make("input", { type: "range", min: low, max: high, step, "aria-label": label });
  const shown = make("span", { class: "value", "aria-hidden": "true" });
  const set = (value) => ui.change(key, Number(Math.min(Math.max(value, low), high).toFixed(6)));
  input.addEventListener("input", () => set(Number(input.value)));
  const button = (sign, mark, word) => {
    const made = make("button", { type: "button", "aria-label": `${label}: ${word} by ${step}` }, `${mark}${step}`);
    made.addEventListener("click", () => set(ui.state[key] + sign * step));
    return made;
  };
  const name = make("span", { class: "name" }, label);
  const element = make("div", { class: "control" }, name, button(-1, "−", "less"), input, button(1, "+", "more"), shown);
  const sync = () => {
    input.value = ui.state[key];
    input.setAttribute("aria-valuetext", fixed(ui.state[key], digits));
    shown.textContent = fixed(ui.state[key], digits);
  };
  return { element, sync };
}

/** A menu with two buttons for the option before and after; `options` is a list of words. */
function menu({ key, label, options }, ui) {
  const select = make("select", { "aria-label": label }, ...options.map((words) => make("option", { value: words }, words)));
  select.addEventListener("change", () => ui.change(key, select.value));
  const button = (sign, mark, word) => {
    const made = make("button", { type: "button", "aria-label": `${label}: ${word}` }, mark);
    made.addEventListener("click", () => {
      const place = Math.min(Math.max(options.indexOf(ui.state[key]) + sign, 0), options.length - 1);
      ui.change(key, options[place]);
    });
    return made;
  };
  const name = make("span", { class: "name" }, label);
  const element = make("div", { class: "control" }, name, button(-1, "‹", "previous"), select, button(1, "›", "next"));
  return { element, sync: () => (select.value = ui.state[key]) };
}

function checkbox({ key, label }, ui) {
  const input = make("input", { type: "checkbox" });
  input.addEventListener("change", () => ui.change(key, input.checked));
  return { element: make("label", { class: "control" }, input, label), sync: () => (input.checked = ui.state[key]) };
}

/** A button; `action(ui)` may change ui.state and then calls ui.update(). */
function press({ label, action, pressed = null }, ui) {
  const element = make("button", { type: "button" }, label);
  element.addEventListener("click", () => action(ui));
  const sync = () => pressed && element.setAttribute("aria-pressed", String(pressed(ui)));
  return { element, sync };
}

const CONTROLS = { slider, menu, checkbox, press };

/** A point that moves with the pointer and with the arrow keys; with Shift in smaller steps. */
function handle({ panel, label, get, set, look, shape = "circle", step = 0.05, mark = null }, ui) {
  const ring = make("circle", { class: "ring", r: 13 });
  const dot_ = make("path", { class: `f ${look}`, d: SHAPES[shape], transform: "scale(1.3)" });
  const attributes = { class: "handle", tabindex: 0, role: "slider", "aria-label": `${label}, arrow keys move it` };
  const element = make("g", attributes, ring, dot_);
  const words = make("text", { class: "halo", "aria-hidden": "true", "pointer-events": "none" }, mark ?? "");
  panel.top.append(words, element);
  const put = (point) => {
    set(ui.state, point.map((value) => Number(value.toFixed(6))));
    ui.update();
  };
  element.addEventListener("pointerdown", (event) => {
    element.setPointerCapture(event.pointerId);
    event.preventDefault();
    element.focus({ preventScroll: true });
  });
  element.addEventListener("pointermove", (event) => {
    if (element.hasPointerCapture(event.pointerId)) put(panel.at(event));
  });
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };
  element.addEventListener("keydown", (event) => {
    const move = moves[event.key];
    if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    put(plus(get(ui.state), times(event.shiftKey ? step / 5 : step, move)));
  });
  const sync = () => {
    const [a, b] = get(ui.state);
    const x = panel.X(a), y = panel.Y(b);
    element.setAttribute("transform", `translate(${x.toFixed(2)} ${y.toFixed(2)})`);
    element.setAttribute("aria-valuenow", Number(a.toFixed(3)));
    element.setAttribute("aria-valuetext", `${fixed(a)}, ${fixed(b)}`);
    words.setAttribute("x", Math.min(x + 11, panel.width - 26));
    words.setAttribute("y", Math.max(y - 11, 14));
  };
  return { sync };
}

/** The point, pulled into the ball of curvature k < 0 with a margin, and into the square of half width `reach`. */
function inside(point, k, reach = Infinity, margin = 0.03) {
  const boxed = point.map((value) => Math.min(Math.max(value, -reach), reach));
  return project(boxed, k, margin);
}

/**
 * What a module exports.
 *
 * title: the name of the whole; note: one line on what can be moved.
 * numbers(state): the numbers shown; sentence(state, numbers): what they say, announced after every change.
 * panels(state): the Panels; controls(state): a list of {kind, ...}, see above; handles(panels, state): see `handle`.
 * draw(panels, state, numbers): draws into the panels, which were cleared.
 */
function explorer({ title, note = "", numbers, sentence, panels, controls, handles = () => [], draw }) {
  function render({ model, el }) {
    const first = JSON.stringify(model.get("state"));
    const ui = { state: JSON.parse(first), first: JSON.parse(first), timer: null };
    const status = make("p", { role: "status", "aria-live": "polite" });
    const drawn = panels(ui.state);
    const parts = [];
    ui.update = () => {
      const found = numbers(ui.state);
      for (const panel of drawn) panel.clear();
      draw(drawn, ui.state, found);
      for (const part of parts) part.sync();
      status.textContent = sentence(ui.state, found);
    };
    ui.change = (key, value) => {
      ui.state[key] = value;
      ui.update();
    };
    ui.reset = () => {
      clearInterval(ui.timer);
      ui.timer = null;
      ui.state = JSON.parse(first);
      ui.update();
    };
    const bar = make("div", { class: "bar" });
    for (const control of controls(ui.state)) {
      const part = CONTROLS[control.kind](control, ui);
      parts.push(part);
      bar.append(part.element);
    }
    const reset = make("button", { type: "button", title: "Everything back to where it was at first" }, "Reset");
    reset.addEventListener("click", ui.reset);
    bar.append(reset);
    for (const spec of handles(drawn, ui.state)) parts.push(handle(spec, ui));
    const pictures = make("div", { class: "panels" }, ...drawn.map((panel) => panel.element));
    // JupyterLab must not take the keys
    const whole = { class: "hx", role: "group", "aria-label": title, "data-lm-suppress-shortcuts": "true" };
    const style = make("style", {}, STYLE);
    const root = make("div", whole, style, bar, pictures, status, ...(note ? [make("p", { class: "note" }, note)] : []));
    root.addEventListener("keydown", (event) => event.stopPropagation());
    ui.update();
    el.replaceChildren(root);
    return () => clearInterval(ui.timer);
  }
  return { numbers, sentence: (state) => sentence(state, numbers(state)), render };
}
