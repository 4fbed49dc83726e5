// Notebook 01: two points of the disk, their two sums, the geodesic, the chord and the distance; and a sheet that moves.

const CHORD = 101;

function numbers({ k, x, y, origin }) {
  const chord = linspace(0, 1, CHORD).map((t) => plus(x, times(t, minus(y, x))));
  const moved = [mobiusAdd(origin, x, k), mobiusAdd(origin, y, k)];
  return {
    x_plus_y: mobiusAdd(x, y, k),
    y_plus_x: mobiusAdd(y, x, k),
    geodesic: segment(x, y, k, 41),
    distance: distance(x, y, k),
    chord_length: chord.slice(1).reduce((sum, point, i) => sum + distance(chord[i], point, k), 0),
    in_the_page: length(minus(x, y)),
    moved,
    moved_distance: distance(moved[0], moved[1], k),
  };
}

function sentence({ k, x, y, origin }, found) {
  const pair = ([a, b]) => `(${fixed(a)}, ${fixed(b)})`;
  return (
    `Curvature ${short(k)}: x is ${pair(x)} and y is ${pair(y)}. x ⊕ y is ${pair(found.x_plus_y)}, ` +
    `y ⊕ x is ${pair(found.y_plus_x)}. Their distance is ${fixed(found.distance)} along the geodesic; the chord is ` +
    `${fixed(found.chord_length)} long. On the sheet, moved by ${pair(origin)}, the distance is ${fixed(found.moved_distance)}.`
  );
}

function draw([left, right], { k, x, y, origin, edges }, found) {
  left.rim(k);
  left.lines([[x, y]], "quiet dash");
  left.lines([found.geodesic], "blue wide");
  left.marks([[0, 0]], "quiet", "circle", 0.5);
  left.marks([found.x_plus_y], "green", "triangle");
  left.marks([found.y_plus_x], "purple", "down");
  left.text(found.x_plus_y, "x ⊕ y");
  left.text(found.y_plus_x, "y ⊕ x", { dy: 18 });
  left.legend([["blue wide", "line", "geodesic"], ["quiet dash", "line", "chord"]]);
  const arcs = edges.map(([a, b, c, d]) =>
    segment(mobiusAdd(origin, [a, b], k), mobiusAdd(origin, [c, d], k), k, 7));
  right.rim(k);
  right.lines(arcs, "quiet thin");
  right.lines([found.geodesic.map((point) => mobiusAdd(origin, point, k))], "blue wide");
  right.marks([found.moved[0]], "ink", "square");
  right.marks([found.moved[1]], "ink", "diamond");
  right.text(found.moved[0], "x");
  right.text(found.moved[1], "y");
}

export default explorer({
  title: "Two points in the Poincaré disk",
  note: "Drag x and y on the left, and the origin on the right. From the keyboard: Tab to a point, then the arrow keys.",
  numbers,
  sentence,
  panels: ({ k }) => {
    const reach = 1.08 / Math.sqrt(-k);
    const ends = { x: [-reach, reach], y: [-reach, reach] };
    return [
      new Panel({ title: "Drag x and y", ...ends }),
      new Panel({ title: "Drag the origin of the sheet", ...ends }),
    ];
  },
  controls: () => [],
  handles: ([left, right]) => {
    const point = (panel, key, label, look, shape, mark) => ({
      panel, label, look, shape, mark,
      get: (state) => state[key],
      set: (state, value) => (state[key] = inside(value, state.k)),
    });
    return [
      point(left, "x", "point x", "ink", "square", "x"),
      point(left, "y", "point y", "ink", "diamond", "y"),
      point(right, "origin", "origin of the sheet", "red", "circle", ""),
    ];
  },
  draw,
});
