/* Float32 blobs of the API: one row a step, described by X-Shape ("rows,columns") and X-Steps ("0-400,402"). */
"use strict";
(function (app) {
  function decodeSteps(text) {
    const steps = [];
    for (const part of text.split(",")) {
      if (!part) continue;
      const [first, last = first] = part.trim().split("-").map(Number);
      for (let step = first; step <= last; step += 1) steps.push(step);
    }
    return steps;
  }

  function decodeShape(text) {
    const [rows, columns] = text.split(",").map(Number);
    return { rows, columns };
  }

  /* Rows of equal length that only grow; a step that is already there is left alone. */
  class Rows {
    constructor() {
      this.columns = 0;
      this.steps = [];
      this.values = new Float32Array(0);
    }

    get count() {
      return this.steps.length;
    }

    get lastStep() {
      return this.steps.length ? this.steps[this.steps.length - 1] : -1;
    }

    row(index) {
      return this.values.subarray(index * this.columns, (index + 1) * this.columns);
    }

    append({ steps, columns, values }) {
      const first = steps.findIndex((step) => step > this.lastStep);
      if (first < 0) return 0;
      const fresh = steps.slice(first);
      this.columns = columns;
      this.reserve((this.count + fresh.length) * columns);
      this.values.set(values.subarray(first * columns), this.count * columns);
      for (const step of fresh) this.steps.push(step);
      return fresh.length;
    }

    reserve(size) {
      if (size <= this.values.length) return;
      const grown = new Float32Array(this.count ? Math.max(size, 2 * this.values.length) : size);
      grown.set(this.values);
      this.values = grown;
    }
  }

  app.blobs = { Rows, decodeSteps, decodeShape };
})(window.sigmascope);
