/* The page of a simulated ensemble put together: its store and its three panels on the stage that all runs share. */
"use strict";
(function (app) {
  const { Stage, pause } = app.stage;
  const POLL_MS = 500;

  class EnsemblePlayer extends Stage {
    constructor(root) {
      super(root);
      this.facts = JSON.parse(root.dataset.ensemble);
      this.store = new app.ensembleStore.EnsembleStore(this.runId, this.facts);
      this.words = {
        queued: "In the queue. The ensemble appears as soon as a worker takes the run.",
        running: "The worker is simulating the first steps.",
        ended: "This run ended before its first step was recorded.",
      };
      const { m, n, paths } = this.facts;
      root.querySelector("#ensemble-facts").textContent = `${m} × ${n}, ${app.numbers.integer(paths)} paths`;
      this.build(JSON.parse(root.dataset.figures));
      this.start();
    }

    makePanels(of, seek) {
      this.spectrum = new app.ensembleSpectrum.EnsembleSpectrumPanel(this.root, of("spectrum"), this.facts);
      this.means = new app.ensembleMeans.EnsembleMeansPanel(this.root, of("means"), this.facts, seek);
      this.sum = new app.ensembleSum.EnsembleSumPanel(this.root, of("sum"), this.facts, seek);
      this.panels = [this.spectrum, this.means, this.sum];
    }

    get steps() {
      return this.shown ? this.shown.steps : null;
    }

    /* Fetch, draw, fetch again what is new, until the run is final or the page is left. */
    async live() {
      await app.prefetch.settled();
      this.store.run ??= app.prefetch.take(this.runId)?.run ?? null;
      let ahead = this.store.run !== null;
      while (this.alive) {
        if (!ahead) await this.updateRun();
        ahead = false;
        if (!this.alive) return;
        this.header.show(this.store.run);
        if (this.store.due) await this.refresh();
        await this.bringPlotly();
        if (!this.alive) return;
        this.showWaiting();
        if (this.store.final && this.store.settled) return;
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
    }

    async updateRun() {
      if (!(await this.store.updateRun())) return;
      this.clock.playing = false;
      this.shown = null;
    }

    async refresh() {
      await this.store.update();
      if (!this.alive || !this.store.steps) return;
      const first = !this.shown;
      const step = first ? this.wantedStep() : this.step;
      this.shown = this.store.histograms;
      this.clock.extend(this.steps.length);
      this.showWaiting();
      this.spectrum.setData(this.shown);
      if (first) this.place(step);
      this.jumpWhereMotionIsUnwanted();
      this.figures.drawn = -1;
      this.drawFrame();
      await pause();
      if (!this.alive) return;
      this.drawLines();
      this.wake();
    }

    drawLines() {
      const { total_steps: total } = this.store.run;
      this.means.setData(this.store.summary, total);
      this.sum.setData(this.store.summary, total);
      this.moveClocks();
    }

    drawStep(frame) {
      this.spectrum.draw(frame);
    }

    moveClocks() {
      if (this.means.data) this.means.move(this.clock.frame);
      if (this.sum.data) this.sum.move(this.clock.frame);
    }

    settle() {
      this.spectrum.settle();
    }

    seen() {
      return {};
    }

    /* A read-only diagnostic for tests. */
    state() {
      const { summary } = this.store;
      return Object.freeze({
        ...this.clockState(),
        distance: this.spectrum.distance,
        sum: summary?.eigenvalue_sum[this.clock.frame] ?? null,
        expectedSum: summary?.expected_sum[this.clock.frame] ?? null,
        band: this.means.band,
      });
    }
  }

  app.stages = { ...app.stages, simulate: EnsemblePlayer };
})(window.sigmascope);
