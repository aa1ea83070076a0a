// The editor: forms and links change parts of the page; typing saves by itself; drag, keys, undo.
import { say } from "./app.js";

const PARTS = ["tools", "alerts", "flow", "panel"];
const root = () => document.getElementById("editor");
const token = document.querySelector('meta[name="csrf"]')?.content ?? "";
const keep = `kaskad-undo:${root().dataset.slug}`;
let stacks = read();
let busy = Promise.resolve();
let timer = 0;
let under = 0;
let stale = false; // the panel has other fields by now, and was being typed into

/** Let the page say whether all is saved. */
function state() {
  root().dataset.state = timer || under ? "busy" : "idle";
}

function read() {
  try {
    return JSON.parse(sessionStorage.getItem(keep)) ?? { undo: [], redo: [] };
  } catch {
    return { undo: [], redo: [] };
  }
}

function remember() {
  stacks.undo = stacks.undo.slice(-100);
  try {
    sessionStorage.setItem(keep, JSON.stringify(stacks));
  } catch {
    // a full store: undo then ends with this page
  }
  showUndo();
}

function showUndo() {
  const pair = document.getElementById("undo-pair");
  if (!pair) return;
  pair.hidden = false;
  document.getElementById("undo").disabled = !stacks.undo.length;
  document.getElementById("redo").disabled = !stacks.redo.length;
}

const source = () => document.getElementById("source").value;

/** Do one thing after another, so that each has the revision that the one before has made. */
function inTurn(work) {
  under += 1;
  state();
  busy = busy
    .then(work)
    .catch(() => say(document.documentElement.dataset.offline, "bad"))
    .finally(() => {
      under -= 1;
      state();
    });
  return busy;
}

/** Return a path with whom the estimate is for. */
function chosen(path) {
  const whom = root().dataset.for;
  if (!whom || !path.startsWith(root().dataset.here)) return path;
  const address = new URL(path, location.href);
  if (!address.searchParams.has("for")) address.searchParams.set("for", whom);
  return address.pathname + address.search;
}

async function load(path, options = {}) {
  const headers = { "X-Part": "1", "X-CSRF-Token": token };
  const answer = await fetch(chosen(path), { credentials: "same-origin", ...options, headers });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return { answer, page };
}

/** Take the parts of another page; what is being typed into stays. */
function take(page, { typing = false } = {}) {
  const fresh = page.getElementById("editor");
  if (!fresh) return false;
  const active = document.activeElement;
  const caret = active?.matches?.("textarea, input[type=text]") ? [active.selectionStart, active.selectionEnd] : null;
  stale ||= !typing && Boolean(timer);
  const stays = timer || (typing && !stale);
  if (!stays) stale = false;
  for (const name of PARTS) {
    const old = document.getElementById(name);
    const now = page.getElementById(name);
    if (name === "panel" && stays) {
      freshen(old, now);
      continue;
    }
    old.replaceWith(document.adoptNode(now));
  }
  document.getElementById("board").className = page.getElementById("board").className;
  document.getElementById("source").value = page.getElementById("source").value;
  for (const name of ["revision", "panel", "at", "for"]) root().dataset[name] = fresh.dataset[name];
  const { here, panel, at } = root().dataset;
  history.replaceState(null, "", chosen(here + (panel ? `?panel=${panel}` : "") + (panel === "step" ? `&at=${at}` : "")));
  const again = active?.id && document.activeElement !== active ? document.getElementById(active.id) : null;
  again?.focus({ preventScroll: true });
  if (again && caret && again.setSelectionRange) again.setSelectionRange(...caret);
  showUndo();
  drawLeads();
  lookAgain();
  return true;
}

