// The list of contacts: choose some, and do one thing with all of them.
const form = document.getElementById("chosen");
const boxes = form ? [...form.querySelectorAll('input[name="who"]')] : [];
const all = form?.querySelector("[data-all]");
const bar = form?.querySelector(".bulk");

function count() {
  const chosen = boxes.filter((each) => each.checked).length;
  if (bar) bar.hidden = chosen === 0;
  if (all) {
    all.checked = chosen === boxes.length;
    all.indeterminate = chosen > 0 && chosen < boxes.length;
  }
  for (const each of form.querySelectorAll("[data-count]")) each.textContent = `${each.dataset.text}: ${chosen}`;
}

let last = null;
form?.addEventListener("click", (event) => {
  const at = boxes.indexOf(event.target);
  if (at < 0) return;
  if (event.shiftKey && last !== null) {
    for (let n = Math.min(at, last); n <= Math.max(at, last); n += 1) boxes[n].checked = event.target.checked;
  }
  last = at;
});
form?.addEventListener("change", (event) => {
  if (event.target === all) for (const each of boxes) each.checked = all.checked;
  count();
});
form?.addEventListener("submit", () => {
  for (const each of form.querySelectorAll("dialog[open]")) each.close();
});
// Enter in a field of an open question answers that question, not the first button of the form.
form?.addEventListener("keydown", (event) => {
  const dialog = event.target.closest?.("dialog");
  if (event.key !== "Enter" || !dialog || !event.target.matches("input, select")) return;
  event.preventDefault();
  form.requestSubmit(dialog.querySelector("[formaction]"));
});
if (form) count();
for (const each of document.querySelectorAll("[data-open-now]")) {
  document.getElementById(each.dataset.openNow)?.showModal();
}
