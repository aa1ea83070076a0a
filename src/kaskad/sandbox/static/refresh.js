// Brings what is new into the page every two seconds. Without it the page works by being loaded again.
const PAUSE_MS = 2000;
const live = document.getElementById("live");

function isBusy() {
  const at = document.activeElement;
  return document.hidden || (live.contains(at) && at.matches("input, textarea") && at.value !== at.defaultValue);
}

function toTheEnd() {
  for (const thread of document.querySelectorAll("[data-end]")) thread.scrollTop = thread.scrollHeight;
}

async function refresh() {
  if (isBusy()) return;
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok || isBusy()) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
  if (!fresh || fresh.innerHTML === live.dataset.last) return;
  live.dataset.last = fresh.innerHTML;
  const kept = [...document.querySelectorAll(".scroll")].map((one) =>
    [one.scrollTop, one.scrollTop + one.clientHeight >= one.scrollHeight - 4]);
  const focused = document.activeElement?.id;
  live.replaceChildren(...fresh.childNodes);
  [...document.querySelectorAll(".scroll")].forEach((one, number) => {
    if (!kept[number]) return;
    one.scrollTop = one.hasAttribute("data-end") && kept[number][1] ? one.scrollHeight : kept[number][0];
  });
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

if (live) {
  live.dataset.last = live.innerHTML;
  toTheEnd();
  setInterval(() => refresh().catch(() => {}), PAUSE_MS);
}
