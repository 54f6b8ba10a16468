/* Means of the largest values over the paths, each in a band of its error or of the spread of single paths. */
"use strict";
(function (app) {
  const { Figure, ClockLine } = app.figures;
  const { significant, integer } = app.numbers;
  const BANDS = { error: (s, row, i) => 2 * s.standard_error[row][i], spread: (s, row, i) => s.spread[row][i] };

  class EnsembleMeansPanel {
    constructor(root, skeletons, facts, onStep) {
      this.figure = new Figure(root.querySelector("#means-plot"), skeletons, "means");
      this.clock = new ClockLine(this.figure, "xaxis");
      this.sentence = new app.sentence.Sentence(root.querySelector("#means-reading"));
      this.picker = root.querySelector("#band-picker");
      this.picker.addEventListener("click", (event) => this.pick(event.target.closest("button[data-band]")));
      this.facts = facts;
      this.band = "error";
      app.panels.seekOnClick(this.figure, ["xaxis"], onStep);
    }

    pick(button) {
      if (!button) return;
      this.band = button.dataset.band;
      for (const other of this.picker.children) other.setAttribute("aria-pressed", String(other === button));
      if (!this.data) return;
      this.figure.axes = {};
      this.setData(this.data, this.total);
      this.move(this.frame);
    }

    setData(summary, total) {
      this.data = summary;
      this.total = total;
      const { steps, mean } = summary;
      const width = BANDS[this.band];
      let [low, high] = [Infinity, -Infinity];
      for (let i = 0; i < (mean[0]?.length ?? 0); i += 1) {
        const upper = mean.map((row, r) => row[i] + width(summary, r, i));
        const lower = mean.map((row, r) => row[i] - width(summary, r, i));
        for (const y of upper) high = Math.max(high, y);
        for (const y of lower) low = Math.min(low, y);
        const band = { x: [...steps, ...steps.slice().reverse()], y: [...upper, ...lower.slice().reverse()] };
        this.figure.set({ [`mean:${i}`]: { x: steps, y: mean.map((row) => row[i]) }, [`band:${i}`]: band });
      }
      this.setRanges(low, high);
      this.figure.draw();
    }

    setRanges(low, high) {
      this.figure.setRange("xaxis", [0, this.total]);
      const held = this.figure.axes.yaxis;
      const margin = (high - low) * 0.06 || Math.abs(high) * 0.05 || 1;
      if (!held || low < held[0] || high > held[1]) this.figure.setRange("yaxis", [low - margin, high + margin]);
    }

    move(frame) {
      this.frame = frame;
      this.clock.move(this.data.steps[frame]);
      this.sentence.say(() => this.read(frame));
    }

    read(frame) {
      const { steps, mean, standard_error: errors, spread } = this.data;
      const which = this.facts.n > 1 ? "the largest singular value" : "the singular value";
      const value = `At step ${steps[frame]} ${which} is ${significant(mean[frame][0], 4)} ± ${significant(errors[frame][0], 2)} on average over ${integer(this.facts.paths)} paths`;
      const wide = `; single paths spread by ${significant(spread[frame][0], 2)}.`;
      const moved = mean[frame][0] - mean[0][0];
      const since = frame > 0 ? ` It has ${moved < 0 ? "fallen" : "risen"} by ${significant(Math.abs(moved))} since the start.` : "";
      return value + wide + since;
    }

    restyle() {
      if (!this.data) return;
      this.figure.draw();
      this.move(this.frame);
    }

    destroy() {
      this.sentence.destroy();
      this.clock.destroy();
      this.figure.destroy();
    }
  }

  app.ensembleMeans = { EnsembleMeansPanel };
})(window.sigmascope);
