// Notebook 01: a grid, circles, a triangle and a tree with edges of one length, as the curvature changes.

/** The corners of an equilateral triangle around the origin: the sine rule in a sixth of it. */
function triangle(side, k) {
  const half = (side * Math.sqrt(Math.abs(k))) / 2, root = Math.sqrt(Math.abs(k));
  let corner = side / Math.sqrt(3) / 2;
  if (k < 0) corner = Math.tanh(Math.asinh((2 * Math.sinh(half)) / Math.sqrt(3)) / 2) / root;
  if (k > 0) corner = Math.tan(Math.asin((2 * Math.sin(half)) / Math.sqrt(3)) / 2) / root;
  return [90, 210, 330].map((angle) => times(corner, direction((angle * Math.PI) / 180)));
}

/** A tree of degree 3 and depth 4: the points, the parent of each, and -1 for the root. */
function tree(edge, k) {
  const points = [[0, 0]], parents = [-1];
  let level = [0, 1, 2].map((i) => {
    points.push(times(tan_k(edge / 2, k), direction((2 * Math.PI * i) / 3)));
    parents.push(0);
    return i + 1;
  });
  for (let depth = 2; depth <= 4; depth += 1) {
    level = level.flatMap((place) => {
      const here = points[place], home = logmap(here, points[parents[place]], k);
      const v = times(edge / length(home) / factor(here, k), home);
      return [1, 2].map((turn) => {
        const [c, s] = direction((2 * Math.PI * turn) / 3);
        parents.push(place);
        return points.push(expmap(here, [c * v[0] - s * v[1], s * v[0] + c * v[1]], k)) - 1;
      });
    });
  }
  return { points, parents };
}

function grid(step, reach, k) {
  const count = Math.floor(reach / step + 1e-9), lines = [];
  for (const [axis, other] of [[[1, 0], [0, 1]], [[0, 1], [1, 0]]]) {
    for (let i = -count; i <= count; i += 1) {
      const foot = times(tan_k((i * step) / 2, k), axis);
      lines.push(linspace(-reach, reach, 41).map((t) => expmap(foot, times(t / factor(foot, k), other), k)));
    }
  }
  return lines;
}

function numbers({ k, edge }) {
  const { points, parents } = tree(edge, k);
  const edges = points.slice(1).map((point, i) => segment(points[parents[i + 1]], point, k, 9));
  // a vertex is crowded if an edge of other vertices is nearer than half an edge's length
  const crowded = points.filter((point, i) =>
    edges.some((line, j) => {
      const [child, parent] = [j + 1, parents[j + 1]];
      return i !== child && i !== parent && line.some((other) => distance(point, other, k) < 0.5 * edge);
    }));
  const corners = triangle(2 * edge, k);
  const around = circle([0, 0], 2 * edge, k, 5), x = tan_k(2 * edge, k);
  return {
    grid: grid(0.5 * edge, 2.5 * edge, k),
    circles: [[0, 0], around[0], around[2]].map((center) => circle(center, 0.5 * edge, k, 61)),
    triangle: corners.map((corner, i) => segment(corner, corners[(i + 1) % 3], k)),
    angle_sum: angleSum(corners, k),
    circle_length: (4 * Math.PI * x) / (1 + k * x * x),
    tree: points,
    edges,
    crowded: crowded.length,
  };
}

function sentence({ k }, found) {
  const around = found.circle_length <= 0
    ? "the tree reaches around the sphere"
    : `a circle as wide as the tree is ${fixed(found.circle_length, 0)} long`;
  return (
    `Curvature ${short(k)}: the triangle's angles sum to ${fixed(found.angle_sum, 0)} degrees, ${around}, ` +
    `${found.crowded} of the tree's ${found.tree.length} vertices are crowded.`
  );
}

const VIEW = 2.4;

export default explorer({
  title: "One drawing in every curvature",
  numbers,
  sentence,
  panels: () => [
    new Panel({ title: "Straight lines, equal circles, a triangle", x: [-VIEW, VIEW], y: [-VIEW, VIEW] }),
    new Panel({ title: "A tree whose edges are equally long", x: [-VIEW, VIEW], y: [-VIEW, VIEW] }),
  ],
  controls: () => [
    { kind: "slider", key: "k", label: "curvature k", low: -1, high: 0.3, step: 0.05 },
    { kind: "slider", key: "edge", label: "length of an edge", low: 0.6, high: 1.5, step: 0.1 },
  ],
  draw: ([left, right], { k }, found) => {
    left.rim(k);
    left.lines(found.grid, "line thin");
    left.lines(found.circles, "blue");
    left.lines(found.triangle, "red dash");
    left.text([-VIEW, -VIEW], `angles ${fixed(found.angle_sum, 0)}°`, { dx: 6, dy: -8 });
    right.rim(k);
    right.lines(found.edges, "green");
    right.marks(found.tree, "ink", "circle", 0.5);
    right.text([-VIEW, -VIEW], `crowded ${found.crowded} of ${found.tree.length}`, { dx: 6, dy: -8 });
  },
});
