/* On the address of a run, its data are asked for at once, while Dash still builds the page. */
"use strict";
(function (app) {
  const found = window.location.pathname.match(/^\/runs\/([^/]+)\/?$/);
  let store = null;
  let pending = Promise.resolve();

  async function fetchAhead(runId) {
    store = new app.store.RunStore(runId);
    await Promise.all([store.updateRun(), store.updateLayers(), store.updateMetrics()]);
    const asked = new URLSearchParams(window.location.search).get("layer");
    const layer = store.byName.has(asked) ? asked : store.layers[0]?.name;
    if (layer) await store.updateLayer(layer);
  }

  /* Null for what is no encoded text, like "%zz": there is no such run, and the page says so. */
  function decoded(text) {
    try {
      return decodeURIComponent(text);
    } catch {
      return null;
    }
  }

  /* What fails here is asked for again by the player, which says what went wrong. */
  const runId = found && decoded(found[1]);
  if (runId !== null) pending = fetchAhead(runId).catch(() => (store = null));

  app.prefetch = {
    settled: () => pending,
    take(runId) {
      return store && store.base === `/runs/${encodeURIComponent(runId)}` ? store : null;
    },
  };
})(window.sigmascope);
