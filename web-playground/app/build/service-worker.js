// The page without a network. Files have the hash of their content in their names, so what is kept is right for ever;
// the page itself is fetched again where there is a network.
const NAME = `gnomon-${"BUILD"}`;
const FILES = ["FILES"];

self.addEventListener("install", (event) => {
  const keep = async () => {
    const cache = await caches.open(NAME);
    await cache.addAll(FILES);
    await self.skipWaiting();
  };
  event.waitUntil(keep());
});

self.addEventListener("activate", (event) => {
  const clean = async () => {
    for (const name of await caches.keys()) {
      if (name.startsWith("gnomon-") && name !== NAME) await caches.delete(name);
    }
    await self.clients.claim();
  };
  event.waitUntil(clean());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || new URL(request.url).origin !== location.origin) return;
  const answer = async () => {
    const cache = await caches.open(NAME);
    const kept = await cache.match(request, { ignoreSearch: true });
    if (request.mode !== "navigate") return kept ?? fetch(request);
    try {
      return await fetch(request);
    } catch {
      return kept ?? (await cache.match("./")) ?? Response.error();
    }
  };
  event.respondWith(answer());
});
