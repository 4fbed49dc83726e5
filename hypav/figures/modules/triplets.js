// Notebook 05: the words, pictures and sounds of three classes as points of the plane, moved down the gradient of the
// loss terms that are chosen. T(x; p; n) is the triplet term of hypav.losses; n is of the next class.

const TERMS = { // x, p and n
  tv: ["w", "v", "v"], vt: ["v", "w", "w"], ta: ["w", "a", "a"], at: ["a", "w", "w"],
};
const NAMES = { // what the boxes and the sentence call each term
  tv: "anchor word, two pictures", vt: "anchor picture, two words", ta: "anchor word, two sounds",
  at: "anchor sound, two words", reg: "no triplet: squared distances",
};
const ALL = Object.keys(NAMES);
const KINDS = ["w", "v", "a"];
const RATE = 0.3, TINY = 1e-6;

const zeros = () => Object.fromEntries(KINDS.map((kind) => [kind, [[0, 0], [0, 0], [0, 0]]]));
const add = (rows, i, v) => (rows[i] = plus(rows[i], v));

/** The value of one term, and its gradient with respect to every point. */
function term(name, points) {
  const slope = zeros();
  let value = 0;
  if (name === "reg") { // the mean squared difference of pictures and words, and of sounds and words
    for (const kind of ["v", "a"]) {
      points[kind].forEach((x, i) => {
        const difference = minus(x, points.w[i]);
        value += dot(difference, difference) / 6;
        add(slope[kind], i, times(1 / 3, difference));
        add(slope.w, i, times(-1 / 3, difference));
      });
    }
    return { value, slope };
  }
  const [x, p, n] = TERMS[name];
  for (let i = 0; i < 3; i += 1) {
    const j = (i + 1) % 3;
    const near = minus(points[x][i], points[p][i]).map((part) => part + TINY);
    const far = minus(points[x][i], points[n][j]).map((part) => part + TINY);
    const hinge = length(near) - length(far) + 1;
    if (hinge <= 0) continue;
    value += hinge / 3;
    const [to, away] = [times(1 / length(near) / 3, near), times(1 / length(far) / 3, far)];
    add(slope[x], i, minus(to, away));
    add(slope[p], i, times(-1, to));
    add(slope[n], j, away);
  }
  return { value, slope };
}

function numbers(state) {
  const found = Object.fromEntries(ALL.map((name) => [name, term(name, state)]));
  const chosen = ALL.filter((name) => state[name]);
  const gradient = zeros();
  for (const name of chosen) for (const kind of KINDS) found[name].slope[kind].forEach((v, i) => add(gradient[kind], i, v));
  const after = (kind) => state[kind].map((point, i) => minus(point, times(RATE, gradient[kind][i])));
  let right = 0;
  for (const kind of ["v", "a"]) {
    state[kind].forEach((point, i) => {
      const gaps = state.w.map((word) => length(minus(point, word)));
      right += gaps.indexOf(Math.min(...gaps)) === i ? 1 : 0;
    });
  }
  return {
    terms: Object.fromEntries(ALL.map((name) => [name, found[name].value])),
    loss: chosen.reduce((sum, name) => sum + found[name].value, 0),
    after: Object.fromEntries(KINDS.map((kind) => [kind, after(kind)])),
    right,
  };
}

function sentence(state, { loss, right }) {
  const chosen = ALL.filter((name) => state[name]).map((name) => NAMES[name]);
  return (
    `Step ${state.steps}. Chosen terms: ${chosen.length ? chosen.join("; ") : "none"}. Their sum is ${fixed(loss, 3)}. ` +
    `${right} of the 6 pictures and sounds are nearest to the word of their own class.`
  );
}

function step(ui) {
  const { after } = numbers(ui.state);
  for (const kind of KINDS) ui.state[kind] = after[kind].map((point) => point.map((part) => Number(part.toFixed(6))));
  ui.state.steps += 1;
}

function play(ui) {
  const stop = () => {
    clearInterval(ui.timer);
    ui.timer = null;
    ui.update();
  };
  if (ui.timer) return stop();
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) { // ten steps at once, nothing moves by itself
    for (let i = 0; i < 10; i += 1) step(ui);
    return ui.update();
  }
  const end = ui.state.steps + 60;
  ui.timer = setInterval(() => {
    step(ui);
    if (ui.state.steps >= end) stop();
    else ui.update();
  }, 200);
  return ui.update();
}

const VIEW = 3;
const COLORS = ["blue", "red", "green"], MARKS = { w: "square", v: "circle", a: "triangle" };

export default explorer({
  title: "Triplet terms move points",
  note: "Squares are words, circles are pictures, triangles are sounds. The number is the class. A thin line shows where the " +
    "next step takes a point, five times as long. In a triplet, the positive is of the anchor's class and the negative of " +
    "the next class. The squared distances are those between a word and its picture, and between a word and its sound.",
  numbers,
  sentence,
  panels: () => [new Panel({ title: "Where do the chosen terms pull?", x: [-VIEW, VIEW], y: [-VIEW, VIEW] })],
  controls: () => [
    ...ALL.map((key) => ({ kind: "checkbox", key, label: NAMES[key] })),
    { kind: "press", label: "Step", action: (ui) => { step(ui); ui.update(); } },
    { kind: "press", label: "Play", action: play, pressed: (ui) => ui.timer !== null },
  ],
  draw: ([plane], state, found) => {
    for (const kind of KINDS) {
      state[kind].forEach((point, i) => {
        const to = plus(point, times(5, minus(found.after[kind][i], point)));
        plane.lines([[point, to]], `${COLORS[i]} thin`);
        plane.marks([point], COLORS[i], MARKS[kind], kind === "w" ? 1.4 : 1.1);
        plane.text(point, String(i + 1));
      });
    }
  },
});
