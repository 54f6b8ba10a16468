/* The spectrum panel: histogram, laws, outliers and the sentence that reads them. */
"use strict";
(function (app) {
  const { histogram, marchenkoPastur, tracyWidom, gamma } = app.curves;
  const { known, significant, probability } = app.numbers;
  const NOTHING = { x: [], y: [] };
  const LAWS = ["marchenko_pastur", "tracy_widom", "edge", "gamma_printed", "gamma_fitted", "outliers"];
  const ALL = ["histogram", ...LAWS];
  const MOST_BINS = 400;
  const REACH = 10;

  /* Bins of one width for the whole run: about 2 sqrt(n) over the bulk of the first step. */
  function binWidth(data) {
    const bins = Math.round(Math.min(64, Math.max(12, 2 * Math.sqrt(data.spectra.columns))));
    if (!data.laws.steps.length) return (data.spectra.values[0] || 1) / bins;
    const upper = data.laws.columns.mp_upper[0];
    const lower = data.curves.marchenko_pastur.x[0] * Math.sqrt(data.laws.columns.entry_variance[0]);
    return (upper - lower) / bins || 1;
  }

  /* Where the bulk of the first step ends. */
  function bulkEnd(data) {
    return (data.laws.steps.length ? data.laws.columns.mp_upper[0] : data.spectra.values[0]) || 1;
  }

  /* Bins up to the largest value of the run, but no further than ten times the first bulk: a run that diverges
     reaches 1e18. Where they would be too many, they are wider. */
  function binsFor(data, held) {
    const reach = Math.min(data.largest * 1.04, REACH * bulkEnd(data));
    let width = held?.width ?? binWidth(data);
    const needed = Math.ceil(reach / width) + 1;
    if (held && needed <= held.bins) return held;
    let bins = held ? Math.ceil(needed * 1.12) : needed + 2;
    for (; bins > MOST_BINS; bins = Math.ceil(bins / 2)) width *= 2;
    return { width, bins };
  }

  /* Height of the histogram over the run and of the first Marchenko-Pastur curve; a narrow law may run through it. */
  function peak(data, bins) {
    const sampled = Math.max(1, Math.floor(data.spectra.count / 24));
    let top = 0;
    if (data.laws.steps.length) {
      for (const p of data.curves.marchenko_pastur.pdf) top = Math.max(top, p);
      top /= Math.sqrt(data.laws.columns.entry_variance[0]);
    }
    for (let i = 0; i < data.spectra.count; i += sampled) {
      for (const y of histogram(data.spectra.row(i), bins).y) top = Math.max(top, y);
    }
    return top;
  }

  /* Short strokes up from the axis, with the pen lifted between them. */
  function ticks(values, top) {
    const x = [];
    const y = [];
    for (const value of values) {
      x.push(value, value, null);
      y.push(0, 0.045 * top, null);
    }
    return { x, y };
  }

  /* Height of the first Marchenko-Pastur curve at a singular value. */
  function bulkAt(data, sigma) {
    const { x, y } = marchenkoPastur(data.curves.marchenko_pastur, data.laws.at(data.laws.steps[0]));
    const i = x.findIndex((place) => place >= sigma);
    return i < 0 ? 0 : y[i];
  }

  class SpectrumPanel {
    constructor(root, skeletons) {
      this.figure = new app.figures.Figure(root.querySelector("#spectrum-plot"), skeletons, "spectrum");
      this.sentence = new app.sentence.Sentence(root.querySelector("#spectrum-reading"));
      this.legend = root.querySelector("#spectrum-legend");
      this.hidden = new Set();
      this.view = "whole";
      this.views = root.querySelector("#spectrum-view");
      this.views.addEventListener("click", (event) => this.look(event.target.closest("button[data-view]")));
      this.legend.addEventListener("click", (event) => this.toggle(event.target.closest("button[data-mark]")));
      this.outliers = null;
      this.fit = null;
    }

    toggle(button) {
      if (!button) return;
      const shown = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(shown));
      for (const mark of button.dataset.mark.split(" ")) this.hidden[shown ? "delete" : "add"](mark);
      if (!this.data) return;
      this.draw(this.frame);
      this.settle();
    }

    look(button) {
      if (!button) return;
      this.view = button.dataset.view;
      for (const other of this.views.children) other.setAttribute("aria-pressed", String(other === button));
      if (!this.data) return;
      this.frameFor(this.data, { afresh: true });
      this.whole = true;
      this.draw(this.frame);
    }

    /* Show another layer, or the same one after new data: the frame of the plot grows only when it must. */
    setData(data) {
      const other = data !== this.data;
      this.data = data;
      this.bins = binsFor(data, other ? null : this.bins);
      this.frameFor(data, { afresh: other });
    }

    /* Ranges of the axes: the whole spectrum, or its edge with bins half as wide. */
    frameFor(data, { afresh }) {
      const edge = this.view === "edge" && data.laws.steps.length > 0;
      const { width, bins } = this.bins;
      this.binning = edge ? { width: width / 2, bins: 2 * bins } : this.bins;
      this.upper = width * bins;
      const from = edge ? 0.92 * data.laws.columns.mp_upper[0] : 0;
      const top = edge ? 1.3 * bulkAt(data, from) : 1.12 * peak(data, this.bins);
      const held = this.figure.axes.yaxis?.[1] ?? 0;
      const wider = this.figure.setRange("xaxis", [from, this.upper]);
      const higher = (afresh || top > held) && this.figure.setRange("yaxis", [0, afresh ? top : top * 1.08]);
      this.whole = this.whole || wider || higher;
    }

    draw(frame) {
      const { spectra, laws } = this.data;
      const values = spectra.row(frame);
      const step = spectra.steps[frame];
      this.frame = frame;
      this.fit = laws.at(step);
      this.outliers = this.fit ? this.fit.outliers : null;
      this.figure.set({ histogram: histogram(values, this.binning), ...this.overlays(values) });
      if (this.whole) this.figure.draw();
      else this.figure.redraw(ALL);
      this.whole = false;
      this.sentence.say(() => this.read(step, values));
    }

    overlays(values) {
      const fit = this.fit;
      if (!fit) return Object.fromEntries(LAWS.map((name) => [name, NOTHING]));
      const [upper, top] = [this.upper, this.figure.axes.yaxis[1]];
      const curves = {
        marchenko_pastur: marchenkoPastur(this.data.curves.marchenko_pastur, fit),
        tracy_widom: tracyWidom(this.data.curves.tracy_widom, fit, values.length),
        edge: { x: [fit.edge, fit.edge], y: [0, top] },
        gamma_printed: gamma({ shape: fit.printed_shape, rate: fit.printed_rate, logNorm: fit.printed_log_norm, from: 0, to: upper }),
        gamma_fitted: gamma({ shape: fit.gamma_shape, rate: fit.gamma_rate, logNorm: fit.gamma_log_norm, from: fit.edge, to: upper }),
        outliers: ticks(values.subarray(0, fit.outliers), top),
      };
      for (const name of this.hidden) curves[name] = NOTHING;
      return curves;
    }

    read(step, values) {
      const fit = this.fit;
      const beyond = this.readBeyond(values);
      if (!fit) return `Step ${step}: ${values.length} singular values, the largest ${significant(values[0], 4)}. No law was fitted at this step.${beyond}`;
      return `Step ${step}: ${this.readEdge(fit, values)}; ${this.readBulk(fit)}.${this.readGamma(fit)}${beyond}`;
    }

    /* What the histogram leaves out is said. */
    readBeyond(values) {
      const count = values.filter((value) => !(value < this.upper)).length;
      if (!count) return "";
      return ` ${count} of ${values.length} values ${count === 1 ? "lies" : "lie"} right of the plot.`;
    }

    readEdge(fit, values) {
      const seen = `(largest ${significant(values[0], 4)}, p = ${probability(fit.p_value)})`;
      const edge = `the edge ${significant(fit.edge, 4)}`;
      if (fit.outliers === 0) return `no singular value lies beyond ${edge} ${seen}`;
      const many = fit.outliers === 1 ? "1 singular value lies" : `${fit.outliers} singular values lie`;
      return `${many} beyond ${edge} ${seen}`;
    }

    readBulk(fit) {
      const start = this.data.laws.columns.ks?.[0];
      const since = this.data.laws.steps[0] === 0 && known(start) ? ` (${significant(start, 2)} at step 0)` : "";
      return `the bulk is at KS distance ${significant(fit.ks, 2)}${since} from Marchenko-Pastur with entry variance ${significant(fit.entry_variance, 4)}`;
    }

    readGamma(fit) {
      if (!known(fit.printed_rate)) return "";
      const mode = Math.sqrt(Math.max(0, fit.printed_shape - 0.5) / fit.printed_rate);
      const peak = Math.max(0, ...this.figure.values.get("gamma_printed").y);
      if (mode < this.upper && peak < this.figure.axes.yaxis[1]) return "";
      return ` The gamma law as printed peaks beyond the plot's frame, at σ = ${significant(mode)}.`;
    }

    restyle() {
      if (!this.data) return;
      this.whole = true;
      this.draw(this.frame);
    }

    /* The clock rests: Plotly learns the numbers on show. */
    settle() {
      this.figure.settle();
    }

    destroy() {
      this.sentence.destroy();
      this.figure.destroy();
    }
  }

  app.spectrum = { SpectrumPanel };
})(window.sigmascope);
