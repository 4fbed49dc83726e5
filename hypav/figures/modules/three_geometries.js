// Notebook 02: one triangle on the sphere, in the plane and on the hyperboloid, and on the map of all three.
// State: v and w are tangent vectors at the origin, so that the distances of x and y to it do not change with k.

const MOST = 0.9; // the longest of them: 1.8 from the origin
const TILT = (28 * Math.PI) / 180;

/** A point of the model on its surface in space, which touches the plane in the origin: (x₁, x₂, height). */
function lift(x, k) {
  const scale = factor(x, k);
  return [...times(scale, x), Math.sqrt(Math.abs(k)) * scale * dot(x, x)];
}

/** Where the eye sees a point of space, after a turn about the vertical axis. */
function seen([x, y, height], turn) {
  const [c, s] = direction((turn * Math.PI) / 180);
  return [c * x - s * y, Math.sin(TILT) * (s * x + c * y) + Math.cos(TILT) * height];
}

function numbers({ k, v, w }) {
  const [x, y] = [expmap0(v, k), expmap0(w, k)];
  const side = segment(x, y, k);
  return {
    points: [x, y],
    geodesic: side,
    distance: distance(x, y, k),
    to_origin: [x, y].map((point) => distance(point, [0, 0], k)),
    angle_sum: angleSum([[0, 0], x, y], k),
    lifted: side.map((point) => lift(point, k)),
    lifted_points: [x, y].map((point) => lift(point, k)),
  };
}

function sentence({ k }, found) {
  const name = k < 0 ? "the hyperbolic plane" : k > 0 ? "the sphere" : "the flat plane";
  const [a, b] = found.to_origin.map((value) => fixed(value));
  const angles = found.angle_sum === null
    ? "There is no triangle."
    : `The angles of the triangle 0, x, y sum to ${fixed(found.angle_sum, 0)} degrees.`;
  return (
    `Curvature ${short(k)}, ${name}: x is ${a} from the origin and y is ${b}, for every k. ` +
    `The distance between x and y is ${fixed(found.distance)}. ${angles}`
  );
}

/** Circles around the origin and rays from it, as far as `reach`: tangent vectors. */
const NET = [
  ...[0.225, 0.45, 0.675, MOST].map((r) => linspace(0, 2 * Math.PI, 61).map((angle) => times(r, direction(angle)))),
  ...linspace(0, 2 * Math.PI, 13).slice(1).map((angle) => linspace(0, MOST, 25).map((r) => times(r, direction(angle)))),
];

const SPACE = 3.1, FLAT = 2.4;

export default explorer({
  title: "Sphere, plane and hyperboloid",
  note: "Drag x and y in the picture on the right, or Tab to them and press the arrow keys.",
  numbers,
  sentence,
  panels: () => [
    new Panel({ title: "The surface in space", x: [-SPACE, SPACE], y: [-1.6, 4.6] }),
    new Panel({ title: "Its map", x: [-FLAT, FLAT], y: [-FLAT, FLAT] }),
  ],
  controls: () => [
    { kind: "slider", key: "k", label: "curvature k", low: -1, high: 1, step: 0.05 },
    { kind: "slider", key: "turn", label: "turn, degrees", low: -180, high: 180, step: 15, digits: 0 },
  ],
  handles: ([, flat]) => ["v", "w"].map((key, i) => ({
    panel: flat, label: `point ${"xy"[i]}`, mark: "xy"[i], look: "ink", shape: ["square", "diamond"][i],
    get: (state) => expmap0(state[key], state.k),
    set: (state, value) => {
      const v = logmap0(inside(value, state.k), state.k), size = length(v);
      state[key] = (size > MOST ? times(MOST / size, v) : v).map((part) => Number(part.toFixed(6)));
    },
  })),
  draw: ([space, flat], { k, turn }, found) => {
    const net = NET.map((curve) => curve.map((v) => expmap0(v, k)));
    const look = (point) => seen(point, turn);
    space.lines(net.map((curve) => curve.map((x) => look(lift(x, k)))), "line thin");
    const ends = found.lifted_points.map(look);
    const sides = found.points.map((x) => segment([0, 0], x, k, 21).map((p) => look(lift(p, k))));
    space.lines(sides, "red dash");
    space.lines([found.lifted.map(look)], "blue wide");
    space.marks([[0, 0]], "quiet", "circle", 0.7);
    space.marks([ends[0]], "ink", "square");
    space.marks([ends[1]], "ink", "diamond");
    ends.forEach((end, i) => space.text(end, "xy"[i]));
    flat.rim(k);
    flat.lines(net, "line thin");
    flat.lines(found.points.map((x) => [[0, 0], x]), "red dash");
    flat.lines([found.geodesic], "blue wide");
    flat.legend([["blue wide", "line", `from x to y: ${fixed(found.distance)}`], ["red dash", "line", "from 0"]]);
  },
});
