// The console's own script: times, live updates, choosing rows, copying, scrubbing and a few keys.
// Every page works without it; it asks this server only, and puts nothing into a page that the server did not make.

const MODES = ["UTC", "local", "relative"];
const DISPLAYED = "bickford-times";
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "always", style: "short" });
const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

// --- Times: the server writes UTC; here they are shown as the reader likes, and all three are in the title.

function mode() {
  const kept = localStorage.getItem(DISPLAYED);
  return MODES.includes(kept) ? kept : "UTC";
}

function asUtc(moment) {
  return moment.toISOString().replace("T", " ").slice(0, 19) + " UTC";
}

function asRelative(moment) {
  const seconds = (moment - Date.now()) / 1000;
  const [unit, length] = UNITS.find(([, each]) => Math.abs(seconds) >= each) ?? UNITS.at(-1);
  return relative.format(Math.trunc(seconds / length), unit);
}

function showTimes(root = document) {
  const shown = mode();
  for (const element of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(element.dateTime);
    const told = { UTC: asUtc(moment), local: local.format(moment), relative: asRelative(moment) };
    const text = told[shown];
    if (element.textContent !== text) element.textContent = text;
    element.title = `${told.UTC} · ${told.local} · ${told.relative}`;
  }
  for (const button of document.querySelectorAll("[data-times]")) button.textContent = shown;
}

function nextMode() {
  localStorage.setItem(DISPLAYED, MODES[(MODES.indexOf(mode()) + 1) % MODES.length]);
  showTimes();
}

// --- Live: one stream tells which renders moved; what shows them is fetched anew, at most once a second each.

const waiting = new Map();
const news = new Set();

function moved(id) {
  const shown = document.querySelectorAll(`[data-render="${CSS.escape(id)}"]`);
  if (!shown.length) return false;
  if (!waiting.has(id)) {
    waiting.set(id, setTimeout(() => {
      waiting.delete(id);
      const still = document.querySelectorAll(`[data-render="${CSS.escape(id)}"]`);
      for (const element of still) element.dispatchEvent(new CustomEvent("moved"));
    }, waiting.size ? 600 : 60));
  }
  return true;
}

function tellNews() {
  const place = document.querySelector("[data-news]");
  if (!place || !news.size) return;
  place.hidden = false;
  place.querySelector("a").textContent = news.size === 1 ? "1 render moved that is not shown here: look again" : `${news.size} renders moved that are not shown here: look again`;
}

function listen() {
  const place = document.body.dataset.live;
  const connection = document.querySelector("[data-connection]");
  if (!place) return;
  const source = new EventSource(place);
  source.addEventListener("open", () => { connection.textContent = "Live"; });
  source.addEventListener("error", () => { connection.textContent = "Live updates pause; they go on by themselves"; });
  source.addEventListener("moved", (event) => {
    const told = JSON.parse(event.data);
    for (const id of told.renders) if (!moved(id)) news.add(id);
    tellNews();
    document.body.dispatchEvent(new CustomEvent("facts", { detail: told }));
  });
  addEventListener("pagehide", () => source.close());
}

// --- Choosing rows, copying, scrubbing

function countChosen() {
  const bar = document.querySelector("[data-selected]");
  if (!bar) return;
  const chosen = document.querySelectorAll('[name="ids[]"]:checked').length;
  bar.hidden = !chosen;
  bar.querySelector("[data-count]").textContent = chosen;
}

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-all]")) {
    for (const box of document.querySelectorAll('[name="ids[]"]')) box.checked = event.target.checked;
  }
  if (event.target.matches('[data-all], [name="ids[]"]')) countChosen();
});

document.addEventListener("click", async (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    await navigator.clipboard.writeText(copy.dataset.copy);
    const label = copy.textContent;
    copy.textContent = "Copied";
    setTimeout(() => { copy.textContent = label; }, 1200);
  }
  if (event.target.closest("[data-times]")) nextMode();
});

document.addEventListener("pointermove", scrub);
document.addEventListener("pointerdown", scrub);

function scrub(event) {
  const sheet = event.target.closest?.("[data-scrub]");
  const film = sheet?.parentElement.querySelector("video");
  if (!film || !Number.isFinite(film.duration)) return;
  if (event.type === "pointermove" && !film.paused) return; // it plays: only a press goes elsewhere
  const box = sheet.getBoundingClientRect();
  film.currentTime = film.duration * Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
}

// --- Sending: a form is sent once. Where the page stays, for a file or by going back, it can be sent again.
// Buttons are not disabled: a browser may keep that for a page that somebody goes back to.

const SENT_AGAIN_MS = 5000;

document.addEventListener("submit", (event) => {
  const { target: form, submitter: button } = event;
  if (!button || event.defaultPrevented || form.method !== "post") return;
  if (form.hasAttribute("data-sent")) {
    event.preventDefault();
    return;
  }
  form.setAttribute("data-sent", "");
  button.setAttribute("aria-disabled", "true");
  const again = () => {
    form.removeAttribute("data-sent");
    button.removeAttribute("aria-disabled");
  };
  if (form.matches("[data-download]")) setTimeout(again, SENT_AGAIN_MS);
  else addEventListener("pageshow", again, { once: true });
});

// --- Keys

let awaitsPage = false;

function moveRow(step) {
  const links = [...document.querySelectorAll("[data-row] .prompt a:first-child, [data-row] a[data-open]")];
  const at = links.findIndex((each) => each.closest("[data-row]").contains(document.activeElement));
  links[Math.min(links.length - 1, Math.max(0, at + step))]?.focus();
}

const KEYS = {
  "/": () => document.querySelector("[data-search]")?.focus(),
  j: () => moveRow(1),
  k: () => moveRow(-1),
  t: nextMode,
  "?": () => document.getElementById("keys")?.togglePopover(),
  g: () => { awaitsPage = true; setTimeout(() => { awaitsPage = false; }, 1500); },
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select, [contenteditable]")) return;
  if (awaitsPage) {
    awaitsPage = false;
    document.querySelector(`nav a[data-key="${CSS.escape(event.key)}"]`)?.click();
    return;
  }
  const act = KEYS[event.key];
  if (act) {
    event.preventDefault();
    act();
  }
});

// --- htmx: what it sends brings the token; what it brings has its times shown.

document.addEventListener("htmx:config:request", (event) => {
  const token = document.querySelector('meta[name="csrf"]')?.content;
  const request = event.detail.ctx?.request;
  if (token && request?.headers) request.headers["X-CSRF-Token"] = token;
});
document.addEventListener("htmx:after:swap", () => { showTimes(); countChosen(); });

// Where there are more pages than fit beside each other, the one that is shown is in sight.
for (const here of document.querySelectorAll("nav [aria-current]")) here.scrollIntoView({ block: "nearest", inline: "center" });
showTimes();
setInterval(() => { if (mode() === "relative") showTimes(); }, 5000);
countChosen();
listen();
