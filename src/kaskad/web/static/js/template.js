// A text beside what a person gets: looked at anew while one writes.
import { ask, say } from "./app.js";

const form = document.getElementById("template");
const token = document.querySelector('meta[name="csrf"]')?.content ?? "";
const who = document.getElementById("f-who");
let timer = 0;
let turn = Promise.resolve();
let touched = false;

function draw(doing = "") {
  clearTimeout(timer);
  timer = 0;
  form.dataset.state = "busy";
  document.getElementById("look")?.setAttribute("aria-busy", "true");
  turn = turn
    .then(async () => {
      const sent = new URLSearchParams(new FormData(form));
      if (doing === "check") sent.set("do", "check");
      const headers = { "X-CSRF-Token": token, "X-Part": "1" };
      const answer = await fetch(form.getAttribute("action"), { method: "POST", headers, body: sent, credentials: "same-origin" });
      take(new DOMParser().parseFromString(await answer.text(), "text/html"), doing);
    })
    .catch(() => say(document.documentElement.dataset.offline, "bad"))
    .finally(() => {
      if (!timer) form.dataset.state = "idle";
    });
  return turn;
}

/** Take the look and what is said about fields; what is being typed into stays. */
function take(page, doing) {
  const look = page.getElementById("look");
  if (!look) return;
  const chosen = document.querySelector('#look [name="look"]:checked')?.value;
  document.getElementById("look").replaceWith(document.adoptNode(look));
  const again = chosen && document.querySelector(`#look [name="look"][value="${chosen}"]`);
  if (again) again.checked = true;
  if (doing === "form") {
    document.getElementById("fields").replaceWith(document.adoptNode(page.getElementById("fields")));
    document.querySelector('#fields [name="format"]:checked')?.focus();
    return;
  }
  for (const old of form.querySelectorAll(".problem[id], .lacks[id]")) {
    const now = page.getElementById(old.id);
    if (!now || (old.matches(".lacks") && doing !== "check")) continue;
    old.replaceChildren(...[...now.childNodes].map((node) => document.adoptNode(node)));
  }
  if (doing === "check") {
    document.getElementById("check").replaceWith(document.adoptNode(page.getElementById("check")));
    document.querySelector('#check [name="do"]')?.focus({ preventScroll: true });
  }
}

form.addEventListener("input", (event) => {
  if (event.target.name === "look" || event.target.matches("[type=radio], [type=file]")) return;
  if (event.target === who) {
    find();
  } else if (event.target.name !== "trigger") {
    touched = true;
    document.getElementById("unsaved")?.replaceChildren(form.dataset.unsaved);
  }
  form.dataset.state = "busy";
  clearTimeout(timer);
  timer = setTimeout(draw, 500);
});
form.addEventListener("change", (event) => {
  if (event.target.matches("[data-reform]")) draw("form");
});
form.addEventListener("submit", (event) => {
  if (event.submitter?.formAction.endsWith("/save")) {
    touched = false;
    return;
  }
  event.preventDefault();
  draw(event.submitter?.value === "check" ? "check" : "");
});
window.addEventListener("beforeunload", (event) => {
  if (touched) event.preventDefault();
});

// A file that is brought in is saved at once, and chosen in the first row that is free.
form.addEventListener("change", async (event) => {
  const brought = event.target.id === "f-bring" && event.target.files[0];
  if (!brought) return;
  const name = brought.name.toLowerCase().replace(/\.[a-z0-9]+$/, "").replace(/[^a-z0-9_-]+/g, "-").replace(/^[-_]+|-+$/g, "").slice(0, 60) || `file-${Date.now()}`;
  const sent = new FormData();
  sent.set("file", brought);
  try {
    const answer = await fetch(`/api/v1/files/${name}`, { method: "PUT", headers: { "X-CSRF-Token": token }, body: sent, credentials: "same-origin" });
    const told = await answer.json();
    if (!answer.ok) {
      say((told.problems ?? []).map((each) => each.detail).join(" ") || told.detail || told.title, "bad");
      return;
    }
    for (const row of form.querySelectorAll(".file-row select")) {
      if (![...row.options].some((option) => option.value === told.name)) row.append(new Option(`${told.title} (${told.name})`, told.name));
    }
    const free = [...form.querySelectorAll(".file-row select")].find((row) => !row.value);
    if (free) {
      free.value = told.name;
      free.dispatchEvent(new Event("input", { bubbles: true }));
    }
    event.target.value = "";
    say(event.target.dataset.said, "good");
  } catch {
    say(document.documentElement.dataset.offline, "bad");
  }
});

// Whom to look as: offered as one types.
let asked = 0;
async function find() {
  const wanted = who.value.trim();
  asked += 1;
  const mine = asked;
  if (wanted.length < 2 || wanted.startsWith("con_")) return;
  try {
    const found = await ask("GET", `${form.dataset.people}?limit=8&q=${encodeURIComponent(wanted)}`);
    if (mine !== asked) return;
    document.getElementById("people").replaceChildren(
      ...found.items.map((each) => {
        const option = document.createElement("option");
        option.value = each.id;
        option.label = [each.attributes.name, ...each.addresses.map((one) => one.value)].filter(Boolean).slice(0, 2).join(" · ");
        return option;
      }),
    );
  } catch {
    // the field takes an id or an address as well
  }
}
form.dataset.state = "idle";
if (document.getElementById("look")) draw();
