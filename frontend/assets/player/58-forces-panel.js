/* The forces panel: what moved one singular value, batch by batch or summed since the first. */
"use strict";
(function (app) {
  const { Figure, ClockLine, strideFor, thin, endLabels } = app.figures;
  const { known, signed } = app.numbers;
  const { PARTS } = app.analysis;
  const NAMES = {
    observed: "observed",
    drift: "drift",
    noise: "noise",
    repulsion: "repulsion",
    repulsion_as_printed: "as printed",
    turning: "turning",
    remainder: "remainder",
  };
  const TITLES = { sum: "σ<sub>k</sub> moved by", batch: "σ<sub>k</sub>, change a batch" };
  // of the values of single batches, so many lie in the frame
  const MIDDLE = 0.99;

  /* The part of each batch for one mode; null where it is not defined. */
  const column = (table, part, mode) => (table.columns[part] ?? []).map((row) => row[mode] ?? null);

  /* Sums from the start; a batch without a number moves nothing. */
  function summed(values) {
    let sum = 0;
    return values.map((value) => (sum += value ?? 0));
  }

  /* The range that holds the middle share of the values, and zero. */
  function robustRange(columns, share) {
    const values = Float64Array.from(columns.flat().filter(known)).sort();
    if (!values.length) return [-1, 1];
    const cut = Math.floor(((1 - share) / 2) * values.length);
    return [Math.min(0, values[cut]), Math.max(0, values[values.length - 1 - cut])];
  }

  class ForcesPanel {
    constructor(root, skeletons, query, onStep) {
      this.figure = new Figure(root.querySelector("#forces-plot"), skeletons, "forces");
      this.clock = new ClockLine(this.figure, "xaxis");
      this.sentence = new app.sentence.Sentence(root.querySelector("#forces-reading"));
      this.modes = root.querySelector("#mode-picker");
      this.views = root.querySelector("#forces-view");
      this.legend = root.querySelector("#forces-legend");
      this.hidden = new Set();
      this.wanted = Number(query.get("mode") ?? 1);
      this.mode = 0;
      this.view = query.get("forces") === "batch" ? "batch" : "sum";
      this.step = 0;
      this.modes.addEventListener("change", () => this.pick({ mode: Number(this.modes.value) }));
      this.views.addEventListener("click", (event) => this.look(event.target.closest("button[data-forces]")));
      this.legend.addEventListener("click", (event) => this.toggle(event.target.closest("button[data-mark]")));
      this.showView();
      app.panels.seekOnClick(this.figure, ["xaxis"], onStep);
    }

    look(button) {
      if (button) this.pick({ view: button.dataset.forces });
    }

    /* Another mode or view: the frame is found afresh. */
    pick({ mode = this.mode, view = this.view }) {
      this.mode = mode;
      this.view = view;
      this.showView();
      if (this.table) this.setData(this.held, this.total, { afresh: true });
      this.move(this.step);
      this.modes.dispatchEvent(new CustomEvent("panel-changed", { bubbles: true }));
    }

    showView() {
      for (const button of this.views.children) button.setAttribute("aria-pressed", String(button.dataset.forces === this.view));
    }

    toggle(button) {
      if (!button) return;
      const shown = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(shown));
      this.hidden[shown ? "delete" : "add"](button.dataset.mark);
      if (this.table) this.setData(this.held, this.total, { afresh: true });
    }

    /* `held`: {table, problem} of one layer. */
    setData(held, total, { afresh = false } = {}) {
      const other = held !== this.held || !this.sums?.observed.length;
      Object.assign(this, { held, total, table: held.table });
      this.offerModes();
      const values = Object.fromEntries(PARTS.map((part) => [part, column(this.table, part, this.mode)]));
      this.sums = Object.fromEntries(PARTS.map((part) => [part, summed(values[part])]));
      const shown = PARTS.filter((part) => !this.hidden.has(part));
      const drawn = this.view === "sum" ? this.sums : values;
      this.setRanges(shown.map((part) => drawn[part]), other || afresh);
      const lines = PARTS.map((part) => [part, shown.includes(part) ? this.line(drawn[part]) : { x: [], y: [] }]);
      this.figure.set(Object.fromEntries(lines));
      this.figure.setTitle("yaxis", TITLES[this.view].replace("<sub>k</sub>", `<sub>${this.mode + 1}</sub>`));
      this.label(shown);
      this.figure.draw();
    }

    offerModes() {
      const k = this.table.columns.observed?.[0]?.length ?? 0;
      if (k && this.modes.options.length !== k) {
        const names = Array.from({ length: k }, (_, i) => new Option(`σ${app.numbers.subscript(i + 1)}`, String(i)));
        this.modes.replaceChildren(...names);
        this.mode = Math.min(k, Math.max(1, Math.round(this.wanted) || 1)) - 1;
      }
      this.modes.value = String(this.mode);
    }

    /* Sums begin at nothing, before the first batch. */
    line(values) {
      const { steps } = this.table;
      const start = this.view === "sum" && steps.length ? [[steps[0] - 1], [0]] : [[], []];
      this.stride = strideFor(steps.length);
      return { x: [...start[0], ...thin(steps, this.stride)], y: [...start[1], ...thin(values, this.stride)] };
    }

    setRanges(columns, afresh) {
      this.figure.setRange("xaxis", [0, this.total]);
      const [low, high] = robustRange(columns, this.view === "sum" ? 1 : MIDDLE);
      const margin = (high - low) * (this.view === "sum" ? 0.07 : 0.2) || 1e-6;
      const held = this.figure.axes.yaxis;
      if (afresh || !held || low < held[0] || high > held[1]) this.figure.setRange("yaxis", [low - margin, high + margin]);
    }

    /* Sums end apart: each is named where it ends. Single batches do not, and the legend must do. */
    label(shown) {
      const { steps } = this.table;
      const ends = this.view === "sum" && steps.length ? shown : [];
      endLabels(this.figure, ends.map((part) => ({ x: steps[steps.length - 1], y: this.sums[part].at(-1), text: NAMES[part], like: part })));
    }

    move(step) {
      this.step = step;
      this.clock.move(step);
      this.sentence.say(() => this.read(step));
    }

    read(step) {
      if (this.held?.problem) return this.held.problem;
      if (!this.table?.steps.length && !this.held?.settled) return "Fetching what moved the singular values.";
      const row = this.rowAt(step);
      if (row === undefined) return step === 0 ? "Step 0: before the first batch nothing has moved." : `What batch ${step} moved is not recorded.`;
      const of = this.view === "sum" ? (part) => this.sums[part][row] : (part) => this.table.columns[part][row][this.mode];
      const sigma = `σ${app.numbers.subscript(this.mode + 1)}`;
      const parts =
        `drift has moved ${sigma} by ${signed(of("drift"))}, noise ${signed(of("noise"))}, ` +
        `repulsion ${signed(of("repulsion"))} (as printed ${signed(of("repulsion_as_printed"))})` +
        `${this.readTurning(of("turning"), row)}, the remainder ${signed(of("remainder"))}; together ${signed(of("observed"))}`;
      const when = this.view === "sum" ? `At step ${this.table.steps[row]}` : `In batch ${step}`;
      return `${when} ${parts}.${this.readAnisotropy(row)}${this.readGaps(row)}${this.readStride()}`;
    }

    /* Of single batches their own row; sums stand from one batch that was looked at to the next. */
    rowAt(step) {
      const { index, steps } = this.table;
      if (this.view !== "sum" || index.has(step)) return index.get(step);
      const after = steps.findIndex((one) => one > step);
      const row = (after < 0 ? steps.length : after) - 1;
      return row < 0 ? undefined : row;
    }

    /* Where per-sample gradients were not measured, nothing is said. */
    readAnisotropy(row) {
      const strength = this.table.columns.anisotropy?.[row]?.[this.mode];
      if (!known(strength)) return "";
      return ` Its noise is ${app.numbers.significant(strength, 2)} times isotropic.`;
    }

    /* Runs from before it was recorded have none. */
    readTurning(moved, row) {
      const seen = this.view === "sum" ? this.table.columns.turning.slice(0, row + 1) : [this.table.columns.turning[row]];
      return seen.some((values) => known(values[this.mode])) ? `, turning ${signed(moved)}` : "";
    }

    /* Sums are of the batches that were looked at; where values coincide, repulsion has no number. */
    readGaps(row) {
      if (this.view !== "sum") return "";
      const seen = row + 1;
      const missing = this.table.steps[row] - seen;
      const rows = (this.table.columns.repulsion ?? []).slice(0, seen);
      const count = rows.filter((values) => !known(values[this.mode])).length;
      const unknown = count ? ` Repulsion, turning and remainder are not known in ${count} of ${seen} batches.` : "";
      return missing ? ` These are sums of ${seen} batches; the ${missing} others were not looked at.${unknown}` : unknown;
    }

    readStride() {
      return this.stride > 1 ? ` Lines show every ${this.stride}th step.` : "";
    }

    restyle() {
      if (!this.table) return;
      this.label(PARTS.filter((part) => !this.hidden.has(part)));
      this.figure.draw();
      this.clock.move(this.step);
    }

    /* What the sentence reads, for tests. */
    get parts() {
      const row = this.table ? this.rowAt(this.step) : undefined;
      if (row === undefined) return null;
      return Object.fromEntries(PARTS.map((part) => [part, this.sums[part][row]]));
    }

    destroy() {
      this.sentence.destroy();
      this.clock.destroy();
      this.figure.destroy();
    }
  }

  app.forces = { ForcesPanel };
})(window.sigmascope);
