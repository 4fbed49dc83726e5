// Notebook 00: eight points, a slider for k, and three losses as curves over k.

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const table = (points, f) => points.map((x) => points.map((y) => f(x, y)));
const flat = (matrix) => matrix.flat();
const unit = (x) => times(1 / length(x), x);

/** Eq. 4 for the similarity matrices of the pictures and of the sounds, each divided by its norm or not. */
function difference(a, b, divide) {
  const [p, q] = [a, b].map((matrix) => {
    const values = flat(matrix);
    return divide ? times(1 / length(values), values) : values;
  });
  return mean(minus(p, q).map((value) => value * value));
}

/** Eq. 1: the points as printed. */
const printedPoints = (phi, k) => phi.map((row) => project(row, k, 1e-3));
/** The points of the preset "curved": the embeddings are tangent vectors, scaled by 0.1. */
const curvedPoints = (phi, k) => phi.map((row) => project(expmap0(times(0.1, row), k), k, 1e-3));

function losses({ phi_v, phi_a }, k) {
  const [v, a] = [phi_v, phi_a].map((phi) => {
    const rows = printedPoints(phi, k).map((point) => unit(logmap0(point, k)));
    return table(rows, dot);
  });
  const [far_v, far_a] = [phi_v, phi_a].map((phi) => table(curvedPoints(phi, k), (x, y) => -distance(x, y, k)));
  return {
    printed: difference(v, a, true),
    released: difference(v, a, false),
    curved: difference(far_v, far_a, false),
  };
}

const KS = Array.from({ length: 41 }, (_, i) => Number(((i - 20) * 0.05).toFixed(2)));
const NAMES = ["printed", "released", "curved"];

function numbers(state) {
  const flatSpace = losses(state, 0), here = losses(state, state.k);
  const each = KS.map((k) => losses(state, k));
  const both = (f) => [state.phi_v, state.phi_a].map((phi) => f(phi, state.k));
  return {
    loss: Object.fromEntries(NAMES.map((name) => [name, here[name]])),
    relative: Object.fromEntries(NAMES.map((name) => [name, here[name] / flatSpace[name]])),
    curves: Object.fromEntries(NAMES.map((name) => [name, each.map((loss) => loss[name] / flatSpace[name])])),
    printed_points: both(printedPoints),
    curved_points: both(curvedPoints),
  };
}

function sentence({ k }, { relative }) {
  const space = k < 0 ? "hyperbolic" : k > 0 ? "spherical" : "flat";
  return (
    `Curvature ${short(k)}, ${space}. Each loss divided by its value at k = 0: printed ${fixed(relative.printed, 3)}, ` +
    `released ${fixed(relative.released, 3)}, curved ${fixed(relative.curved, 3)}.`
  );
}

const LOOKS = { printed: ["ink", "square"], released: ["blue dash", "circle"], curved: ["red dashdot", "triangle"] };
const VIEW = 2.4;

export default explorer({
  title: "Eight points and three losses",
  note: "Rays: the directions of the four pictures (squares) and of their sounds (circles). Filled: the points of the " +
    "printed and the released loss. Hollow: the points of the curved loss. Points outside the picture are not drawn.",
  numbers,
  sentence,
  panels: () => [
    new Panel({ title: "Where are the eight points?", x: [-VIEW, VIEW], y: [-VIEW, VIEW] }),
    new Panel({
      title: "Which loss changes with k?", x: [-1, 1], y: [0, 2],
      axes: { xname: "curvature k", yname: "loss / loss at k = 0", xticks: [-1, -0.5, 0, 0.5, 1], yticks: [0, 0.5, 1, 1.5, 2] },
    }),
  ],
  controls: () => [{ kind: "slider", key: "k", label: "curvature k", low: -1, high: 1, step: 0.05 }],
  draw: ([ball, chart], { k, phi_v, phi_a }, found) => {
    ball.rim(k);
    [phi_v, phi_a].forEach((phi, kind) => {
      const [look, shape] = [["blue", "square"], ["red", "circle"]][kind];
      ball.lines(phi.map((row) => [[0, 0], times(4, unit(row))]), `${look} thin dots`);
      const seen = (point) => Math.max(...point.map(Math.abs)) < VIEW;
      ball.marks(found.curved_points[kind].filter(seen), `${look} hollow`, shape);
      ball.marks(found.printed_points[kind].filter(seen), look, shape);
      found.curved_points[kind].forEach((point, i) => seen(point) && ball.text(point, String(i + 1)));
    });
    for (const name of NAMES) {
      const [look, shape] = LOOKS[name];
      chart.lines([KS.map((value, i) => [value, found.curves[name][i]])], look);
      chart.marks([[k, found.relative[name]]], look.split(" ")[0], shape);
    }
    chart.lines([[[k, 0], [k, 2]]], "quiet thin dots");
    chart.legend(NAMES.map((name) => [LOOKS[name][0], "line", name]), { x: 62, y: 16 });
  },
});