/** Renew what is said about the fields, and the revision they are sent with. */
function freshen(old, now) {
  for (const each of old.querySelectorAll(".problem[id], #text-problems, .hint[id]")) {
    const other = now.querySelector(`#${CSS.escape(each.id)}`);
    if (other && other.innerHTML !== each.innerHTML) each.innerHTML = other.innerHTML;
  }
  for (const field of old.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
  for (const field of now.querySelectorAll("[aria-invalid]")) {
    old.querySelector(`#${CSS.escape(field.id)}`)?.setAttribute("aria-invalid", "true");
  }
  for (const field of old.querySelectorAll('input[name="revision"]')) {
    field.value = now.querySelector('input[name="revision"]')?.value ?? field.value;
  }
}

/** Send what a form says; `typing` leaves the panel as it is. */
function send(data, { typing = false, undo = true, focus = "" } = {}) {
  return inTurn(async () => {
    const saved = document.getElementById("saved");
    if (saved) saved.textContent = root().dataset.saving;
    const before = source();
    data.set("revision", root().dataset.revision);
    data.set("csrf", token);
    const { answer, page } = await load(root().dataset.here, { method: "POST", body: new URLSearchParams(data) });
    if (!take(page, { typing: typing && answer.ok })) {
      say(page.querySelector("h1")?.textContent ?? String(answer.status), "bad");
      return;
    }
    if (answer.status === 409) {
      const mine = document.querySelector('#keep-copy input[name="source"]');
      if (mine && !mine.value) mine.value = before;
      document.getElementById("conflict")?.scrollIntoView({ block: "center" });
    } else if (undo && answer.ok && source() !== before) {
      stacks.undo.push(before);
      stacks.redo = [];
      remember();
    }
    if (focus) document.getElementById(focus)?.focus();
  });
}

function values(pairs) {
  const data = new FormData();
  for (const [name, value] of Object.entries(pairs)) data.set(name, value);
  return data;
}

function step(back) {
  const [from, to] = back ? [stacks.undo, stacks.redo] : [stacks.redo, stacks.undo];
  if (!from.length) return;
  const text = from.pop();
  to.push(source());
  remember();
  const data = values({ do: "text", source: text, panel: root().dataset.panel, at: root().dataset.at });
  send(data, { undo: false });
}

async function show(path, focus = "") {
  await flush();
  return inTurn(async () => {
    const { page } = await load(path);
    if (!take(page)) return;
    document.getElementById("panel").scrollTop = 0;
    const field = focus ? document.getElementById(focus) : null;
    if (field) {
      field.focus();
      field.scrollIntoView({ block: "center" });
    }
  });
}

function flush() {
  if (!timer) return busy;
  clearTimeout(timer);
  timer = 0;
  const form = document.getElementById("step-form") ?? document.getElementById("text-form");
  return form ? send(new FormData(form), { typing: true }) : busy;
}

document.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  const part = event.target.closest?.("a[data-part]");
  if (part) {
    event.preventDefault();
    show(part.getAttribute("href"), part.dataset.focus);
    return;
  }
  if (event.target.closest?.("#undo")) step(true);
  if (event.target.closest?.("#redo")) step(false);
  const example = event.target.closest?.(".example");
  if (example) {
    const field = document.getElementById(example.closest("[data-for]").dataset.for);
    field.value = example.dataset.example;
    field.focus();
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }
  const line = event.target.closest?.(".to-line");
  if (line) toLine(Number(line.dataset.line), Number(line.dataset.column));
  for (const menu of document.querySelectorAll("details.plus[open]")) if (!menu.contains(event.target)) menu.open = false;
});

async function toLine(line, column) {
  if (!document.getElementById("f-source")) await show(`${root().dataset.here}?panel=text`);
  const field = document.getElementById("f-source");
  if (!field) return;
  const lines = field.value.split("\n");
  const at = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
  field.focus();
  field.setSelectionRange(at + column - 1, at + (lines[line - 1]?.length ?? 0));
  field.scrollTop = Math.max(0, (line - 6) * parseFloat(getComputedStyle(field).lineHeight));
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.matches?.("[data-preview]")) {
    event.preventDefault();
    flush().then(() => look(true));
    return;
  }
  if (form.matches?.("[data-test]")) {
    event.preventDefault();
    test(form).catch(() => say(document.documentElement.dataset.offline, "bad"));
    return;
  }
  if (!form.matches?.("[data-edit]")) return;
  event.preventDefault();
  const data = new FormData(form, event.submitter);
  const at = Number(data.get("at"));
  const doing = data.get("do");
  if (doing === "move") {
    flush().then(() => reorder(at, Number(data.get("to"))));
    return;
  }
  const focus = { remove: `card-${Math.max(0, at - 1)}`, repeat: `card-${at + 1}` }[doing] ?? "";
  flush()
    .then(() => send(data, { focus }))
    .then(() => {
      if (doing === "add") document.querySelector("#step-form textarea, #step-form input[type=text]")?.focus();
    });
});

