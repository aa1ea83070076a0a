// Live updates: one stream a page, of all topics that its elements name by data-live.
//
// When a topic has news, every such element gets the event "live" with what is told as its detail: htmx asks for
// the part again (hx-trigger="live"), data-field shows one of the figures, a job moves its bar.

// What is told first is what the page shows where an element says so (data-shown); another is taken to show it unless
// it took this long to ask (a slow line, a tab opened behind others).
const STALE_MS = 1500;
let stream = null;
let last = "";
let state = "waiting";

export function live() {
  if (document.querySelector("[data-live]")) follow();
  // A browser opens six connections to a server at most: a tab that nobody sees keeps none.
  document.addEventListener("visibilitychange", () => (document.hidden ? leave() : follow()));
  addEventListener("pagehide", leave);
  document.addEventListener("htmx:after:swap", () => mark(state)); // the server knows nothing of it
}

function follow() {
  const topics = [...new Set([...document.querySelectorAll("[data-live]")].map((each) => each.dataset.live))];
  if (stream || document.hidden || !topics.length) return;
  stream = new EventSource(`/live?topics=${topics.map(encodeURIComponent).join(",")}&since=${last}`);
  stream.addEventListener("open", () => mark("open"));
  stream.addEventListener("error", () => mark("waiting"));
  stream.addEventListener("news", (event) => {
    last = event.lastEventId;
    const { topic, told, first, digest } = JSON.parse(event.data);
    mark("open");
    for (const each of document.querySelectorAll(`[data-live="${CSS.escape(topic)}"]`)) {
      const { shown } = each.dataset;
      tell(each, told, first && (shown ? shown === digest : performance.now() < STALE_MS));
    }
  });
  stream.addEventListener("over", () => {
    leave();
    location.assign("/sign-in");
  });
}

function leave() {
  stream?.close();
  stream = null;
  mark("waiting");
}

function mark(now) {
  state = now;
  for (const each of document.querySelectorAll(".live")) each.dataset.state = state;
}

function tell(element, told, first) {
  const field = element.dataset.field;
  if (field) element.textContent = told[field] ?? "";
  if (element.classList.contains("job")) move(element, told);
  if (!first) element.dispatchEvent(new CustomEvent("live", { detail: told, bubbles: false }));
}

function move(job, told) {
  const bar = job.querySelector("progress");
  if (told.total) {
    bar.max = told.total;
    bar.value = told.done;
  }
  job.querySelector("[data-words]").textContent = told.words ?? "";
  if (told.over) location.reload(); // a page shows a job while it runs only, and then what came of it
}
