// The keys of a keyboard or a presenter's remote go to the next or previous slide. A long slide scrolls first.
const slides = [...document.querySelectorAll(".slide")];
const own = "a, button, input, select, summary, textarea, .explorer, [contenteditable]";
const here = () => slides.findLastIndex((slide) => slide.getBoundingClientRect().top < innerHeight / 2);

function show(number) {
  const slide = slides[Math.min(Math.max(number, 0), slides.length - 1)];
  slide.scrollIntoView({ behavior: "instant" });
  slide.focus({ preventScroll: true });
  history.replaceState(null, "", `#${slide.id}`);
}

addEventListener("keydown", (event) => {
  const modified = event.ctrlKey || event.altKey || event.metaKey;
  if (event.defaultPrevented || modified || (event.target.closest?.(own) && !event.key.startsWith("Page"))) return;
  const at = Math.max(here(), 0);
  const { top, bottom } = slides[at].getBoundingClientRect();
  const space = event.key === " ";
  if (["ArrowRight", "PageDown"].includes(event.key) || (space && !event.shiftKey)) {
    if (bottom > innerHeight + 8) scrollBy({ top: Math.min(innerHeight * 0.8, bottom - innerHeight), behavior: "instant" });
    else show(at + 1);
  } else if (["ArrowLeft", "PageUp"].includes(event.key) || space) {
    if (top < -8) scrollBy({ top: Math.max(-innerHeight * 0.8, top), behavior: "instant" });
    else show(at - 1);
  } else if (event.key === "Home") show(0);
  else if (event.key === "End") show(slides.length - 1);
  else return;
  event.preventDefault();
});
