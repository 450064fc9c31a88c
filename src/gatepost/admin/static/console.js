// The console's script. Every page works without it: it keeps the first page fresh, counts time left down, ticks all rows, and reads a file into a form.
// Its few words stand in the page, in the page's language.
"use strict";

const units = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];

function span(seconds) {
  let left = Math.max(0, Math.floor(seconds));
  const parts = [];
  for (const [name, size] of units) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count) parts.push(`${count} ${name}`);
  }
  return parts.slice(0, 2).join(" ") || document.body.dataset.over;
}

function countDown() {
  const now = Date.now() / 1000;
  for (const each of document.querySelectorAll("[data-until]")) {
    const text = span(Number(each.dataset.until) / 1e6 - now);
    if (each.textContent !== text) each.textContent = text;
  }
}

function localTimes(root) {
  for (const each of root.querySelectorAll("time[datetime]")) each.title = document.body.dataset.local.replace("{time}", new Date(each.dateTime).toLocaleString());
}

// A part is replaced where its text changed, and never under somebody's keyboard or selection.
function busy(element) {
  const chosen = getSelection();
  return element.contains(document.activeElement) || (chosen && !chosen.isCollapsed && element.contains(chosen.anchorNode));
}

function live(root) {
  const source = new EventSource(root.dataset.live);
  const waiting = {}; // what came while its place was in use
  source.addEventListener("parts", (event) => {
    root.classList.remove("is-stale");
    for (const [name, html] of Object.entries(Object.assign(waiting, JSON.parse(event.data)))) {
      const element = document.getElementById(name);
      if (!element || busy(element)) continue;
      delete waiting[name];
      element.innerHTML = html;
      localTimes(element);
    }
    countDown();
  });
  source.addEventListener("over", () => { source.close(); location.reload(); });
  source.addEventListener("error", () => {
    root.classList.add("is-stale");
    if (source.readyState === EventSource.CLOSED) setTimeout(reloadOnceAnswered, 3000);
  });
}

// A browser opens a stream again by itself that broke off, but not one that was refused: by a proxy whose server is away, or after the session's end.
async function reloadOnceAnswered() {
  try {
    if ((await fetch(location.href)).ok) return location.reload();
  } catch { /* nobody is there yet */ }
  setTimeout(reloadOnceAnswered, 3000);
}

function tickAll(box) {
  box.hidden = false;
  box.addEventListener("change", () => {
    for (const each of box.form.querySelectorAll(`input[name="${box.dataset.all}"]`)) each.checked = box.checked;
  });
}

function takeFile(holder) {
  holder.hidden = false;
  holder.querySelector("input").addEventListener("change", async (event) => {
    const file = event.target.files[0];
    if (file) document.getElementById(holder.dataset.file).value = await file.text();
  });
}

// A preview that runs: how far it is, and the page anew when it ends.
async function follow(holder) {
  const bar = holder.querySelector("progress"), said = holder.querySelector("[data-percent]");
  try {
    const answer = await fetch(holder.dataset.poll);
    if (answer.redirected || !answer.ok) return location.reload();
    const told = await answer.json();
    if (told.state !== "running") return location.reload();
    bar.value = told.percent;
    said.textContent = `${told.percent} %`;
    holder.classList.remove("is-stale");
  } catch { holder.classList.add("is-stale"); }
  setTimeout(() => follow(holder), 1000);
}

for (const each of document.querySelectorAll("[data-live]")) live(each);
for (const each of document.querySelectorAll("[data-poll]")) follow(each);
for (const each of document.querySelectorAll("[data-all]")) tickAll(each);
for (const each of document.querySelectorAll("[data-file]")) takeFile(each);
// A page that was left with its form sent twice would do its deed twice.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});
addEventListener("pageshow", () => { for (const each of document.forms) delete each.dataset.sent; });
// A link that names a part of the page opens it.
function openTarget() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) { target.open = true; target.scrollIntoView(); }
}
addEventListener("hashchange", openTarget);
openTarget();
const here = document.querySelector("nav [aria-current]");
if (here) here.scrollIntoView({ block: "nearest", inline: "center" });
localTimes(document);
countDown();
setInterval(countDown, 1000);
