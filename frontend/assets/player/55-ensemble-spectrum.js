/* The spectrum of an ensemble: histogram over all paths with its errors, and the law at this step's entry variance. */
"use strict";
(function (app) {
  const { significant, integer } = app.numbers;
  const { marchenkoPastur } = app.curves;
  const NOTHING = { x: [], y: [] };
  const ALL = ["histogram", "errors", "marchenko_pastur", "gamma_exact", "gamma_printed"];

  /* Steps of a histogram whose heights are given. */
  function outline(edges, heights) {
    const x = [];
    const y = [];
    heights.forEach((height, i) => {
      x.push(edges[i], edges[i + 1]);
      y.push(height, height);
    });
    return { x, y };
  }

  /* Strokes of one standard error up and down from the middle of each bin that has one. */
  function strokes(edges, heights, errors) {
    const x = [];
    const y = [];
    heights.forEach((height, i) => {
      if (!errors[i]) return;
      const middle = (edges[i] + edges[i + 1]) / 2;
      x.push(middle, middle, null);
      y.push(Math.max(0, height - errors[i]), height + errors[i], null);
    });
    return { x, y };
  }

  /* The cumulative distribution of a density given by points, as a function. */
  function cumulative({ x, pdf }) {
    const sums = [0];
    for (let i = 1; i < x.length; i += 1) sums.push(sums[i - 1] + ((pdf[i] + pdf[i - 1]) / 2) * (x[i] - x[i - 1]));
    const total = sums[sums.length - 1] || 1;
    return (at) => {
      if (at <= x[0]) return 0;
      if (at >= x[x.length - 1]) return 1;
      let [low, high] = [0, x.length - 1];
      while (high - low > 1) {
        const middle = (low + high) >> 1;
        if (x[middle] <= at) low = middle;
        else high = middle;
      }
      const share = (at - x[low]) / (x[high] - x[low]);
      return (sums[low] + share * (sums[high] - sums[low])) / total;
    };
  }

  /* Largest distance of the histogram's cumulative distribution from a law's, at the edges of the bins. */
  function distance(edges, heights, law) {
    let [sum, most] = [0, 0];
    heights.forEach((height, i) => {
      sum += height * (edges[i + 1] - edges[i]);
      most = Math.max(most, Math.abs(sum - law(edges[i + 1])));
    });
    return most;
  }

  const peakOf = (curve) => curve.pdf.reduce((best, p, i) => (p > curve.pdf[best] ? i : best), 0);

  /* The value that three quarters do not exceed. */
  const mostOf = (values) => values.slice().sort((a, b) => a - b)[Math.floor(0.75 * (values.length - 1))] ?? 0;

  class EnsembleSpectrumPanel {
    /* `facts`: {m, n, paths, form} of the ensemble. */
    constructor(root, skeletons, facts) {
      this.figure = new app.figures.Figure(root.querySelector("#spectrum-plot"), skeletons, "ensemble");
      this.sentence = new app.sentence.Sentence(root.querySelector("#spectrum-reading"));
      this.facts = facts;
      this.hidden = new Set();
      this.distance = null;
      root.querySelector("#spectrum-legend").addEventListener("click", (event) => this.toggle(event.target.closest("button[data-mark]")));
    }

    toggle(button) {
      if (!button) return;
      const shown = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(shown));
      this.hidden[shown ? "delete" : "add"](button.dataset.mark);
      if (!this.data) return;
      this.draw(this.frame);
      this.settle();
    }

    setData(histograms) {
      this.data = histograms;
      this.law = cumulative(histograms.law);
      this.printed = histograms.printed_law ? cumulative(histograms.printed_law) : null;
      this.frameFor(histograms);
    }

    /* The frame is made for most of the steps: those that start in one place peak far above, and the sentence says
       so. It grows only when it must. */
    frameFor({ edges, density, law, entry_variance: variance, printed_law: printed }) {
      const peaks = density.map((row) => row.reduce((a, b) => Math.max(a, b), 0));
      const unit = law.pdf[peakOf(law)];
      const bulks = variance.filter((v) => v > 0).map((v) => unit / Math.sqrt(v));
      const top = Math.max(mostOf(peaks), mostOf(bulks));
      let upper = edges[edges.length - 1];
      const widest = law.x[law.x.length - 1] * Math.sqrt(variance.reduce((a, b) => Math.max(a, b), 0));
      for (const end of [widest, printed ? printed.x[printed.x.length - 1] : 0]) if (end < 1.6 * upper) upper = Math.max(upper, end);
      const [wide, high] = [this.figure.axes.xaxis?.[1] ?? 0, this.figure.axes.yaxis?.[1] ?? 0];
      if (upper > wide) this.whole = this.figure.setRange("xaxis", [0, wide ? 1.05 * upper : upper]) || this.whole;
      if (1.1 * top > high) this.whole = this.figure.setRange("yaxis", [0, 1.25 * top]) || this.whole;
    }

    draw(frame) {
      const { edges, density, standard_error: errors } = this.data;
      this.frame = frame;
      this.figure.set({
        histogram: outline(edges, density[frame]),
        errors: strokes(edges, density[frame], errors[frame]),
        ...this.laws(frame),
      });
      if (this.whole) this.figure.draw();
      else this.figure.redraw(ALL);
      this.whole = false;
      this.sentence.say(() => this.read(frame));
    }

    laws(frame) {
      const { law, printed_law: printed, entry_variance: variance } = this.data;
      const here = variance[frame] > 0 ? marchenkoPastur(law, { entry_variance: variance[frame] }) : NOTHING;
      const curves = {
        marchenko_pastur: this.facts.n > 1 ? here : NOTHING,
        gamma_exact: this.facts.n > 1 ? NOTHING : here,
        gamma_printed: printed ? { x: printed.x, y: printed.pdf } : NOTHING,
      };
      for (const name of this.hidden) curves[name] = NOTHING;
      return curves;
    }

    read(frame) {
      const { steps, edges, density, entry_variance: variance } = this.data;
      const { n, paths } = this.facts;
      const s = Math.sqrt(variance[frame]);
      this.distance = s > 0 ? distance(edges, density[frame], (edge) => this.law(edge / s)) : null;
      if (frame === 0 && steps[0] === 0) {
        return `Step 0: all ${integer(paths)} paths start from one Gaussian W, so the histogram shows its own ${n === 1 ? "value" : `${n} values`}.${this.readAbove(frame)}`;
      }
      const values = `Step ${steps[frame]}: ${integer(n * paths)} singular values of ${integer(paths)} paths`;
      return `${values}. ${this.readLaw(variance[frame])}${this.readPrinted(frame)}${this.readAbove(frame)}`;
    }

    /* What the frame cuts off is said. */
    readAbove(frame) {
      const peak = this.data.density[frame].reduce((a, b) => Math.max(a, b), 0);
      return peak > this.figure.axes.yaxis[1] ? ` The histogram peaks above the frame, at ${significant(peak)}.` : "";
    }

    readLaw(variance) {
      if (this.distance === null) return "";
      const name = this.facts.n > 1 ? "Marchenko-Pastur" : "the exact gamma law";
      const where = `at entry variance ${significant(variance)}`;
      const far = `KS distance ${significant(this.distance, 2)}`;
      if (this.facts.form === "as_printed") return `The exact process would follow ${name} ${where}; the printed one is at ${far} from it.`;
      return `They are at ${far} from ${name} ${where}.`;
    }

    readPrinted(frame) {
      const { edges, density, printed_law: printed } = this.data;
      if (!printed) return "";
      const far = significant(distance(edges, density[frame], this.printed), 2);
      const mode = printed.x[peakOf(printed)];
      const [wide, high] = [this.figure.axes.xaxis[1], this.figure.axes.yaxis[1]];
      const beyond = mode > wide || printed.pdf[peakOf(printed)] > high;
      const place = beyond ? ` and peaks beyond the frame, at σ = ${significant(mode)}` : "";
      return ` The gamma law as printed, for W at rest, is at ${far}${place}.`;
    }

    restyle() {
      if (!this.data) return;
      this.whole = true;
      this.draw(this.frame);
    }

    settle() {
      this.figure.settle();
    }

    destroy() {
      this.sentence.destroy();
      this.figure.destroy();
    }
  }

  app.ensembleSpectrum = { EnsembleSpectrumPanel, outline, strokes, cumulative, distance };
})(window.sigmascope);
