// Keeps the figures of the page fresh. The page is complete without it.
"use strict";
(() => {
  const lang = document.documentElement.lang;
  const state = document.querySelector("[data-live]");
  const number = new Intl.NumberFormat(lang, { maximumSignificantDigits: 3 });
  const count = new Intl.NumberFormat(lang);

  const bytes = (value) => {
    const units = ["B", "kB", "MB", "GB", "TB", "PB"];
    let step = 0;
    while (value >= 999.5 && step + 1 < units.length) { value /= 1000; ++step; }
    return number.format(value) + " " + units[step];
  };
  const rate = (value) => bytes(value) + "/s";

  const put = (root, key, text) => {
    const element = root.querySelector(`[data-figure="${key}"]`);
    if (element && element.textContent !== text) element.textContent = text;
    return element;
  };
  const replace_numbers = (text, numbers) => text.replace(/\d+/g, () => String(numbers.shift()));

  const show_torrent = (card, torrent) => {
    put(card, "seeds", count.format(torrent.seeds));
    put(card, "leeches", count.format(torrent.leeches));
    put(card, "download_rate", rate(torrent.download_rate));
    put(card, "upload_rate", rate(torrent.upload_rate));
    put(card, "why", torrent.why);
    put(card, "percent", torrent.percent + " %");
    const pieces = card.querySelector('[data-figure="pieces"]');
    const map = card.querySelector('[data-figure="map"]');
    if (!pieces || !map) return;
    put(card, "pieces", replace_numbers(pieces.textContent, [torrent.pieces_verified, torrent.pieces_total]));
    map.parentNode.setAttribute("aria-label", pieces.textContent);
    if (map.getAttribute("d") !== torrent.map) map.setAttribute("d", torrent.map);
  };

  let phases = null;
  const show = (figures) => {
    // A torrent that came, went or changed its state changes what the page offers: load it anew.
    const now = figures.torrents.map((t) => t.id + t.phase + Boolean(t.mend)).sort().join();
    if (phases !== null && phases !== now && !document.querySelector("details[open]")) { location.reload(); return; }
    phases = now;
    const total = { peers: 0, upload_rate: 0, uploaded: 0 };
    for (const torrent of figures.torrents) {
      total.peers += torrent.seeds + torrent.leeches;
      total.upload_rate += torrent.upload_rate;
      total.uploaded += torrent.uploaded;
      const card = document.querySelector(`[data-torrent="${torrent.id}"]`);
      if (card) show_torrent(card, torrent);
    }
    const totals = document.querySelector(".totals");
    if (!totals) return;
    put(totals, "peers", count.format(total.peers));
    put(totals, "upload_rate", rate(total.upload_rate));
    put(totals, "uploaded", bytes(total.uploaded));
  };

  const tell = (on) => {
    const text = on ? state.dataset.on : state.dataset.off;
    state.classList.toggle("on", on);
    state.classList.toggle("off", !on);
    if (state.textContent !== text) state.textContent = text;
  };

  const poll = async () => {
    try {
      const answer = await fetch("/live", { cache: "no-store" });
      if (!answer.ok) throw new Error(String(answer.status));
      show(await answer.json());
      tell(true);
    } catch { tell(false); }
    setTimeout(poll, 5000);
  };

  const listen = () => {
    const events = new EventSource("/live/events");
    events.addEventListener("figures", (event) => { show(JSON.parse(event.data)); tell(true); });
    events.onerror = () => {
      // Closed for good (no such thing, or too many listeners): ask now and then instead.
      if (events.readyState === EventSource.CLOSED) poll(); else tell(false);
    };
  };

  // The clipboard is there only where the browser trusts the address (https, localhost).
  const offer_copy = () => {
    if (!navigator.clipboard) return;
    for (const link of document.querySelectorAll("[data-magnet]")) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "button";
      button.textContent = state.dataset.copy;
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(link.href);
        button.textContent = state.dataset.copied;
        setTimeout(() => { button.textContent = state.dataset.copy; }, 2000);
      });
      link.after(button);
    }
  };

  offer_copy();
  if ("EventSource" in window) listen(); else poll();
})();
