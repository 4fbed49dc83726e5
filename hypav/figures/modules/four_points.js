// Notebook 03: four points, the three sums of their distances, delta, and the H that fits the distances best.

const PAIRINGS = [["AB + CD", [0, 1], [2, 3]], ["AC + BD", [0, 2], [1, 3]], ["AD + BC", [0, 3], [1, 2]]];
const LOOKS = ["blue", "red dash", "green dots"];
const NAMES = "ABCD";

function numbers({ k, points }) {
  const d = points.map((x) => points.map((y) => distance(x, y, k)));
  const sums = PAIRINGS.map(([, [a, b], [e, f]]) => d[a][b] + d[e][f]);
  const order = [0, 1, 2].sort((a, b) => sums[a] - sums[b] || a - b);
  const small = order[0];
  const [, [a, b], [e, f]] = PAIRINGS[small];
  // the two larger sums are equal in a tree; least squares shares their difference between four distances
  const gap = d[a][e] + d[b][f] - d[a][f] - d[b][e];
  const shift = gap / 4;
  const leaves = [0, 0, 0, 0];
  leaves[a] = (d[a][b] + (d[a][e] - shift) - (d[b][e] + shift)) / 2;
  leaves[b] = d[a][b] - leaves[a];
  leaves[e] = (d[e][f] + (d[a][e] - shift) - (d[a][f] + shift)) / 2;
  leaves[f] = d[e][f] - leaves[e];
  const larger = [0, 1, 2].filter((i) => i !== small).map((i) => sums[i]);
  return {
    distances: d,
    sums,
    delta: Math.abs(gap) / 2,
    pairing: small,
    middle: ((larger[0] + larger[1]) / 2 - sums[small]) / 2,
    leaves,
    miss: Math.abs(shift),
  };
}

function sentence({ k }, found) {
  const sums = PAIRINGS.map(([name], i) => `${name} = ${fixed(found.sums[i])}`).join(", ");
  return (
    `Curvature ${short(k)}: ${sums}. Half the difference of the larger two is δ = ${fixed(found.delta)}. ` +
    `The best H has a bar of length ${fixed(found.middle)} and misses four of the six distances by ${fixed(found.miss)}.`
  );
}

/** Where the H has its two joints and four ends. */
function corners({ pairing, middle, leaves }) {
  const [, left, right] = PAIRINGS[pairing];
  const joints = [[-middle / 2, 0], [middle / 2, 0]];
  const ends = [];
  [[left, -1, joints[0]], [right, 1, joints[1]]].forEach(([pair, side, joint]) =>
    pair.forEach((place, i) => {
      const size = Math.max(leaves[place], 0) * Math.SQRT1_2;
      ends[place] = plus(joint, [side * size, (i === 0 ? 1 : -1) * size]);
    }));
  return { joints, ends, joint_of: (place) => joints[left.includes(place) ? 0 : 1] };
}

const VIEW = 5.5;

export default explorer({
  title: "Four points and the best H",
  note: "Drag A, B, C and D on the left, or Tab to them and press the arrow keys.",
  numbers,
  sentence,
  panels: () => [
    new Panel({ title: "Four points and six distances", x: [-1.08, 1.08], y: [-1.08, 1.08] }),
    new Panel({ title: "The H that fits them best", x: [-VIEW, VIEW], y: [-VIEW, VIEW] }),
  ],
  controls: () => [{ kind: "slider", key: "k", label: "curvature k", low: -1, high: 0, step: 0.05 }],
  handles: ([plane]) => [...NAMES].map((name, i) => ({
    panel: plane, label: `point ${name}`, mark: name, look: "ink",
    get: (state) => state.points[i],
    set: (state, value) => (state.points[i] = inside(value, -1).map((part) => Number(part.toFixed(6)))),
  })),
  draw: ([plane, tree], { k, points }, found) => {
    plane.rim(k);
    PAIRINGS.forEach(([, ...pairs], i) =>
      plane.lines(pairs.map(([a, b]) => segment(points[a], points[b], k, 21)), LOOKS[i]));
    tree.legend(PAIRINGS.map(([name], i) => [LOOKS[i], "line", `${name} = ${fixed(found.sums[i])}`]));
    const { joints, ends, joint_of } = corners(found);
    tree.lines([joints], `${LOOKS[found.pairing].split(" ")[0]} wide`);
    tree.lines(ends.map((end, place) => [joint_of(place), end]), "ink");
    tree.marks(ends, "ink");
    ends.forEach((end, place) => tree.text(end, `${NAMES[place]} ${fixed(found.leaves[place])}`, {
      dx: end[0] < 0 ? -9 : 9, dy: end[1] < 0 ? 18 : -9, anchor: end[0] < 0 ? "start" : "end" }));
    tree.text([0, 0], fixed(found.middle), { dx: 0, dy: -8, anchor: "middle" });
    tree.text([-VIEW, -VIEW], `δ = ${fixed(found.delta)}`, { dx: 8, dy: -8 });
  },
});
