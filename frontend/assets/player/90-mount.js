/* The player lives as long as the element #player is in the page. `sigmascope.player.state()` looks into it:
   {run, kind, status, step, steps, lastStep, playing, follow, loop, speed, framesDrawn, firstHistogramMs, requests,
   theme, ready} and what the kind of run adds, or null where no run is shown. */
"use strict";
(function (app) {
  let player = null;

  function look() {
    const root = document.getElementById("player");
    if (player && player.root !== root) {
      player.destroy();
      player = null;
    }
    if (root && !player) player = new app.stages[root.dataset.kind](root);
    const title = window.location.pathname.startsWith("/theory") ? "Theory · sigmascope" : "sigmascope";
    if (!root && document.title !== title) document.title = title;
  }

  new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
  look();
  app.player = { state: () => (player ? player.state() : null) };
})(window.sigmascope);
