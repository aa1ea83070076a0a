// The way of a file: the browser keeps it, the server rehearses it as often as one likes, then brings it in.
import { say } from "./app.js";

const form = document.getElementById("wizard");
const input = document.getElementById("file");
const drop = form.querySelector(".drop");
const token = document.querySelector('meta[name="csrf"]').content;
const problem = document.getElementById("file-problem");
const busy = document.getElementById("busy");
const bring = document.getElementById("bring");
let file = null;
let samples = {};

function wishes(rehearsal) {
  const asked = new URLSearchParams();
  for (const name of ["country", "list", "consent", "consent_text"]) {
    const value = form.elements[name].value.trim();
    if (value) asked.set(name, value);
  }
  for (const select of form.querySelectorAll(".column select")) {
    if (select.value) asked.append("map", `${select.dataset.column}=${select.value}`);
  }
  for (const each of form.querySelectorAll('[name="numbers_on"]:checked')) asked.append("numbers_on", each.value);
  asked.set("source", file.name);
  asked.set("dry_run", rehearsal);
  asked.set("wait_s", rehearsal ? "20" : "0.5");
  return asked;
}

async function send(rehearsal) {
  problem.textContent = "";
  busy.textContent = form.dataset.busy;
  bring.disabled = true;
  const body = new FormData();
  body.append("file", file);
  try {
    const answer = await fetch(`/api/v1/contacts/import?${wishes(rehearsal)}`, {
      method: "POST", body, credentials: "same-origin", headers: { "X-CSRF-Token": token, Accept: "application/json" },
    });
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.problems?.map((each) => each.detail).join("\n") || told.detail || told.title);
    return told;
  } catch (error) {
    problem.textContent = error.message;
    problem.scrollIntoView({ block: "center" });
    return null;
  } finally {
    busy.textContent = "";
  }
}

async function rehearse() {
  if (!file) return;
  const told = await send(true);
  if (!told) return;
  if (told.state === "running") say(form.dataset.large);
  await show(told);
  for (const id of ["columns", "consents", "rehearsal", "rehearse"]) document.getElementById(id).hidden = false;
  bring.disabled = false;
}

async function show(told) {
  const place = form.querySelector(".columns");
  const chosen = Object.fromEntries([...place.querySelectorAll("select")].map((each) => [each.dataset.column, each.value]));
  const answer = await fetch(`/imports/${told.id}/rehearsed`, { credentials: "same-origin" });
  const parts = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const select of parts.querySelectorAll("select")) {
    select.value = chosen[select.dataset.column] ?? "";
    select.nextElementSibling.textContent = (samples[select.dataset.column] ?? []).join(" · ");
  }
  place.replaceChildren(...parts.querySelector(".columns").children);
  form.querySelector(".found").replaceChildren(...parts.querySelector(".found").children);
  for (const each of form.querySelectorAll("[data-figure]")) {
    each.textContent = Number(told[each.dataset.figure]).toLocaleString(document.documentElement.lang);
  }
}

// The first cells of each column, where the file is a text.
async function look() {
  samples = {};
  if (/\.(xlsx|jsonl|ndjson)$/i.test(file.name)) return;
  const bytes = new Uint8Array(await file.slice(0, 20000).arrayBuffer());
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
  } catch {
    text = new TextDecoder("windows-1251").decode(bytes);
  }
  const lines = text.replace(/^\ufeff/, "").split(/\r?\n/).slice(0, 4);
  const sign = [";", "\t", ","].sort((a, b) => lines[0].split(b).length - lines[0].split(a).length)[0];
  const cells = (line) => line.split(sign).map((each) => each.trim().replace(/^"(.*)"$/, "$1"));
  const names = cells(lines[0]);
  for (const line of lines.slice(1)) {
    cells(line).forEach((cell, at) => cell && (samples[names[at]] ??= []).push(cell));
  }
}

async function take(chosen) {
  if (!chosen) return;
  file = chosen;
  form.querySelector("[data-name]").textContent = file.name;
  await look();
  await rehearse();
}

input.addEventListener("change", () => take(input.files[0]));
for (const name of ["dragover", "dragenter"]) {
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  take(event.dataTransfer.files[0]);
});
document.getElementById("rehearse").addEventListener("click", rehearse);
for (const part of [form.querySelector(".columns"), document.getElementById("numbers-on")]) part.addEventListener("change", rehearse);
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!file) return;
  const told = await send(false);
  if (told) location.assign(`/imports/${told.id}`);
});
