/* What moves without a reload: the page works without this too. */

/* A part that says data-again is fetched anew so many seconds later, for as long as it says so. */
function again(part) {
  setTimeout(async () => {
    let next = null;
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      next = page.getElementById(part.id);
    } catch { /* the box is away for a moment: the next look may find it */ }
    const inUse = part.querySelector("input:focus, select:focus");
    if (next && next.innerHTML !== part.innerHTML && !inUse) {
      part.replaceWith(next);
      part = next;
    } else if (next) {
      part.dataset.again = next.dataset.again || "";
    }
    if (part.dataset.again) again(part);
  }, part.dataset.again * 1000);
}
document.querySelectorAll("[data-again]").forEach(again);
