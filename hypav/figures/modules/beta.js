// Notebook 04: a toy with two seen and two unseen classes in the plane. Each sample gets the nearest word; beta is added
// to the distances of the seen words. Classes 0 and 1 are seen, 2 and 3 are not.

const EDGES = Array.from({ length: 25 }, (_, i) => -2 + i / 4);
const BETAS = Array.from({ length: 61 }, (_, i) => Number((-1 + i * 0.05).toFixed(2)));

function nearest(words, point, classes) {
  const gaps = classes.map((place) => length(minus(point, words[place])));
  const least = Math.min(...gaps);
  return [classes[gaps.indexOf(least)], least];
}

function answers({ words, samples }) {
  return samples.map(([a, b, label]) => {
    const [seen, near] = nearest(words, [a, b], [0, 1]), [unseen, far] = nearest(words, [a, b], [2, 3]);
    return { label, seen, unseen, gap: far - near };
  });
}

/** S, U and HM in percent. */
function judged(rows, beta) {
  const recall = [0, 1, 2, 3].map((place) => {
    const own = rows.filter(({ label }) => label === place);
    return own.filter(({ seen, unseen, gap }) => (gap < beta ? unseen : seen) === place).length / own.length;
  });
  const S = (recall[0] + recall[1]) / 2, U = (recall[2] + recall[3]) / 2;
  return [100 * S, 100 * U, (100 * 2 * S * U) / (S + U + 2.2e-16)];
}

function counts(values) {
  const bins = EDGES.slice(1).map(() => 0);
  for (const value of values) {
    const place = Math.floor((value - EDGES[0]) * 4);
    if (place >= 0 && place < bins.length) bins[place] += 1;
  }
  return bins;
}

function numbers(state) {
  const rows = answers(state);
  const [old, novel] = [rows.filter(({ label }) => label < 2), rows.filter(({ label }) => label >= 2)];
  const [S, U, HM] = judged(rows, state.beta);
  return {
    gap: rows.map(({ gap }) => gap),
    S, U, HM,
    switched: [old, novel].map((part) => part.filter(({ gap }) => gap < state.beta).length),
    histogram: [old, novel].map((part) => counts(part.map(({ gap }) => gap))),
    curve: BETAS.map((beta) => judged(rows, beta)),
  };
}

function sentence({ beta, samples }, { S, U, HM, switched }) {
  const seen = samples.filter(([, , label]) => label < 2).length;
  return (
    `β = ${fixed(beta)}: S ${fixed(S, 1)}, U ${fixed(U, 1)}, HM ${fixed(HM, 1)} percent. An unseen class is the answer for ` +
    `${switched[0]} of the ${seen} samples of seen classes and for ${switched[1]} of the ${samples.length - seen} others.`
  );
}

const VIEW = 3, CELLS = 60;
const SHAPES_OF = ["square", "circle", "triangle", "diamond"];

/** Whether the grid's points get an unseen class, and the border between the two answers, by linear interpolation. */
function border(words, beta) {
  const ticks = linspace(-VIEW, VIEW, CELLS + 1);
  const value = ticks.map((b) => ticks.map((a) => {
    const far = nearest(words, [a, b], [2, 3])[1], near = nearest(words, [a, b], [0, 1])[1];
    return far - near - beta;
  }));
  const lines = [];
  for (let i = 0; i < CELLS; i += 1) {
    for (let j = 0; j < CELLS; j += 1) {
      const corners = [[i, j], [i, j + 1], [i + 1, j + 1], [i + 1, j]];
      const cuts = [];
      corners.forEach(([r, c], n) => {
        const [s, d] = corners[(n + 1) % 4], p = value[r][c], q = value[s][d];
        if (p < 0 !== q < 0) {
          const t = p / (p - q);
          cuts.push([ticks[c] + t * (ticks[d] - ticks[c]), ticks[r] + t * (ticks[s] - ticks[r])]);
        }
      });
      if (cuts.length === 2) lines.push(cuts);
      if (cuts.length === 4) lines.push([cuts[0], cuts[1]], [cuts[2], cuts[3]]);
    }
  }
  return { lines, ticks, value };
}

