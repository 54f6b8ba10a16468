/* The page of a sweep: draws each panel from the skeleton of the page and from the numbers that the panel holds, as
   they come; switches the axes of all; follows the theme. */
"use strict";
(function (app) {
  const CONFIG = { displaylogo: false, responsive: false, modeBarButtons: [["toImage", "zoom2d", "resetScale2d"]] };
  const RETRY_MS = 3000;
  const skeletons = new WeakMap();
  const drawn = new Map();
  let retrying = null;

  const page = () => document.getElementById("sweep");
  const axesOf = (root) => root.dataset.axes;

  function skeletonOf(root) {
    if (!skeletons.has(root)) skeletons.set(root, JSON.parse(root.dataset.figures));
    return skeletons.get(root)[app.figures.theme()];
  }

  function drawPanel(root, plot) {
    const { clientWidth: width, clientHeight: height } = plot;
    const state = [axesOf(root), app.figures.theme(), width, height, plot.dataset.found].join(" ");
    if (!width || drawn.get(plot) === state) return;
    drawn.set(plot, state);
    const skeleton = skeletonOf(root);
    const found = JSON.parse(plot.dataset.found)[axesOf(root)];
    const data = skeleton.data.map((trace) => ({ x: [], y: [], ...trace, ...found.traces[trace.meta] }));
    const layout = { ...skeleton.layout, width, height };
    for (const [name, axis] of Object.entries(found.axes)) layout[name] = { ...layout[name], ...axis };
    const filename = `sigmascope-${root.dataset.run}-${plot.dataset.layer}`;
    window.Plotly.react(plot, data, layout, { ...CONFIG, toImageButtonOptions: { filename, scale: 2 } });
  }

  function forget() {
    for (const plot of drawn.keys()) {
      if (plot.isConnected) continue;
      sizes.unobserve(plot);
      window.Plotly.purge(plot);
      drawn.delete(plot);
    }
  }

  function draw() {
    const root = page();
    const plots = root ? root.querySelectorAll(".plot[data-found]") : [];
    if (plots.length && !window.Plotly) {
      app.stage.loadPlotly(root.dataset.plotly).then(draw, () => {
        clearTimeout(retrying);
        retrying = setTimeout(draw, RETRY_MS);
      });
      return;
    }
    for (const plot of plots) {
      sizes.observe(plot);
      drawPanel(root, plot);
    }
    forget();
  }

  function pressed(event) {
    const button = event.target.closest("#sweep-axes button");
    if (!button) return;
    page().dataset.axes = button.dataset.axes;
    for (const one of button.parentElement.children) one.setAttribute("aria-pressed", String(one === button));
    draw();
  }

  const sizes = new ResizeObserver(draw);
  document.addEventListener("click", pressed);
  new MutationObserver(draw).observe(document.body, { childList: true, subtree: true, attributeFilter: ["data-found"] });
  new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-mantine-color-scheme"] });
  draw();
  /* For tests and the curious: what is drawn, by layer. */
  app.sweep = {
    state: () => {
      const root = page();
      if (!root) return null;
      const layers = Array.from(root.querySelectorAll(".plot[data-found]")).filter((plot) => drawn.has(plot));
      const points = (plot) => plot.data.filter((one) => one.meta.startsWith("seed:")).flatMap((one) => one.x);
      return { axes: axesOf(root), points: Object.fromEntries(layers.map((plot) => [plot.dataset.layer, points(plot)])) };
    },
  };
})(window.sigmascope);
