// Our part of a service worker: shows what comes, opens what is tapped, and reports both.
// A shop's own worker has it by importScripts; notifications that are not ours are left to it.
(config) => {
  const kept = ["kaskad-push", "/kaskad-push"]; // where subscribe.js remembers the subscription

  const report = async (told, event, key = "") => {
    if (!told.status_url) return;
    const body = JSON.stringify({ event, reference: told.reference, ack: told.ack, key });
    await fetch(told.status_url, { method: "POST", mode: "no-cors", keepalive: true, body }).catch(() => {});
  };

  const read = (data) => {
    try {
      return data.json() ?? {};
    } catch {
      return {};
    }
  };

  self.addEventListener("push", (event) => {
    const told = event.data ? read(event.data) : {};
    if (!told.tag) return;
    const { body, icon, image, tag, language: lang } = told;
    const actions = (told.buttons ?? []).map(([title], place) => ({ action: String(place), title }));
    const options = { body, icon, image, tag, lang, actions, data: told };
    const shown = self.registration.showNotification(told.title || self.location.hostname, options);
    event.waitUntil(shown.then(() => report(told, "delivered")));
  });

  self.addEventListener("notificationclick", (event) => {
    const told = event.notification.data ?? {};
    if (!told.tag) return;
    event.notification.close();
    const pressed = event.action && told.buttons?.[event.action];
    const url = pressed ? pressed[1] : told.url;
    const opened = url ? self.clients.openWindow(url) : null;
    event.waitUntil(Promise.all([report(told, "clicked", pressed ? pressed[2] : ""), opened]));
  });

  self.addEventListener("notificationclose", (event) => {
    const told = event.notification.data ?? {};
    if (told.tag) event.waitUntil(report(told, "dismissed"));
  });

  const renew = async (event) => {
    const cache = await caches.open(kept[0]);
    const known = await cache.match(kept[1]);
    const old = event.oldSubscription ?? (known && (await known.json()));
    if (!old) return;
    const wanted = { userVisibleOnly: true, applicationServerKey: config.key };
    const subscription = event.newSubscription ?? (await self.registration.pushManager.subscribe(wanted));
    const body = JSON.stringify({ old, subscription });
    await fetch(`${config.url}/subscriptions`, { method: "POST", body });
    await cache.put(kept[1], new Response(JSON.stringify(subscription)));
  };

  self.addEventListener("pushsubscriptionchange", (event) => event.waitUntil(renew(event)));
}