document.addEventListener("input", (event) => {
  if (!event.target.form?.matches("[data-typed], #text-form")) return;
  if (event.target.matches("select, input[type=checkbox]")) return;
  clearTimeout(timer);
  timer = setTimeout(flush, 500);
  state();
});

document.addEventListener("change", (event) => {
  if (event.target.id === "f-for") {
    const { panel, at, here } = root().dataset;
    root().dataset.for = event.target.value;
    show(here + (panel ? `?panel=${panel}` : "") + (panel === "step" ? `&at=${at}` : ""));
    return;
  }
  const form = event.target.form;
  if (form?.matches("[data-moving]")) {
    show(`${root().dataset.here}?${new URLSearchParams(new FormData(form))}`, event.target.id);
    return;
  }
  if (!form?.matches("[data-typed]") || !event.target.matches("select, input[type=checkbox]")) return;
  clearTimeout(timer);
  timer = 0;
  const data = new FormData(form);
  send(data);
});

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches?.("input, textarea, select");
  if ((event.ctrlKey || event.metaKey) && event.code === "KeyZ" && !typing) {
    event.preventDefault();
    step(!event.shiftKey);
    return;
  }
  if (event.key === "Escape" && !document.querySelector("dialog[open]")) {
    const menu = document.querySelector("details.plus[open]");
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    } else if (document.querySelector(".with-panel")) {
      const { panel, at, here } = root().dataset;
      show(here, panel === "step" ? `card-${at}` : "card-top");
    }
    return;
  }
  const card = event.target.closest?.("[data-card]");
  if (!card || !root().dataset.may || typing) return;
  const at = Number(card.dataset.card);
  const count = document.querySelectorAll("[data-card]").length;
  const to = { ArrowUp: at - 1, ArrowDown: at + 1 }[event.key];
  if (event.altKey && to !== undefined && to >= 0 && to < count) reorder(at, to);
  else if (event.altKey && event.code === "KeyD") press(card, "repeat");
  else if (event.key === "Delete") press(card, "remove");
  else if (!event.altKey && to !== undefined) document.getElementById(`card-${to}`)?.focus();
  else return;
  event.preventDefault();
});

function press(card, name) {
  const stop = card.closest(".stop");
  stop.querySelector(`input[name="do"][value="${name}"]`)?.closest("form").querySelector("button").click();
}

function reorder(at, to) {
  const data = values({ do: "move", at, to });
  const { panel, at: open } = root().dataset;
  if (panel === "step" && Number(open) === at) data.set("panel", "step");
  return flush().then(() => send(data, { focus: `card-${to}` }));
}

// Drag: a card lands above or below the one it is let go over.
let dragged = null;
document.addEventListener("dragstart", (event) => {
  const stop = event.target.closest?.(".stop");
  if (!stop || !event.target.closest('[draggable="true"]')) return;
  dragged = Number(stop.dataset.index);
  event.dataTransfer.effectAllowed = "move";
  event.dataTransfer.setData("text/plain", String(dragged));
  stop.querySelector(".step-card").classList.add("dragged");
});
document.addEventListener("dragover", (event) => {
  const stop = event.target.closest?.(".stop");
  clearMarks();
  if (dragged === null || !stop) return;
  event.preventDefault();
  stop.classList.add(below(event, stop) ? "over-end" : "over-top");
});
document.addEventListener("drop", (event) => {
  const stop = event.target.closest?.(".stop");
  if (dragged === null || !stop) return;
  event.preventDefault();
  const over = Number(stop.dataset.index) + (below(event, stop) ? 1 : 0);
  const to = over > dragged ? over - 1 : over;
  if (to !== dragged) reorder(dragged, to);
});
document.addEventListener("dragend", () => {
  dragged = null;
  clearMarks();
  document.querySelector(".dragged")?.classList.remove("dragged");
});

function below(event, stop) {
  const box = stop.querySelector(".step-card").getBoundingClientRect();
  return event.clientY > box.top + box.height / 2;
}

function clearMarks() {
  for (const each of document.querySelectorAll(".over-top, .over-end")) each.classList.remove("over-top", "over-end");
}

