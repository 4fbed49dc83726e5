// Shows the sections that contain every word, with the text around the first one.
const form = document.querySelector(".search");
const box = document.querySelector("#query");
const count = document.querySelector("#count");
const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
const items = [...document.querySelectorAll(".hits > li")].map((item) => {
  const text = item.querySelector("p").textContent;
  return { item, text, all: plain(item.textContent), note: item.querySelector("p") };
});

function around(text, word) {
  // the text from 60 characters before the word to 100 after it, with the word marked
  const at = text.toLowerCase().indexOf(word);
  if (at < 0) return [text.slice(0, 160)];
  const mark = document.createElement("mark");
  mark.textContent = text.slice(at, at + word.length);
  const start = Math.max(0, at - 60);
  return [(start ? "… " : "") + text.slice(start, at), mark, text.slice(at + word.length, at + 100) + " …"];
}

function find() {
  const words = plain(box.value).split(/\s+/).filter(Boolean);
  let found = 0;
  for (const { item, text, all, note } of items) {
    const fits = words.every((word) => all.includes(word));
    item.hidden = !fits;
    note.hidden = !words.length;
    note.replaceChildren(...(words.length ? around(text, words[0]) : [text]));
    found += fits;
  }
  count.textContent = words.length ? `${found} of ${items.length} sections` : `${items.length} sections`;
}

form.hidden = false;
form.addEventListener("submit", (event) => event.preventDefault());
box.addEventListener("input", find);
find();
