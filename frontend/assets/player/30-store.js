/* What the browser knows of one run. Fetched once, then appended; the page draws from here alone. */
"use strict";
(function (app) {
  const { json, blob, Refusal } = app.requests;
  const FINAL = new Set(["finished", "failed", "cancelled"]);

  /* Columns by name that grow together, aligned with `steps`. */
  class Table {
    constructor() {
      this.steps = [];
      this.columns = {};
      this.index = new Map();
    }

    get lastStep() {
      return this.steps.length ? this.steps[this.steps.length - 1] : -1;
    }

    append(steps, columns) {
      const last = this.lastStep;
      let added = 0;
      steps.forEach((step, i) => {
        if (step <= last) return;
        added += 1;
        this.index.set(step, this.steps.length);
        this.steps.push(step);
        for (const [name, column] of Object.entries(columns)) (this.columns[name] ??= []).push(column[i]);
      });
      return added;
    }

    /* The row at a step, or null. */
    at(step) {
      const i = this.index.get(step);
      if (i === undefined) return null;
      return Object.fromEntries(Object.entries(this.columns).map(([name, column]) => [name, column[i]]));
    }
  }

  /* Everything of one layer. */
  class LayerData {
    constructor(layer) {
      this.layer = layer;
      this.spectra = new app.blobs.Rows();
      this.laws = new Table();
      this.curves = null;
      this.predictions = new Table();
      this.largest = 0;
      this.settled = false;
    }

    /* The last step of which all is here: parts are fetched side by side, and a commit may fall between them. */
    get seen() {
      return Math.min(this.spectra.lastStep, this.laws.lastStep, this.predictions.lastStep);
    }

    async update(base) {
      const path = `${base}/layers/${encodeURIComponent(this.layer.name)}`;
      const [spectra, laws, predictions] = await Promise.all([
        blob(`${path}/spectra.f32?after=${this.spectra.lastStep}`),
        json(`${path}/laws?after=${this.laws.lastStep}`),
        json(`${path}/predictions?after=${this.predictions.lastStep}`),
      ]);
      const before = this.spectra.count;
      const added =
        this.spectra.append(spectra) +
        this.laws.append(laws.steps, laws.fits) +
        this.predictions.append(predictions.steps, predictionColumns(predictions));
      this.curves ??= { marchenko_pastur: laws.marchenko_pastur, tracy_widom: laws.tracy_widom };
      for (let i = before; i < this.spectra.count; i += 1) {
        this.largest = Math.max(this.largest, this.spectra.values[i * this.spectra.columns]);
      }
      return added;
    }
  }

  function predictionColumns(predictions) {
    const columns = { true: predictions.true };
    for (const [name, rows] of Object.entries(predictions.predicted)) columns[name] = rows;
    for (const [name, values] of Object.entries(predictions.skill)) columns[`skill:${name}`] = values;
    return columns;
  }

  class RunStore {
    constructor(runId) {
      this.base = `/runs/${encodeURIComponent(runId)}`;
      this.run = null;
      this.forget();
    }

    forget() {
      this.layers = [];
      this.byName = new Map();
      this.metrics = new Table();
      this.metricsSettled = false;
    }

    get final() {
      return this.run !== null && FINAL.has(this.run.status);
    }

    /* A run whose worker died goes on as another attempt, from its last checkpoint or from the start: then all is
       forgotten, and the answer is true. */
    async updateRun() {
      const run = await json(this.base);
      const again = this.run !== null && this.run.attempt !== run.attempt;
      this.run = run;
      if (again) this.forget();
      return again;
    }

    /* Layers appear when training starts; until then the list is empty. */
    async updateLayers() {
      if (this.layers.length) return;
      this.layers = await json(`${this.base}/layers`);
      for (const layer of this.layers) this.byName.set(layer.name, new LayerData(layer));
    }

    /* Nothing is recorded after the end: what is asked for once the run is final is complete (`settled`), even where
       rows are missing, such as those of a law that could not be fitted. */
    async updateLayer(name) {
      const data = this.byName.get(name);
      const { final } = this;
      const added = await data.update(this.base);
      data.settled = final;
      return added;
    }

    async updateMetrics() {
      const { final, metrics } = this;
      const fresh = await json(`${this.base}/metrics?after=${metrics.lastStep}`);
      if (metrics === this.metrics) this.metricsSettled = final;
      return metrics.append(fresh.steps, fresh.values);
    }

    /* Nothing more will come for a layer that is not here already, as far as is known. */
    upToDate(data) {
      const seen = Math.min(data.seen, this.metrics.lastStep);
      return seen >= this.run.step || (this.final && data.settled && this.metricsSettled);
    }

    async cancel() {
      this.run = await json(`${this.base}/cancel`, { method: "POST" });
    }
  }

  app.store = { RunStore, LayerData, Table, Refusal };
})(window.sigmascope);
