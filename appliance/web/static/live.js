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
