// Asks for permission, subscribes, and tells Kaskad who it was; on Kaskad's page and on a shop's.
// kaskadPush.state(), .subscribe({token, digits}), .unsubscribe(): each ends with a word, such as "done".
(config) => {
  const script = document.currentScript;
  const base = script.src.replace(/\/subscribe\.js.*$/, "");
  const ours = new URL(base).origin === location.origin;
  const worker = script.dataset.worker ?? (ours ? `${base}/worker.js` : "/kaskad-worker.js");
  const able = ["serviceWorker", "caches", "PushManager", "Notification"].every(
    (name) => name in window || name in navigator,
  );
  const token = new URLSearchParams(location.hash.slice(1)).get("kaskad") ?? "";
  const kept = "/kaskad-push";
  const store = () => caches.open("kaskad-push");

  const post = async (path, told) => {
    const answer = await fetch(base + path, { method: "POST", body: JSON.stringify(told) });
    return (await answer.json()).state;
  };

  const registered = async () => {
    const found = await navigator.serviceWorker.register(worker);
    const fresh = found.installing ?? found.waiting;
    if (!found.active) {
      await new Promise((done) =>
        fresh.addEventListener("statechange", () => fresh.state === "activated" && done()),
      );
    }
    return found.pushManager;
  };

  const known = async () => {
    const found = await navigator.serviceWorker.getRegistration(worker);
    const entry = await (await store()).match(kept);
    return [await found?.pushManager.getSubscription(), await entry?.json()];
  };

  const remember = async (subscription) =>
    (await store()).put(kept, new Response(JSON.stringify(subscription)));

  window.kaskadPush = {
    async state() {
      if (!able) return "unsupported";
      if (Notification.permission === "denied") return "blocked";
      const [now, old] = await known();
      if (now && old && old.endpoint !== now.endpoint) {
        await post("/subscriptions", { old, subscription: now }); // the browser has renewed it
        await remember(now);
      }
      return token ? "ask" : now && old ? "on" : "unknown";
    },

    async subscribe(told = {}) {
      if (!able) return "unsupported";
      if ((await Notification.requestPermission()) !== "granted") return "blocked";
      const push = await registered();
      const wanted = { userVisibleOnly: true, applicationServerKey: config.key };
      const subscription = await push.subscribe(wanted).catch(async (error) => {
        if (error.name !== "InvalidStateError") throw error; // made under another key
        await (await push.getSubscription())?.unsubscribe();
        return push.subscribe(wanted);
      });
      const state = await post("/subscriptions", { token, ...told, subscription });
      if (state === "done" || state === "again") await remember(subscription);
      return state;
    },

    async unsubscribe() {
      const [now] = await known();
      if (now) {
        await post("/subscriptions/end", { subscription: now });
        await now.unsubscribe();
      }
      await (await store()).delete(kept);
      return "off";
    },
  };
}
