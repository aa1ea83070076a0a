// The builder: rows and text follow each other, and who that is is counted while one builds.
import { say } from "./app.js";

const form = document.getElementById("segment");
const token = document.querySelector('meta[name="csrf"]')?.content ?? "";
const field = document.getElementById("f-text");
const first = field.value;
let timer = 0;
let turn = Promise.resolve();
let counted = null; // the text that is counted, or was
let round = 0;
let stale = false; // the rows have other fields by now, and were being typed into

const offline = () => say(document.documentElement.dataset.offline, "bad");

async function load(path, body) {
  const headers = { "X-CSRF-Token": token, "X-Part": "1" };
  const answer = await fetch(path, { method: body ? "POST" : "GET", headers, body, credentials: "same-origin" });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return { answer, page };
}

/** Put what a form says in place of what is shown; what is being typed into stays. */
function take(page, from, doing) {
  const rows = page.getElementById("rows");
  if (!rows) return;
  const active = document.activeElement;
  const open = document.querySelector("#rows details[open]")?.id;
  if (from === "typed") freshen(rows);
  else document.getElementById("rows").replaceWith(document.adoptNode(rows));
  if (open && !doing) document.getElementById(open)?.setAttribute("open", "");
  document.getElementById("in-words").replaceWith(document.adoptNode(page.getElementById("in-words")));
  if (from !== "text") field.value = page.getElementById("f-text").value;
  const yaml = document.getElementById("f-yaml");
  if (active !== yaml || doing) yaml.value = page.getElementById("f-yaml").value;
  document.getElementById("f-yaml-problem").textContent = page.getElementById("f-yaml-problem").textContent;
  const problem = page.getElementById("f-text-problem").textContent;
  document.getElementById("f-text-problem").textContent = problem;
  field.toggleAttribute("aria-invalid", Boolean(problem));
  if (problem) field.setAttribute("aria-invalid", "true");
  if (active?.id && !active.isConnected) document.getElementById(active.id)?.focus({ preventScroll: true });
  changed();
  if (!problem) count();
}

function freshen(rows) {
  for (const old of document.querySelectorAll("#rows .ask-problem")) {
    const now = rows.querySelector(`#${CSS.escape(old.id)}`);
    if (!now) continue;
    old.textContent = now.textContent;
    old.className = now.className;
  }
}

function changed() {
  document.getElementById("unsaved").textContent = field.value.trim() === first.trim() ? "" : form.dataset.unsaved;
}

/** Ask how it looks after what was changed; one thing after another. */
function draw(from, doing = "") {
  const typed = timer && form.elements.from.value === "text" && from !== "text"; // into the text, a moment ago
  clearTimeout(timer);
  timer = 0;
  if (typed) draw("text");
  form.dataset.state = "busy";
  turn = turn
    .then(() => {
      const sent = new URLSearchParams(new FormData(form));
      sent.set("from", from === "text" ? "text" : "rows");
      if (doing) sent.set("do", doing);
      return load("/segments/draw", sent);
    })
    .then(({ page }) => {
      if (timer && !doing) {
        stale ||= from !== "typed";
        return;
      }
      take(page, from === "typed" && stale ? "rows" : from, doing);
      stale = false;
      if (doing) focusAfter(doing);
    })
    .catch(offline)
    .finally(() => {
      if (!timer) form.dataset.state = "idle";
    });
  return turn;
}

/** After a row was added its first field has the focus; after one was removed the button that adds. */
function focusAfter(doing) {
  const [act, path] = doing.split("@");
  const lists = path === "" ? document.querySelector("#rows > .ask-box") : document.querySelector(`#more-${CSS.escape(path)}`)?.parentElement;
  if (act === "remove") {
    const above = path.split(".").slice(0, -1).join(".");
    document.querySelector(`#more-${CSS.escape(above || "top")} > summary`)?.focus();
    return;
  }
  const made = lists?.querySelector(":scope > .ask-rows")?.lastElementChild;
  made?.querySelector(act === "group" ? ".ask-row .input" : ".input")?.focus();
}

/** Count who that is; an answer that is no longer wanted is given up. */
async function count() {
  const text = field.value.trim();
  if (text === counted) return;
  counted = text;
  round += 1;
  const mine = round;
  const place = document.getElementById("answer");
  if (place.dataset.state === "running") load(`/segments/asked/${place.dataset.question}/stop`, new URLSearchParams()).catch(() => {});
  if (!text) return;
  place.setAttribute("aria-busy", "true");
  const name = text === first.trim() ? form.elements.old.value : "";
  try {
    await follow(mine, await load("/segments/ask", new URLSearchParams({ text, name })));
  } catch {
    offline();
  }
}

async function follow(mine, { answer, page }) {
  let now = { answer, page };
  for (;;) {
    if (mine !== round) {
      const late = now.page.getElementById("answer");
      if (late?.dataset.state === "running") load(`/segments/asked/${late.dataset.question}/stop`, new URLSearchParams()).catch(() => {});
      return;
    }
    const place = now.page.getElementById("answer");
    if (!place) return;
    const { state, again } = place.dataset;
    document.getElementById("answer").replaceWith(document.adoptNode(place));
    if (state !== "running") return;
    await new Promise((ready) => setTimeout(ready, 250));
    now = await load(again);
  }
}

form.addEventListener("submit", (event) => {
  const pressed = event.submitter;
  if (pressed?.dataset.stop) {
    event.preventDefault();
    round += 1;
    load(pressed.dataset.stop, new URLSearchParams())
      .then(({ page }) => document.getElementById("answer").replaceWith(document.adoptNode(page.getElementById("answer"))))
      .catch(offline);
    return;
  }
  if (pressed?.formAction.endsWith("/segments/save")) return;
  event.preventDefault();
  draw("rows", pressed?.name === "do" ? pressed.value : "");
});
form.addEventListener("input", (event) => {
  if (event.target === field || event.target.matches("[data-typed]")) {
    form.elements.from.value = event.target === field ? "text" : "rows";
    form.dataset.state = "busy";
    clearTimeout(timer);
    timer = setTimeout(() => draw(event.target === field ? "text" : "typed"), 350);
  }
});
form.addEventListener("change", (event) => {
  if (!event.target.matches("[data-redraw]")) return;
  form.elements.from.value = "rows";
  draw("rows");
});
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.ask-more[open]")) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" ? document.querySelector("details.ask-more[open]") : null;
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});
form.dataset.state = "idle";
if (field.value.trim() && !document.getElementById("answer").dataset.question) count();
