/* The training panel: loss and accuracy of the batch and of the test split. */
"use strict";
(function (app) {
  const { Figure, ClockLine, strideFor, thin } = app.figures;
  const { significant, known } = app.numbers;
  const NAMES = ["loss", "test_loss", "accuracy", "test_accuracy"];

  const percent = (x) => (known(x) ? `${(100 * x).toFixed(1)} %` : "–");

  class TrainingPanel {
    constructor(root, skeletons, onStep) {
      this.figure = new Figure(root.querySelector("#training-plot"), skeletons, "training");
      this.clocks = [new ClockLine(this.figure, "xaxis"), new ClockLine(this.figure, "xaxis2")];
      this.sentence = new app.sentence.Sentence(root.querySelector("#training-reading"));
      this.step = 0;
      app.panels.seekOnClick(this.figure, ["xaxis", "xaxis2"], onStep);
    }

    setData(metrics, total) {
      this.metrics = metrics;
      const stride = strideFor(metrics.steps.length);
      for (const name of NAMES) this.figure.set({ [name]: this.series(name, stride) });
      for (const axis of ["xaxis", "xaxis2"]) this.figure.setRange(axis, [0, total]);
      const losses = ["loss", "test_loss"].flatMap((name) => (metrics.columns[name] ?? []).filter(known));
      const top = losses.reduce((a, b) => Math.max(a, b), 0) * 1.06 || 1;
      if (top > (this.figure.axes.yaxis?.[1] ?? 0)) this.figure.setRange("yaxis", [0, top]);
      this.figure.draw();
    }

    /* What is measured rarely keeps each of its points; what is measured always is thinned. */
    series(name, stride) {
      const column = this.metrics.columns[name] ?? [];
      const pairs = column.map((y, i) => [this.metrics.steps[i], y]).filter(([, y]) => known(y));
      const kept = name.startsWith("test") ? pairs : thin(pairs, stride);
      return { x: kept.map(([x]) => x), y: kept.map(([, y]) => y) };
    }

    move(step) {
      this.step = step;
      for (const clock of this.clocks) clock.move(step);
      this.sentence.say(() => this.read(step));
    }

    read(step) {
      const row = this.metrics?.at(step);
      if (!row) return `Nothing was measured at step ${step}.`;
      const tested = this.lastTest(step);
      const test = tested ? ` Test split at step ${tested.step}: loss ${significant(tested.loss)}, accuracy ${percent(tested.accuracy)}.` : "";
      if (!known(row.loss)) return `Step ${step}: before the first batch.${test}`;
      return `Batch ${step}: loss ${significant(row.loss)}, accuracy ${percent(row.accuracy)}.${test}`;
    }

    lastTest(step) {
      const column = this.metrics.columns.test_accuracy ?? [];
      for (let i = this.metrics.index.get(step); i >= 0; i -= 1) {
        if (known(column[i])) return { step: this.metrics.steps[i], loss: this.metrics.columns.test_loss?.[i], accuracy: column[i] };
      }
      return null;
    }

    restyle() {
      if (!this.metrics) return;
      this.figure.draw();
      this.move(this.step);
    }

    destroy() {
      this.sentence.destroy();
      for (const clock of this.clocks) clock.destroy();
      this.figure.destroy();
    }
  }

  app.training = { TrainingPanel };
})(window.sigmascope);
