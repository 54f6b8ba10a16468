/* The sum of eigenvalues: its exact growth is known whatever the singular values do, so it checks the repulsion. */
"use strict";
(function (app) {
  const { Figure, ClockLine } = app.figures;
  const { significant, known } = app.numbers;
  const TOLERANCE = 5;
  // below this part of the sum, an error is rounding
  const ROUNDING = 1e-7;

  class EnsembleSumPanel {
    constructor(root, skeletons, facts, onStep) {
      this.figure = new Figure(root.querySelector("#sum-plot"), skeletons, "sum");
      this.clocks = [new ClockLine(this.figure, "xaxis"), new ClockLine(this.figure, "xaxis2")];
      this.sentence = new app.sentence.Sentence(root.querySelector("#sum-reading"));
      this.facts = facts;
      app.panels.seekOnClick(this.figure, ["xaxis", "xaxis2"], onStep);
    }

    setData(summary, total) {
      const { steps, eigenvalue_sum: sum, expected_sum: expected, eigenvalue_sum_error: errors } = summary;
      this.data = summary;
      this.off = sum.map((value, i) => (errors[i] > ROUNDING * Math.abs(value) ? (value - expected[i]) / errors[i] : null));
      this.figure.set({
        sum: { x: steps, y: sum },
        expected: { x: steps, y: expected },
        off: { x: steps, y: this.off },
        tolerance: { x: [0, total, total, 0], y: [-TOLERANCE, -TOLERANCE, TOLERANCE, TOLERANCE] },
      });
      this.setRanges([...sum, ...expected], total);
      this.figure.draw();
    }

    setRanges(sums, total) {
      for (const axis of ["xaxis", "xaxis2"]) this.figure.setRange(axis, [0, total]);
      const [low, high] = [Math.min(...sums), Math.max(...sums)];
      const margin = (high - low) * 0.08 || high * 0.05 || 1;
      const held = this.figure.axes.yaxis;
      if (!held || low < held[0] || high > held[1]) this.figure.setRange("yaxis", [low - margin, high + margin]);
      const far = Math.max(1.6 * TOLERANCE, ...this.off.filter(known).map((x) => 1.08 * Math.abs(x)));
      if (far > (this.figure.axes.yaxis2?.[1] ?? 0)) this.figure.setRange("yaxis2", [-far, far]);
    }

    move(frame) {
      this.frame = frame;
      for (const clock of this.clocks) clock.move(this.data.steps[frame]);
      this.sentence.say(() => this.read(frame));
    }

    read(frame) {
      const { steps, eigenvalue_sum: sum, expected_sum: expected, eigenvalue_sum_error: errors } = this.data;
      const off = this.off[frame];
      const seen = `At step ${steps[frame]} Σσₖ² is ${significant(sum[frame], 4)}${errors[frame] ? ` ± ${significant(errors[frame], 2)}` : ""}`;
      const far = known(off) ? `, ${significant(Math.abs(off), 2)} standard errors off` : "";
      return `${seen}; exactly it would be ${significant(expected[frame], 4)}${far}.${this.readGrowth(frame)}`;
    }

    readGrowth(frame) {
      const { eigenvalue_sum: sum, expected_sum: expected } = this.data;
      const change = expected[frame] - expected[0];
      if (frame === 0 || Math.abs(change) < 1e-6 * Math.abs(expected[0])) return "";
      const share = (sum[frame] - sum[0]) / change;
      return ` It has ${change > 0 ? "grown" : "changed"} by ${(100 * share).toFixed(1).replace("-", "−")} % of what it should have.`;
    }

    restyle() {
      if (!this.data) return;
      this.figure.draw();
      this.move(this.frame);
    }

    destroy() {
      this.sentence.destroy();
      for (const clock of this.clocks) clock.destroy();
      this.figure.destroy();
    }
  }

  app.ensembleSum = { EnsembleSumPanel };
})(window.sigmascope);