/** Draw a line from each branch to the step that it leads to, down the right edge. */
function drawLeads() {
  const flow = document.getElementById("flow");
  const svg = flow?.querySelector(".leads");
  if (!svg) return;
  const area = flow.getBoundingClientRect();
  const lines = [];
  for (const exit of flow.querySelectorAll("[data-lead]")) {
    const card = [...flow.querySelectorAll("[data-step]")].find((each) => each.dataset.step === exit.dataset.lead);
    const chip = exit.querySelector("span").getBoundingClientRect();
    const box = card?.getBoundingClientRect();
    if (!box || box.top < chip.bottom) continue;
    const lane = area.width - 8 - 6 * (lines.length % 3);
    const from = { x: chip.right - area.left, y: chip.top + chip.height / 2 - area.top };
    const to = { x: box.right - area.left + 2, y: box.top + 30 - area.top };
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", `M${from.x} ${from.y}H${lane}V${to.y}H${to.x}m6 -5l-6 5l6 5`);
    lines.push(path);
  }
  svg.replaceChildren(...lines);
}
new ResizeObserver(drawLeads).observe(document.getElementById("board"));

// What a person gets: shown for whom it was shown last, anew after each change.
const KEPT_WHO = "kaskad-who";
let shownFor = "";
let asking = 0;

/** Show the open step's message; `anew` also where nothing was chosen otherwise. */
async function look(anew = false) {
  const form = document.getElementById("preview-form");
  const who = document.getElementById("f-who");
  const place = document.getElementById("preview");
  if (!form || !who?.value.trim() || !place) return;
  const query = new URLSearchParams(new FormData(form));
  const wanted = `${query} ${root().dataset.revision}`;
  if (!anew && wanted === shownFor && place.dataset.shown) return;
  shownFor = wanted;
  const mine = ++asking;
  place.dataset.busy = "yes";
  try {
    const { page } = await load(`${form.getAttribute("action")}?${query}`);
    const shown = page.getElementById("preview") ?? page.querySelector(".empty, main");
    const now = document.getElementById("preview");
    if (mine !== asking || !shown || !now) return;
    now.replaceChildren(...[...shown.childNodes].map((node) => document.adoptNode(node)));
    delete now.dataset.busy;
    now.dataset.shown = "yes";
  } catch {
    say(document.documentElement.dataset.offline, "bad");
  }
}

/** Bring back whom one has looked at last, and show the message. */
function lookAgain() {
  const who = document.getElementById("f-who");
  if (!who) return;
  const kept = sessionStorage.getItem(KEPT_WHO);
  if (kept && !who.dataset.kept) who.value = kept;
  who.dataset.kept = "yes";
  look();
}

let searching = 0;
document.addEventListener("input", (event) => {
  if (event.target.id !== "f-who") return;
  clearTimeout(searching);
  searching = setTimeout(() => offer(event.target), 250);
});

/** Offer contacts that are called so; where one is meant exactly, show theirs. */
async function offer(field) {
  const path = document.getElementById("preview-form").getAttribute("action");
  const { page } = await load(`${path}/people?${new URLSearchParams({ q: field.value })}`);
  const found = page.getElementById("people");
  if (found) document.getElementById("people")?.replaceWith(document.adoptNode(found));
  if ([...document.querySelectorAll("#people option")].some((each) => each.value === field.value)) {
    sessionStorage.setItem(KEPT_WHO, field.value);
    look();
  }
}

document.addEventListener("change", (event) => {
  if (!event.target.matches("#f-who, #f-look-channel, #f-look-variant")) return;
  if (event.target.id === "f-who") sessionStorage.setItem(KEPT_WHO, event.target.value);
  look();
});

/** Send a test of the open step, and say what became of it. */
async function test(form) {
  await flush();
  const data = new URLSearchParams(new FormData(form));
  for (const [name, value] of new FormData(document.getElementById("preview-form"))) data.set(name, value);
  const place = document.getElementById("tested");
  place.dataset.busy = "yes";
  const { page } = await load(form.getAttribute("action"), { method: "POST", body: data });
  const told = page.getElementById("tested");
  delete place.dataset.busy;
  if (told) place.replaceChildren(...[...told.childNodes].map((node) => document.adoptNode(node)));
  else say(page.querySelector("h1")?.textContent ?? "", "bad");
}

// What was typed last is kept when one leaves.
state();
window.addEventListener("beforeunload", (event) => {
  if (timer) event.preventDefault();
});

showUndo();
lookAgain();
