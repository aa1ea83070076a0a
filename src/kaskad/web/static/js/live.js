// Live updates: one stream a page, of all topics that its elements name by data-live.
//
// A part of the page says what it shows (data-shown); where the stream tells of another state, whenever that came
// about, it gets the event "live", and htmx asks for it again (hx-trigger="live"). What shows the told itself asks
// for nothing: data-field shows one of the figures, a job moves its bar.

const AGAIN_MS = 2000; // a part may be of figures that are kept for a while: it is asked for again, ever more rarely
const AGAIN_MOST = 6;
const STAYED_MS = 10_000; // a download leads nowhere, of which no event tells: whoever is here after that has stayed
const present = new Map(); // of each topic what its state is called, and how often a part was behind it
let stream = null;
let leaving = 0; // by which timer it would be known that the page has stayed
let last = "";
let state = "waiting";

export function live() {
  if (document.querySelector("[data-live]")) follow();
  // A browser opens six connections to a server at most: a tab that nobody sees keeps none.
  document.addEventListener("visibilitychange", () => (document.hidden ? leave() : follow()));
  addEventListener("beforeunload", depart);
  addEventListener("pagehide", leave);
  addEventListener("pageshow", (event) => event.persisted && stay()); // back, and the page was kept
  document.addEventListener("htmx:after:swap", () => {
    mark(state); // the server knows nothing of it
    for (const topic of present.keys()) later(topic);
  });
}

function follow() {
  const topics = [...new Set([...document.querySelectorAll("[data-live]")].map((each) => each.dataset.live))];
  if (stream || leaving || document.hidden || !topics.length) return;
  stream = new EventSource(`/live?topics=${topics.map(encodeURIComponent).join(",")}&since=${last}`);
  stream.addEventListener("open", () => mark("open"));
  stream.addEventListener("error", () => mark("waiting"));
  stream.addEventListener("news", (event) => {
    last = event.lastEventId;
    const { topic, told, digest } = JSON.parse(event.data);
    mark("open");
    clearTimeout(present.get(topic)?.timer);
    present.set(topic, { digest, tries: 0, timer: 0 });
    for (const each of about(topic)) tell(each, told);
    renew(topic);
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

// A form may change, or remove, what the page shows: that is not asked for while the answer is on its way.
function depart() {
  clearTimeout(leaving);
  leaving = setTimeout(stay, STAYED_MS);
  leave();
  for (const each of document.querySelectorAll("[data-shown]")) each.dispatchEvent(new CustomEvent("htmx:abort"));
}

function stay() {
  clearTimeout(leaving);
  leaving = 0;
  follow();
  for (const topic of present.keys()) renew(topic);
}

function mark(now) {
  state = now;
  for (const each of document.querySelectorAll(".live")) each.dataset.state = state;
}

function about(topic) {
  return document.querySelectorAll(`[data-live="${CSS.escape(topic)}"]`);
}

function behind(topic) {
  const { digest } = present.get(topic);
  return [...about(topic)].filter(({ dataset }) => "shown" in dataset && dataset.shown !== digest);
}

function renew(topic) {
  if (leaving) return;
  for (const each of behind(topic)) each.dispatchEvent(new CustomEvent("live", { bubbles: false }));
}

function later(topic) {
  const known = present.get(topic);
  if (known.timer || known.tries >= AGAIN_MOST || !behind(topic).length) return;
  known.timer = setTimeout(() => {
    known.timer = 0;
    renew(topic);
  }, AGAIN_MS * 2 ** known.tries++);
}

function tell(element, told) {
  const field = element.dataset.field;
  if (field) element.textContent = told[field] ?? "";
  if (element.classList.contains("job")) move(element, told);
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
