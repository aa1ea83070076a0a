// The comfort of every page. Without it pages are plain forms and links.
import { live } from "./live.js";
import { shortcuts } from "./keys.js";

const root = document.documentElement;
const token = document.querySelector('meta[name="csrf"]')?.content ?? "";

// The server writes times in the reader's zone.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone) document.cookie = `kaskad_zone=${zone}; path=/; max-age=31536000; samesite=lax`;

/** Ask our own API, or a page; the answer's problem is thrown as `Problem`. */
export async function ask(method, path, value) {
  const headers = { "X-CSRF-Token": token, Accept: "application/json" };
  if (value !== undefined) headers["Content-Type"] = "application/json";
  const body = value === undefined ? undefined : JSON.stringify(value);
  const answer = await fetch(path, { method, headers, body, credentials: "same-origin" });
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  const kind = answer.headers.get("content-type") ?? "";
  throw new Problem(answer.status, kind.includes("problem+json") ? await answer.json() : {});
}

export class Problem extends Error {
  constructor(status, told) {
    super(told.detail || told.problems?.map((each) => each.detail).join("\n") || told.title || String(status));
    this.status = status;
    this.problems = told.problems ?? [];
  }
}

/** Show a toast; it goes by itself unless it is bad news. */
export function say(text, kind = "info") {
  const made = document.getElementById(`toast-${kind}`).content.firstElementChild.cloneNode(true);
  made.querySelector("[data-text]").textContent = text;
  document.getElementById("toasts").append(made);
  settle(made);
}

/** Leave only the last of the toasts that say the same, however often something fails. */
function once(toast) {
  const said = (each) => each.querySelector("[data-text]").textContent;
  for (const other of [...toast.parentElement.children]) {
    if (other !== toast && said(other) === said(toast)) other.remove();
  }
}

function settle(toast) {
  once(toast);
  if (!toast.classList.contains("bad")) setTimeout(() => toast.remove(), 6000);
}

/** Put each problem beside the field that its pointer names; return those that name none. */
export function showProblems(form, problems) {
  for (const old of form.querySelectorAll("[data-problem]")) old.textContent = "";
  for (const field of form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
  const left = [];
  for (const { detail, pointer } of problems) {
    const place = form.querySelector(`[data-problem="${CSS.escape((pointer ?? "").slice(1))}"]`);
    if (!place || !pointer) {
      left.push(detail);
      continue;
    }
    place.textContent = place.textContent ? `${place.textContent} ${detail}` : detail;
    form.elements[pointer.slice(1)]?.setAttribute?.("aria-invalid", "true");
  }
  form.querySelector('[aria-invalid="true"]')?.focus();
  return left;
}

// Dialogs: data-open names one, data-close closes the one around it; a click beside closes it too.
document.addEventListener("click", (event) => {
  const opener = event.target.closest?.("[data-open]");
  if (opener) document.getElementById(opener.dataset.open)?.showModal();
  const closer = event.target.closest?.("[data-close]");
  if (closer) (closer.closest("dialog") ?? closer.closest(".toast"))?.[closer.closest("dialog") ? "close" : "remove"]();
  if (event.target.matches?.("dialog")) {
    const box = event.target.getBoundingClientRect();
    const inside = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
    if (!inside) event.target.close();
  }
  const copier = event.target.closest?.("[data-copy]");
  if (copier) navigator.clipboard.writeText(copier.dataset.copy).then(() => say(copier.dataset.copied, "good"));
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

// Filters are sent as one changes them; the address always tells what is shown.
document.addEventListener("change", (event) => {
  const form = event.target.closest?.("form[data-auto]");
  if (form) form.requestSubmit();
});
document.addEventListener("submit", (event) => {
  if (event.target.method !== "get") return;
  for (const field of event.target.elements) if (field.name && !field.value) field.disabled = true; // short addresses
});
window.addEventListener("pageshow", () => {
  for (const field of document.querySelectorAll("form[method=get] :disabled")) field.disabled = false;
});

// htmx: our token goes along; what is wrong is said beside the field or in a toast.
document.addEventListener("htmx:config:request", (event) => {
  event.detail.ctx.request.headers["X-CSRF-Token"] = token;
});
document.addEventListener("htmx:before:response", (event) => {
  const { ctx } = event.detail;
  const answer = ctx.response?.raw ?? ctx.response;
  const kind = answer?.headers?.get?.("content-type") ?? "";
  if (!kind.includes("problem+json")) return;
  event.preventDefault();
  answer.json().then((told) => {
    const form = ctx.sourceElement?.closest?.("form");
    const problems = told.problems?.length ? told.problems : [{ detail: told.detail || told.title }];
    const left = form ? showProblems(form, problems) : problems.map((each) => each.detail);
    if (left.length) say(left.join("\n"), "bad");
  });
});
// Whatever asks again and again tells once that nobody answers, until somebody does.
let offline = false;
document.addEventListener("htmx:error", () => {
  if (!offline) say(root.dataset.offline, "bad");
  offline = true;
});
document.addEventListener("htmx:before:response", () => {
  offline = false;
});
document.addEventListener("htmx:after:swap", () => {
  const last = document.getElementById("toasts").lastElementChild;
  if (last) once(last);
});

// Tabs that do not fit are scrolled to the one that is open.
for (const here of document.querySelectorAll(".tabs [aria-current]")) {
  const { left, width } = here.getBoundingClientRect();
  const row = here.parentElement;
  row.scrollLeft += left - row.getBoundingClientRect().left - (row.clientWidth - width) / 2;
}

for (const toast of document.querySelectorAll("#toasts .toast")) settle(toast);
shortcuts();
live();
