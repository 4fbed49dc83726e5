// Notebook 09: the alignment loss over k for every choice of its parts. The losses are a table in the state.

const name_of = (s) => [s.similarity, s.normalise, s.base, s.to_ball].join(" ");

function numbers(state) {
  const row = Math.round((state.log_scale - state.scales[0]) / (state.scales[1] - state.scales[0]));
  const weight = 10 ** state.log_weight;
  const values = state.losses[name_of(state)].split("; ")[row].split(" ").map((value) => weight * Number(value));
  const at = state.ks.indexOf(-0.2);
  return {
    loss: values,
    flat: state.flat[name_of(state)][row] === "1",
    ratio: values[0] / values[at],
    share: (100 * values[at]) / state.avca,
  };
}

const percent = (share) => (share >= 0.01 ? `${fixed(share)} percent` : "less than 0.01 percent");

function sentence(state, { flat, ratio, share }) {
  const moves = flat ? "does not depend on k" : `is ${fixed(ratio)} times as large at k = −1 as at −0.2`;
  return (
    `${state.data}: ${state.similarity}, ${state.normalise}, base ${state.base}, ${state.to_ball}, scale ` +
    `10^${fixed(state.log_scale)}, weight 10^${fixed(state.log_weight, 1)}. The loss ${moves}. With its weight it is ` +
    `${percent(share)} of L_avca.`
  );
}

export default explorer({
  title: "The parts of the alignment loss",
  numbers,
  sentence,
  panels: () => [
    new Panel({
      title: "Does the loss change with k?", x: [-1, 0.2], y: [0, 1.15], height: 300,
      axes: { xname: "curvature k", yname: "loss / largest loss", xticks: [-1, -0.5, 0], yticks: [0, 0.5, 1] },
    }),
    new Panel({
      title: "How large is it beside L_avca?", x: [-8, 4], y: [0, 1], height: 150,
      axes: { xname: "term / L_avca at k = −0.2, power of 10", yname: "", xticks: [-8, -6, -4, -2, 0, 2, 4], yticks: [] },
    }),
  ],
  controls: () => [
    { kind: "menu", key: "similarity", label: "similarity", options: ["cosine", "inner", "distance", "kernel"] },
    { kind: "menu", key: "normalise", label: "normalise", options: ["frobenius", "row", "none"] },
    { kind: "menu", key: "base", label: "base point", options: ["origin", "midpoint"] },
    { kind: "menu", key: "to_ball", label: "into the ball by", options: ["project", "expmap0"] },
    { kind: "slider", key: "log_scale", label: "scale, power of 10", low: -2, high: 0, step: 0.25 },
    { kind: "slider", key: "log_weight", label: "weight, power of 10", low: -3, high: 4, step: 0.5, digits: 1 },
  ],
  draw: ([chart, bar], state, found) => {
    const most = Math.max(...found.loss) || 1;
    chart.lines([state.ks.map((k, i) => [k, found.loss[i] / most])], found.flat ? "ink dash" : "blue wide");
    chart.text([-1, 1.15], found.flat ? "flat: k has no effect" : "k has an effect", { dx: 10, dy: 14 });
    const power = Math.min(Math.max(Math.log10(Math.max(found.share / 100, 1e-30)), -8), 4);
    bar.lines([[[-8, 0.5], [power, 0.5]]], "blue wide");
    bar.marks([[power, 0.5]], "blue", "diamond");
    bar.lines([[[0, 0], [0, 1]]], "ink dash");
    bar.text([0, 1], "L_avca", { dx: 6, dy: 12 });
  },
});
