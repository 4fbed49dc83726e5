// Shows the sections that contain every word, and marks the first word found in each part: heading, page and text.
const form = document.querySelector(".search");
const box = document.querySelector("#query");
const count = document.querySelector("#count");
const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
// without accents and capitals, and as long as the text, so that a place in one is the same place in the other
const folded = (text) =>
  Array.from(text, (letter) => (plain(letter).length === letter.length ? plain(letter) : letter)).join("");
const items = [...document.querySelectorAll(".hits > li")].map((item) => ({
  item,
  all: plain(item.textContent),
  note: item.querySelector("p"),
  parts: [...item.querySelectorAll("a, .where, p")].map((part) => {
    const text = part.textContent.normalize("NFC");
    return { part, text, same: folded(text) };
  }),
}));

function marked({ part, text, same }, words) {
  // the part with the first word marked; of a paragraph only 60 characters before the word and 100 after it
  const long = part.matches("p");
  const word = words.find((each) => same.includes(each));
  if (word === undefined) return [long && words.length ? text.slice(0, 160) : text];
  const at = same.indexOf(word);
  const start = long ? Math.max(0, at - 60) : 0;
  const end = long ? at + 100 : text.length;
  const mark = document.createElement("mark");
  mark.textContent = text.slice(at, at + word.length);
  return [
    (start ? "… " : "") + text.slice(start, at), mark,
    text.slice(at + word.length, end) + (end < text.length ? " …" : ""),
  ];
}

function find() {
  const words = plain(box.value).split(/\s+/).filter(Boolean);
  let found = 0;
  for (const { item, all, note, parts } of items) {
    const fits = words.every((word) => all.includes(word));
    item.hidden = !fits;
    note.hidden = !words.length;
    for (const each of parts) each.part.replaceChildren(...marked(each, words));
    found += fits;
  }
  count.textContent = words.length ? `${found} of ${items.length} sections` : `${items.length} sections`;
}

form.hidden = false;
form.addEventListener("submit", (event) => event.preventDefault());
box.addEventListener("input", find);
find();
