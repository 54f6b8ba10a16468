/* The player lives as long as the element #player is in the page. `sigmascope.player.state()` looks into it:
   {run, status, layer, step, steps, lastStep, playing, follow, loop, speed, framesDrawn, firstHistogramMs, requests,
   outliers, fit, predictor, skill, theme, ready}, or null where no run is shown. */
"use strict";
(function (app) {
  let player = null;

  function look() {
    const root = document.getElementById("player");
    if (player && player.root !== root) {
      player.destroy();
      player = null;
    }
    if (root && !player) player = new app.Player(root);
    if (!root && document.title !== "sigmascope") document.title = "sigmascope";
  }

  new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
  look();
  app.player = { state: () => (player ? player.state() : null) };
})(window.sigmascope);