export default explorer({
  title: "The border between seen and unseen classes",
  note: "Large marks are the words of the classes, small ones the samples. The unseen classes (triangle, diamond) are " +
    "orange, and so is the region in which an unseen class is the answer.",
  numbers,
  sentence,
  panels: () => [
    new Panel({ title: "Which class is the answer?", x: [-VIEW, VIEW], y: [-VIEW, VIEW] }),
    new Panel({
      title: "When does a sample switch?", x: [-2, 4], y: [0, 12], height: 300,
      axes: { xname: "d(nearest unseen) − d(nearest seen)", yname: "samples", xticks: [-2, 0, 2, 4], yticks: [0, 5, 10] },
    }),
    new Panel({
      title: "S, U and HM for every β", x: [-1, 2], y: [0, 100], height: 300,
      axes: { xname: "β", yname: "percent", xticks: [-1, 0, 1, 2], yticks: [0, 25, 50, 75, 100] },
    }),
  ],
  controls: () => [{ kind: "slider", key: "beta", label: "β", low: -1, high: 2, step: 0.05 }],
  draw: ([plane, bars, chart], { beta, words, samples }, found) => {
    const { lines, ticks, value } = border(words, beta);
    const size = ticks[1] - ticks[0];
    const rows = ticks.map((b, r) => {
      const runs = [];
      ticks.forEach((a, c) => {
        if (value[r][c] >= 0) return;
        if (c > 0 && value[r][c - 1] < 0) runs[runs.length - 1][1] = a;
        else runs.push([a, a]);
      });
      return runs.map(([from, to]) =>
        `M${plane.X(from - size / 2)} ${plane.Y(b - size / 2)}H${plane.X(to + size / 2)}V${plane.Y(b + size / 2)}H${plane.X(from - size / 2)}Z`);
    });
    plane.draw("path", { class: "bar-fill red", d: rows.flat().join(""), style: "stroke: none; fill-opacity: .13" });
    plane.lines(lines, "red");
    samples.forEach(([a, b, label]) => plane.marks([[a, b]], label < 2 ? "blue" : "red", SHAPES_OF[label], 0.65));
    words.forEach((word, place) => {
      plane.marks([word], place < 2 ? "blue hollow" : "red hollow", SHAPES_OF[place], 1.7);
      plane.text(word, ["seen 1", "seen 2", "unseen 1", "unseen 2"][place], { dx: 13, dy: -11 });
    });
    found.histogram.forEach((heights, kind) => {
      const d = heights.map((height, i) => height
        ? `M${bars.X(EDGES[i]) + 2 * kind} ${bars.Y(0)}V${bars.Y(height)}H${bars.X(EDGES[i + 1]) - 4 + 2 * kind}V${bars.Y(0)}` : "");
      bars.draw("path", { class: `bar-fill ${["blue", "red"][kind]}`, d: d.join(""), ...(kind ? { "stroke-dasharray": "3 2" } : {}) });
    });
    bars.lines([[[beta, 0], [beta, 12]]], "ink dash");
    bars.text([beta, 12], `β = ${fixed(beta)}`, { dx: beta > 1 ? -6 : 6, dy: 12, anchor: beta > 1 ? "end" : "start" });
    bars.legend([["blue", "line", "seen classes"], ["red dots", "line", "unseen classes"]], { x: 210, y: 40 });
    ["blue", "red dash", "ink wide"].forEach((look, i) => {
      chart.lines([BETAS.map((b, row) => [b, found.curve[row][i]])], look);
      chart.marks([[beta, [found.S, found.U, found.HM][i]]], look.split(" ")[0], ["square", "triangle", "circle"][i]);
    });
    chart.legend([["blue", "line", "S"], ["red dash", "line", "U"], ["ink wide", "line", "HM"]], { x: 270, y: 130 });
  },
});
