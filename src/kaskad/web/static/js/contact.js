// The card of a contact: a row of the timeline opens its message beside the card.
import { say } from "./app.js";

const peek = document.getElementById("peek");
const body = document.getElementById("peek-body");

document.addEventListener("click", async (event) => {
  const link = event.target.closest?.("a[data-peek]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  try {
    const answer = await fetch(link.href, { credentials: "same-origin" });
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    body.replaceChildren(page.getElementById("message"));
    peek.showModal();
  } catch {
    say(document.documentElement.dataset.offline, "bad");
  }
});

for (const each of document.querySelectorAll("[data-open-now]")) {
  document.getElementById(each.dataset.openNow)?.showModal();
}
