// The keyboard: ? shows what there is, / searches, g and a letter goes to a place, Ctrl+K finds anything.

let waiting = 0;

export function shortcuts() {
  const help = document.getElementById("shortcuts");
  const palette = document.getElementById("palette");
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k" && palette) {
      event.preventDefault();
      palette.open ? palette.close() : open(palette);
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "?" && help) help.showModal();
    else if (event.key === "/") search(event, palette);
    else if (event.key === "g") waiting = Date.now();
    else if (Date.now() - waiting < 1500) go(event);
  });
  if (palette) arrows(palette);
}

function typing(element) {
  return element.matches?.("input, textarea, select, [contenteditable]");
}

function search(event, palette) {
  event.preventDefault();
  const field = document.querySelector("[data-search]");
  if (field) field.focus();
  else if (palette) open(palette);
}

function go(event) {
  waiting = 0;
  const place = document.querySelector(`a[data-key="${CSS.escape(letter(event))}"]`);
  if (place) location.assign(place.href);
}

// By the place of the key, so that it works with a Russian layout too.
function letter(event) {
  return event.code?.startsWith("Key") ? event.code.slice(3).toLowerCase() : event.key;
}

function open(palette) {
  palette.showModal();
  const field = palette.querySelector("input");
  field.value = "";
  narrow(palette, "");
  field.focus();
}

function narrow(palette, text) {
  const wanted = text.trim().toLowerCase();
  for (const each of palette.querySelectorAll("[data-always] li")) {
    each.hidden = !each.textContent.toLowerCase().includes(wanted);
  }
}

function arrows(palette) {
  const field = palette.querySelector("input");
  field.addEventListener("input", () => narrow(palette, field.value));
  palette.addEventListener("keydown", (event) => {
    const links = [...palette.querySelectorAll("li:not([hidden]) a")];
    const at = links.indexOf(document.activeElement);
    if (event.key === "ArrowDown") links[at + 1]?.focus();
    else if (event.key === "ArrowUp") at > 0 ? links[at - 1].focus() : field.focus();
    else if (event.key === "Enter" && document.activeElement === field) links[0]?.click();
    else return;
    event.preventDefault();
  });
}
