/* The theory page: the tab that the address names, which rows of the claims table are open and which verdicts are
   shown. All of it outlives the rows, which the service sends anew as they are checked. */
"use strict";
(function () {
  const open = new Set();
  let verdict = "all";
  let wanted = null;

  const bodies = () => document.querySelectorAll(".claims-table tbody[data-claim]");
  const named = (id) => Array.from(bodies()).find((body) => body.dataset.claim === id);

  const verdictOf = (body) => body.querySelector(".claim-row")?.dataset.verdict;

  /* What the address asks for: "#theorem-3.1" or "?claim=theorem-3.1". */
  function asked() {
    const hash = window.location.hash.slice(1);
    try {
      return decodeURIComponent(hash) || new URLSearchParams(window.location.search).get("claim");
    } catch {
      return null;
    }
  }

  function remember(id) {
    const { pathname, search } = window.location;
    const query = new URLSearchParams(search);
    query.delete("claim");
    const rest = query.toString();
    window.history.replaceState(window.history.state, "", pathname + (rest ? `?${rest}` : "") + (id ? `#${id}` : ""));
  }

  function set(element, name, value) {
    if (element && element.getAttribute(name) !== value) element.setAttribute(name, value);
  }

  /* Bring the rows on the page to what is open and shown. */
  function apply() {
    for (const body of bodies()) {
      const isOpen = open.has(body.dataset.claim);
      set(body.querySelector(".claim-toggle"), "aria-expanded", String(isOpen));
      const details = body.querySelector(".claim-details");
      if (details && details.hidden === isOpen) details.hidden = !isOpen;
      const hidden = verdict !== "all" && verdictOf(body) !== verdict;
      if (body.hidden !== hidden) body.hidden = hidden;
    }
    for (const button of document.querySelectorAll(".verdict-filter button")) {
      set(button, "aria-pressed", String(button.dataset.filter === verdict));
    }
    if (wanted && named(wanted)) reveal(wanted);
  }

  function reveal(id) {
    wanted = null;
    if (verdict !== "all" && verdictOf(named(id)) !== verdict) verdict = "all";
    open.add(id);
    apply();
    named(id).scrollIntoView({ block: "start" });
  }

  function toggle(id) {
    if (open.delete(id)) remember(open.size ? Array.from(open).pop() : "");
    else {
      open.add(id);
      remember(id);
    }
    apply();
  }

  const tab = (name) => document.querySelector(`#theory-tabs [role="tab"][id$="-tab-${name}"]`);

  function pressed(event) {
    const chosen = event.target.closest("#theory-tabs [role=tab]");
    if (chosen) remember(chosen === tab("simulator") ? "simulator" : Array.from(open).pop());
    const button = event.target.closest(".verdict-filter button");
    if (button) {
      verdict = button.dataset.filter;
      apply();
      return;
    }
    const row = event.target.closest(".claim-row");
    const selecting = window.getSelection()?.toString() && !event.target.closest("button");
    if (row && !selecting) toggle(row.parentElement.dataset.claim);
  }

  /* Another page, another table: nothing is open there, unless its address asks for it. */
  let present = false;
  function look() {
    const here = document.querySelector(".claims-table") !== null;
    if (here && !present) wanted = asked();
    if (!here && present) {
      open.clear();
      verdict = "all";
    }
    present = here;
    if (here) apply();
  }

  window.addEventListener("hashchange", () => {
    wanted = asked();
    const name = wanted === "simulator" ? "simulator" : "claims";
    if (tab(name)?.getAttribute("aria-selected") === "false") tab(name).click();
    look();
  });
  document.addEventListener("click", pressed);
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
  look();
})();
