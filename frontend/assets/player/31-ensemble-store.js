/* What the browser knows of one simulated ensemble: histograms and summary of every step on show. Both are views of
   all paths, so the service makes them; they are fetched whole when there is something new. */
"use strict";
(function (app) {
  const { json } = app.requests;
  const FINAL = new Set(["finished", "failed", "cancelled"]);
  const LEAST_WAIT_MS = 600;

  class EnsembleStore {
    /* `asked`: {every, bins, k}. */
    constructor(runId, asked) {
      this.base = `/runs/${encodeURIComponent(runId)}`;
      this.asked = asked;
      this.run = null;
      this.forget();
    }

    forget() {
      this.histograms = null;
      this.summary = null;
      this.seenStep = -1;
      this.settled = false;
      this.fetched = -Infinity;
      this.took = 0;
    }

    get final() {
      return this.run !== null && FINAL.has(this.run.status);
    }

    get steps() {
      return this.histograms?.steps.length ? this.histograms.steps : null;
    }

    /* True when the run has started again, as another attempt: all is forgotten. */
    async updateRun() {
      const run = await json(this.base);
      const again = this.run !== null && this.run.attempt !== run.attempt;
      this.run = run;
      if (again) this.forget();
      return again;
    }

    /* Something new is stored, and the service has had time to breathe since the last answer. */
    get due() {
      if (this.final) return !this.settled;
      const rested = performance.now() - this.fetched > Math.max(LEAST_WAIT_MS, 4 * this.took);
      return rested && (this.run.step > this.seenStep || !this.steps);
    }

    async update() {
      const { final, run, asked } = this;
      const began = performance.now();
      const path = `${this.base}/ensemble`;
      const [histograms, summary] = await Promise.all([
        json(`${path}/histograms?bins=${asked.bins}&every=${asked.every}`),
        json(`${path}/summary?k=${asked.k}&every=${asked.every}`),
      ]);
      // fetched side by side: a commit may fall between
      const count = Math.min(histograms.steps.length, summary.steps.length);
      histograms.steps.length = count;
      this.histograms = histograms;
      this.summary = summary;
      this.seenStep = run.step;
      this.settled = final;
      this.fetched = performance.now();
      this.took = this.fetched - began;
    }

    async cancel() {
      this.run = await json(`${this.base}/cancel`, { method: "POST" });
    }
  }

  app.ensembleStore = { EnsembleStore };
})(window.sigmascope);
