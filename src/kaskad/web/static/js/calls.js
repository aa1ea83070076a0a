// Keys of the desk: data-hotkey names the key that presses a button or leads into a field, which Esc leaves, so
// that a call is worked off without a mouse.

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target.matches?.("input, textarea, select, [contenteditable]")) {
    if (event.key === "Escape" && event.target.closest("#end")) event.target.blur(); // back to the keys
    return;
  }
  if (document.querySelector("dialog[open]")) return;
  const key = pressed(event);
  const button = document.querySelector(`[data-hotkey="${CSS.escape(key)}"]`);
  if (!button) return;
  event.preventDefault();
  const needed = button.dataset.needs && document.getElementById(button.dataset.needs);
  if (button.matches("textarea")) button.focus();
  else if (needed && !needed.value) needed.focus();
  else button.click();
});

// By the place of the key, so that it works with a Russian layout too.
function pressed(event) {
  if (event.code?.startsWith("Key")) return event.code.slice(3).toLowerCase();
  if (event.code?.startsWith("Digit")) return event.code.slice(5);
  return event.key;
}
