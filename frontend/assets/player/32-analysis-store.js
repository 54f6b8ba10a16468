/* What is worked out from a run's spectra, asked for only where it is looked at, kept, and appended to. */
"use strict";
(function (app) {
  const { json, Refusal } = app.requests;
  const PARTS = ["observed", "drift", "noise", "repulsion", "repulsion_as_printed", "turning", "remainder"];
  // steps a request: no answer much above a megabyte
  const CHUNK = 4000;
  const OTHERS_MS = 3000;
  const KEPT = 64;

  const pathOf = (base, layer) => `${base}/layers/${encodeURIComponent(layer)}`;

  /* Tables by layer that grow. Nothing is asked for once all of a final run is here (`settled`); what the service
     refuses is held as its words (`problem`), and asked for again only while the run may still have an answer. */
  class Growing {
    constructor(base) {
      this.base = base;
      this.forget();
    }

    forget() {
      this.layers = new Map();
    }

    of(layer) {
      if (!this.layers.has(layer)) {
        this.layers.set(layer, { table: new app.store.Table(), settled: false, problem: "", asked: -Infinity, pending: null });
      }
      return this.layers.get(layer);
    }

    /* Bring a layer up to a step; true when something has come. One request at a time for each layer. */
    update(layer, { until, final }) {
      const held = this.of(layer);
      if (held.settled || (held.table.lastStep >= until && !final)) return Promise.resolve(false);
      held.pending ??= this.fetch(layer, held, { until, final }).finally(() => (held.pending = null));
      return held.pending;
    }

    async fetch(layer, held, { until, final }) {
      held.asked = performance.now();
      let added = 0;
      try {
        for (let last = held.table.lastStep; last < until; last += CHUNK) {
          const answer = await json(`${pathOf(this.base, layer)}/${this.address}?after=${held.table.lastStep}&last=${last + CHUNK}`);
          added += held.table.append(answer.steps, this.columns(answer));
        }
        held.problem = "";
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        held.problem = error.message;
      }
      held.settled = final;
      return added > 0 || held.problem !== "";
    }
  }

  class ForceStore extends Growing {
    get address() {
      return "forces";
    }

    columns(answer) {
      return Object.fromEntries([...PARTS, "anisotropy"].map((name) => [name, answer[name]]));
    }
  }

  /* Metrics over the steps; those too costly for that are asked for a step at a time. */
  class MetricStore extends Growing {
    get address() {
      return "metrics";
    }

    forget() {
      super.forget();
      this.summaries = new Map();
    }

    columns(answer) {
      return answer.values;
    }

    /* Another layer than the one on show may be a little late. */
    due(layer) {
      return performance.now() - this.of(layer).asked > OTHERS_MS;
    }

    /* Every metric of one step, the costly ones too. */
    async summary(layer, step) {
      const seen = this.summariesOf(layer);
      if (!seen.has(step)) seen.set(step, (await json(`${pathOf(this.base, layer)}/metrics/${step}`)).values);
      return seen.get(step);
    }

    summariesOf(layer) {
      if (!this.summaries.has(layer)) this.summaries.set(layer, new Map());
      return this.summaries.get(layer);
    }
  }

  /* Forecasts, the newest few of them kept. */
  class ForecastStore {
    constructor(base) {
      this.base = base;
      this.forget();
    }

    forget() {
      this.kept = new Map();
    }

    async get(layer, { method, origin, horizon }) {
      const query = new URLSearchParams({ method, origin, horizon });
      const path = `${pathOf(this.base, layer)}/forecast?${query}`;
      const known = this.kept.get(path);
      if (known) return known;
      const forecast = await json(path);
      this.kept.set(path, forecast);
      if (this.kept.size > KEPT) this.kept.delete(this.kept.keys().next().value);
      return forecast;
    }
  }

  app.analysis = { ForceStore, MetricStore, ForecastStore, PARTS };
})(window.sigmascope);
