// Notebook 11: maps of the same videos, and one super-group of them in colour. The points are a table in the state.

const FORMS = ["circle", "square", "triangle", "diamond", "down", "star"];
const TINTS = ["blue", "red", "green", "purple", "ink"];

function numbers({ maps, variant, modality, group, groups, members }) {
  const shown = members.map((place, i) => [place, i]).filter(([place]) => group === "all" || groups[place] === group);
  const flat = maps[`${variant}, ${modality}`].split(" ").map(Number);
  const points = members.map((_, i) => [flat[2 * i], flat[2 * i + 1]]);
  return { points, shown: shown.map(([, i]) => i) };
}

function sentence({ data, variant, modality, group, members }, { shown }) {
  const those = group === "all" ? "" : `, those of ${group}`;
  return `t-SNE of ${modality} of ${variant} on ${data}: ${shown.length} of ${members.length} points in colour${those}.`;
}

export default explorer({
  title: "One map of all",
  numbers,
  sentence,
  panels: () => [new Panel({ title: "Which groups lie together?", x: [0, 1], y: [0, 1] })],
  controls: (state) => [
    { kind: "menu", key: "variant", label: "method", options: state.variants },
    { kind: "menu", key: "modality", label: "modality", options: state.modalities },
    { kind: "menu", key: "group", label: "super-group", options: ["all", ...state.groups] },
  ],
  draw: ([plane], { groups, members, group }, { points, shown }) => {
    const ends = (axis) => {
      const values = points.map((point) => point[axis]), low = Math.min(...values), high = Math.max(...values);
      // the legend has the left third
      return [low - (axis === 0 ? 0.5 : 0.06) * (high - low), high + 0.06 * (high - low)];
    };
    plane.x = ends(0);
    plane.y = ends(1);
    const lit = new Set(shown);
    plane.marks(points.filter((_, i) => !lit.has(i)), "quiet", "circle", 0.35);
    const look = (place) => [TINTS[place % TINTS.length], FORMS[place % FORMS.length]];
    for (const i of shown) plane.marks([points[i]], ...look(members[i]), 0.7);
    const named = groups.map((name, place) => [...look(place), name]).filter(([, , name]) => group === "all" || group === name);
    plane.legend(named);
  },
});
