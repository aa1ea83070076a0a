// An open conversation: its end is shown, and what is new in it counts as looked at.
import { ask } from "./app.js";

const talk = () => document.getElementById("talk");
const show = () => {
  const box = talk();
  if (!box) return;
  box.scrollTop = box.scrollHeight;
  const who = box.dataset.unread;
  if (!who || document.hidden) return;
  delete box.dataset.unread;
  ask("POST", `/api/v1/threads/${who}`, { seen: true }).catch(() => {}); // it stays new
};

show();
document.addEventListener("htmx:after:swap", show);
document.addEventListener("visibilitychange", show);
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  const field = event.target.closest?.("textarea[data-send]");
  if (field) field.form.requestSubmit();
});
