/* What moves without a reload: the page works without this too.

   The server draws everything. This asks it for the blocks again, puts those parts in place that
   have changed (each has an id and data-live), and sends what is pressed without leaving. */
(() => {
  "use strict";
  const live = document.querySelector("[data-live-from]");
  if (!live) return;
  const HIDDEN = 30, SLOWEST = 30, PATIENCE = 10000, SAID_FOR = 20000, PRESSED_FOR = 1500, LONGEST_PRESS = 3000;
  const by = id => document.getElementById(id);
  const form = by("act"), silent = by("silent"), said = by("said");
  const parts = of => [...of.querySelectorAll("[data-live]")];
  const names = of => parts(of).map(each => each.id).join();
  const drawn = new Map(parts(live).map(each => [each.id, each.innerHTML]));  // as the server said
  let up = Promise.resolve(), lift = () => {};
  let seen = "", next = Number(live.dataset.next), failures = 0, timer = 0, talk = 0, asking = false;

  /* Replacing must take neither the focus nor what somebody has opened or ticked. */
  function replace(there, nodes) {
    const inside = there.contains(document.activeElement);
    const active = inside ? document.activeElement.id : "";
    const open = [...there.querySelectorAll("details[open]")].map(each => each.id);
    const ticked = [...there.querySelectorAll("input:checked")].map(each => each.id);
    there.replaceChildren(...nodes);
    for (const id of open) if (by(id)) by(id).open = true;
    for (const id of ticked) if (by(id)) by(id).checked = true;
    if (!inside) return;
    let focus = active && by(active);
    if (!focus) {
      focus = there.closest("section");
      focus.tabIndex = -1;
    }
    focus.focus({preventScroll: true});
  }

  function put(fresh) {
    const html = fresh.innerHTML;
    if (drawn.get(fresh.id) === html) return;
    drawn.set(fresh.id, html);
    replace(by(fresh.id), fresh.childNodes);
  }

  function place(html) {
    const page = new DOMParser().parseFromString(html, "text/html");
    for (const block of page.querySelectorAll("section")) {
      const there = by(block.id);
      if (names(block) === names(there)) {
        parts(block).forEach(put);
      } else {
        for (const each of parts(block)) drawn.set(each.id, each.innerHTML);
        replace(there, block.childNodes);
      }
    }
    if (page.getElementById("said")) said.replaceChildren(...page.getElementById("said").childNodes);
  }

  /* A button replaced between finger down and finger up would never know it was pressed. */
  addEventListener("pointerdown", () => {
    up = new Promise(over => { lift = over; setTimeout(over, LONGEST_PRESS); });
  });
  for (const end of ["pointerup", "pointercancel", "blur"]) addEventListener(end, () => setTimeout(lift));

  async function send(address, options) {
    const stop = new AbortController(), late = setTimeout(() => stop.abort(), PATIENCE);
    try {
      const answer = await fetch(address, {
        ...options, headers: {"X-Live": "1"}, redirect: "manual", cache: "no-store", signal: stop.signal,
      });
      if (answer.type === "opaqueredirect" || [400, 401, 403].includes(answer.status)) {
        location.reload();  // signed out meanwhile: the server says so in words
        return true;
      }
      if (!answer.ok) throw new Error(answer.status);
      const html = answer.status === 204 ? "" : await answer.text();
      await up;
      if (html) place(html);
      seen = answer.headers.get("X-Seen") || "";
      next = Number(answer.headers.get("X-Next")) || 5;
      failures = 0;
    } catch {
      failures += 1;
    } finally {
      clearTimeout(late);
    }
    silent.hidden = !failures;
    live.classList.toggle("stale", failures > 0);
    return !failures;
  }

  function later() {
    clearTimeout(timer);
    const seconds = failures ? Math.min(2 ** failures, SLOWEST) : document.hidden ? HIDDEN : next;
    timer = setTimeout(look, seconds * 1000);
  }

  async function look() {
    if (asking) return;
    asking = true;
    await send(`${live.dataset.liveFrom}?seen=${seen}`);
    asking = false;
    later();
  }

  async function press(event) {
    const button = event.submitter;
    if (!button || !button.dataset.asked) return;
    event.preventDefault();
    const words = button.textContent, data = new URLSearchParams(new FormData(form));
    if (button.name) data.append(button.name, button.value);
    button.textContent = button.dataset.asked;
    setTimeout(() => { button.textContent = words; }, PRESSED_FOR);
    clearTimeout(talk);
    if (await send(button.formAction, {method: "POST", body: data})) {
      talk = setTimeout(() => said.replaceChildren(), SAID_FOR);
    } else {
      said.textContent = "That did not reach the box. Press again once it answers.";
    }
    later();
  }

  form.addEventListener("submit", press);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
  later();
})();

/* The first run: a part that says data-again is fetched anew so many seconds later, for as long as it says so. */
function again(part) {
  setTimeout(async () => {
    let next = null;
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      if (answer.redirected) location.reload();  // signed out meanwhile
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      next = page.getElementById(part.id);
    } catch { /* the box is away for a moment: the next look may find it */ }
    if (next && !part.querySelector("input:focus, select:focus")) part = renewed(part, next);
    if (part.dataset.again) again(part);
  }, part.dataset.again * 1000);
}

/* Nothing that a person does there is lost: what is new only in its token stays as it is. */
function renewed(part, next) {
  for (const kind of ["details", "[name=csrf_token]"]) {
    const twins = next.querySelectorAll(kind);
    part.querySelectorAll(kind).forEach((each, number) => {
      if (!twins[number]) return;
      if (each.open) twins[number].open = true;
      else if (each.value) twins[number].setAttribute("value", each.value);
    });
  }
  if (next.innerHTML === part.innerHTML && next.dataset.again === part.dataset.again) return part;
  part.replaceWith(next);
  return next;
}
document.querySelectorAll("[data-again]").forEach(again);

/* The lamps: shown a second late, so that each flash lasts as long as on the box. */
(() => {
  const panel = document.querySelector("[data-edges]");
  if (!panel) return;
  let since = 0, late = 0;
  async function look() {
    try {
      const answer = await (await fetch(`${panel.dataset.edges}?since=${since}`)).json();
      if (!late) late = performance.now() + 1000 - answer.now * 1000;
      for (const [at, lamp, lit] of answer.edges) {
        const light = panel.querySelector(`[data-lamp=${lamp}]`).classList;
        setTimeout(() => light.toggle("lit", lit), Math.max(0, at * 1000 + late - performance.now()));
      }
      since = answer.now;
    } catch { /* the page is away for a moment */ }
    setTimeout(look, 500);
  }
  look();
})();
