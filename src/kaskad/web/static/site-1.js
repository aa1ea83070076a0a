// Kaskad on a shop's pages: a click has arrived, a form was sent, who the visitor is, what they do.
// Keeps nothing in the browser and reads nothing of it unless the visitor has agreed: kaskad.consent(true).
(function (window, document) {
  "use strict";
  var script = document.currentScript;
  var data = script.dataset;
  var url = new URL(script.src).origin + "/site/" + data.key + "/events";
  var agreed = data.consent === "yes";
  var waiting = [];
  var who = null;
  var timer = 0;
  var tries = 0;
  var click = taken();

  function store(name, value) {
    try {
      if (!agreed) return null;
      if (value === undefined) return sessionStorage.getItem(name);
      sessionStorage.setItem(name, value);
    } catch (error) {}
    return null;
  }

  // The click's token leaves the address at once, so that nobody bookmarks or shares it.
  function taken() {
    var found = /([?&#])ksk=([\w-]+)(&?)/.exec(location.href);
    if (!found) return "";
    var left = location.href.replace(found[0], found[3] ? found[1] : "");
    history.replaceState(history.state, "", left);
    return found[2];
  }

  function add(kind, name, properties) {
    waiting.push({
      id: Date.now().toString(36) + Math.random().toString(36).slice(2),
      kind: kind, name: name, properties: properties, at: Date.now(),
    });
    waiting = waiting.slice(-50);
    later(kind === "track" ? 1000 : 0);
  }

  function later(ms) {
    clearTimeout(timer);
    timer = setTimeout(send, ms);
  }

  function body(events) {
    var told = {sent: Date.now(), events: events};
    if (click) told.click = click;
    if (who) told.who = who;
    if (who && agreed) {
      told.zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
      told.language = navigator.language;
    }
    return JSON.stringify(told);
  }

  function send() {
    var told = function (one) { return who || one.kind !== "track"; };
    var events = waiting.filter(told);
    if (!events.length || navigator.onLine === false) return;
    waiting = waiting.filter(function (one) { return !told(one); });
    fetch(url, {method: "POST", body: body(events), keepalive: true, credentials: "omit"}).then(
      function (answer) {
        tries = 0;
        if (answer.status === 429 || answer.status > 499) back(events);
      },
      function () { back(events); }
    );
  }

  function back(events) {
    waiting = events.concat(waiting).slice(-50);
    tries += 1;
    if (tries < 6) later(1000 * Math.pow(4, tries));
  }

  function leave() {
    if (waiting.length && navigator.sendBeacon(url, body(waiting))) waiting = [];
  }

  var api = {
    identify: function (id, signature) {
      who = {id: String(id), signature: signature};
      add("identify");
    },
    track: function (name, properties) { add("track", name, properties || {}); },
    consent: function (yes) {
      agreed = !!yes;
      if (agreed && click) store("kaskad", click);
      if (!agreed) try { sessionStorage.removeItem("kaskad"); } catch (error) {}
    },
    push: function (call) { api[call[0]].apply(null, [].slice.call(call, 1)); },
  };

  if (click) {
    store("kaskad", click);
    add("page");
  } else {
    click = store("kaskad") || "";
  }
  document.addEventListener("submit", function () { if (click) add("form"); }, true);
  window.addEventListener("online", send);
  window.addEventListener("pagehide", leave);
  var early = window.kaskad;
  window.kaskad = api;
  if (Array.isArray(early)) early.forEach(api.push);
})(window, document);
