// The page /push/<account>: shows one [data-state] at a time; buttons and the form say what to do by [data-act].
(() => {
  const show = (state) => {
    for (const part of document.querySelectorAll("[data-state]")) {
      part.hidden = !part.dataset.state.split(" ").includes(state);
    }
  };
  const run = (act, told) => window.kaskadPush[act](told).then(show, () => show("trouble"));
  for (const part of document.querySelectorAll("[data-act]")) {
    part.addEventListener(part.tagName === "FORM" ? "submit" : "click", (event) => {
      event.preventDefault();
      run(part.dataset.act, part.tagName === "FORM" ? { digits: part.elements.digits.value } : {});
    });
  }
  run("state");
})();
