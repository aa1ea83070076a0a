// The list of segments: how many are in each is counted when its row is seen, one after another.
let turn = Promise.resolve();

async function count(place) {
  try {
    const answer = await fetch(place.dataset.size, { credentials: "same-origin" });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    place.replaceChildren(...[...page.body.childNodes].map((node) => document.adoptNode(node)));
  } catch {
    // the link that counts stays
  }
}

const watch = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    watch.unobserve(target);
    turn = turn.then(() => count(target));
  }
});
for (const place of document.querySelectorAll("[data-size]")) watch.observe(place);
