// Kaskad on a shop's pages: a click has arrived, a form was sent, who the visitor is, what they do.
// Keeps nothing in the browser and reads nothing of it unless the visitor has agreed: kaskad.consent(true).
(function (window, document) {
  "use strict";
  // A page may have it twice.
  var early = window.kaskad;
  if (early && early.track) return;
  var script = document.currentScript;
  var data = script.dataset;
  var url = new URL(script.src).origin + "/site/" + data.key + "/events";
  var agreed = data.consent === "yes";
  var waiting = [], who = null, timer = 0, tries = 0;
  var click = taken();

  function store(value) {
    try {
      if (agreed && value) sessionStorage.setItem("kaskad", value);
      return agreed && sessionStorage.getItem("kaskad");
    } catch (error) {}
  }

  // The click's token leaves the address at once, so that nobody bookmarks or shares it.
  function taken() {
    var found = /([?&#])ksk=([\w-]+)(&?)/.exec(location.href);
    if (!found) return "";
    var left = location.href.replace(found[0], found[3] ? found[1] : "");
    history.replaceState(history.state, "", left);
    return found[2];
  }

  // What cannot be told (a structure within itself, a whole book) is left out, and takes nothing else with it.
  function add(kind, name, properties) {
    var at = Date.now();
    try {
      var text = JSON.stringify({
        id: at.toString(36) + Math.random().toString(36).slice(2),
        kind, name, properties, at,
      });
      if (text.length < 1e4) waiting.push([text, kind === "track"]);
    } catch (error) {}
    waiting = waiting.slice(-50);
    later(kind === "track" ? 1000 : 0);
  }

  function later(ms) {
    clearTimeout(timer);
    timer = setTimeout(send, ms);
  }

  // Takes what may go now: half of the 64 kB that browsers let out of a page that ends.
  function take() {
    var size = 0;
    var left = [];
    var events = waiting.filter((one) => {
      var goes = (who || !one[1]) && (size += one[0].length) < 1e4;
      if (!goes) left.push(one);
      return goes;
    });
    waiting = left;
    return events;
  }

  function body(events) {
    var told = {sent: Date.now()};
    if (click) told.click = click;
    if (who) told.who = who;
    if (who && agreed) {
      told.zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
      told.language = navigator.language;
    }
    return JSON.stringify(told).slice(0, -1) + ',"events":[' + events.map((one) => one[0]) + "]}";
  }

  function send() {
    var events = navigator.onLine === false ? [] : take();
    if (!events.length) return;
    fetch(url, {method: "POST", body: body(events), keepalive: true, credentials: "omit"}).then(
      (answer) => {
        // Until it is read, Chromium counts what was sent against the 64 kB.
        answer.text();
        if (answer.status === 429 || answer.status > 499) return back(events);
        tries = 0;
        later(99);
      },
      () => back(events)
    );
  }

  function back(events) {
    waiting = events.concat(waiting).slice(-50);
    if (++tries < 6) later(1000 * 4 ** tries);
  }

  function leave() {
    var events = take();
    if (events.length && !navigator.sendBeacon(url, body(events))) waiting = events.concat(waiting);
  }

  var api = {
    identify(id, signature) {
      who = {id: String(id), signature};
      add("identify");
    },
    track(name, properties) { add("track", name, properties || {}); },
    consent(yes) {
      agreed = !!yes;
      store(click);
      if (!agreed) try { sessionStorage.removeItem("kaskad"); } catch (error) {}
    },
    push([name, ...told]) { if (api[name]) api[name](...told); },
  };

  if (click) {
    store(click);
    add("page");
  } else {
    click = store() || "";
  }
  document.addEventListener("submit", () => { if (click) add("form"); }, true);
  window.addEventListener("online", send);
  window.addEventListener("pagehide", leave);
  window.kaskad = api;
  if (Array.isArray(early)) early.forEach(api.push);
})(window, document);
