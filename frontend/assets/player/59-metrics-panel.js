/* The metrics panel: one number of the spectrum over the steps, a line a layer. Metrics that are too costly for every
   step (fits of the tail) are worked out where the clock rests, and keep a point there. */
"use strict";
(function (app) {
  const { Figure, ClockLine, strideFor, thin, endLabels } = app.figures;
  const { known, significant } = app.numbers;
  const RESTS_MS = 250;

  /* All lines as one trace, with the pen lifted between them. */
  function joined(lines) {
    const [x, y, text] = [[], [], []];
    for (const line of lines) {
      line.x.forEach((step, i) => {
        x.push(step);
        y.push(line.y[i]);
        text.push(line.name);
      });
      x.push(null);
      y.push(null);
      text.push("");
    }
    return { x, y, text };
  }

  class MetricsPanel {
    /* `onNeed(step)` asks for every metric of one step of the layer on show. */
    constructor(root, skeletons, query, onStep, onNeed) {
      this.figure = new Figure(root.querySelector("#metrics-plot"), skeletons, "metrics");
      this.clock = new ClockLine(this.figure, "xaxis");
      this.sentence = new app.sentence.Sentence(root.querySelector("#metrics-reading"));
      this.picker = root.querySelector("#metric-picker");
      this.about = root.querySelector("#metric-about");
      this.aboutButton = root.querySelector("#metric-help");
      this.scope = root.querySelector("#metric-layers");
      this.alone = false;
      this.onNeed = onNeed;
      this.step = 0;
      this.problem = "";
      const wanted = query.get("metric");
      if (this.options.some((option) => option.value === wanted)) this.picker.value = wanted;
      this.picker.addEventListener("change", () => this.pick());
      this.scope.addEventListener("click", (event) => this.narrow(event.target.closest("button[data-layers]")));
      this.aboutButton.addEventListener("click", () => this.tell(this.about.hidden));
      this.onPress = (event) => this.leave(event);
      document.addEventListener("pointerdown", this.onPress);
      document.addEventListener("keydown", this.onPress);
      this.tell(false);
      app.panels.seekOnClick(this.figure, ["xaxis"], onStep);
    }

    get options() {
      return Array.from(this.picker.options);
    }

    get metric() {
      return this.picker.value;
    }

    get title() {
      return this.picker.selectedOptions[0]?.textContent ?? "";
    }

    get unit() {
      const unit = this.picker.selectedOptions[0]?.dataset.unit;
      return unit ? ` (${unit})` : "";
    }

    pick() {
      this.tell(!this.about.hidden);
      if (this.layers) this.setData(this.layers, this.layer, this.total, { afresh: true });
      this.move(this.step);
      this.rest();
      this.picker.dispatchEvent(new CustomEvent("panel-changed", { bubbles: true }));
    }

    /* All layers, or the one on show alone: its own motion is small where another layer is far away. */
    narrow(button) {
      if (!button) return;
      this.alone = button.dataset.layers === "one";
      for (const other of this.scope.children) other.setAttribute("aria-pressed", String(other === button));
      if (this.layers) this.setData(this.layers, this.layer, this.total, { afresh: true });
    }

    /* Formula and reference of the metric on show. */
    tell(open) {
      this.about.hidden = !open;
      this.aboutButton.setAttribute("aria-expanded", String(open));
      for (const card of this.about.children) card.hidden = card.dataset.metric !== this.metric;
    }

    leave(event) {
      if (this.about.hidden) return;
      const away = event.type === "keydown" ? event.key === "Escape" : !event.target.closest("#metric-about, #metric-help, #metric-picker");
      if (away) this.tell(false);
    }

    /* `layers`: {name, table, points, problem} each, `points` the summaries by step; `layer` is the one on show. */
    setData(layers, layer, total, { afresh = false } = {}) {
      const other = layer !== this.layer;
      Object.assign(this, { layers, layer, total });
      const shown = this.alone ? layers.filter(({ name }) => name === layer) : layers;
      const lines = shown.map((one) => this.line(one)).filter((line) => line.x.length);
      const [picked, others] = [lines.filter((line) => line.name === layer), lines.filter((line) => line.name !== layer)];
      const seen = this.seen();
      this.setRanges([...lines.map((line) => line.y), seen.y], other || afresh);
      this.figure.set({ others: joined(others), picked: joined(picked), seen });
      this.figure.setTitle("yaxis", this.title + this.unit);
      this.label([...picked, ...others]);
      this.figure.draw();
    }

    line({ name, table }) {
      const values = table.columns[this.metric] ?? [];
      this.stride = strideFor(table.steps.length);
      return { name, x: values.length ? thin(table.steps, this.stride) : [], y: thin(values, this.stride) };
    }

    get here() {
      return this.layers?.find((one) => one.name === this.layer);
    }

    /* True where the metric on show is not among those of every step. */
    get costly() {
      const { columns, steps } = this.here?.table ?? { steps: [] };
      return steps.length > 0 && !(this.metric in columns);
    }

    seen() {
      if (!this.costly) return { x: [], y: [] };
      const points = Array.from(this.here.points).filter(([, values]) => known(values[this.metric])).sort(([a], [b]) => a - b);
      return { x: points.map(([step]) => step), y: points.map(([, values]) => values[this.metric]) };
    }

    setRanges(columns, afresh) {
      this.figure.setRange("xaxis", [0, this.total]);
      const values = columns.flat().filter(known);
      const low = values.reduce((a, b) => Math.min(a, b), Infinity);
      const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
      if (!(low <= high)) return;
      const margin = (high - low) * 0.08 || Math.abs(high) * 0.05 || 1;
      const held = this.figure.axes.yaxis;
      if (afresh || !held || low < held[0] || high > held[1]) this.figure.setRange("yaxis", [low - margin, high + margin]);
    }

    label(lines) {
      this.lines = lines;
      const ends = lines.map(({ name, x, y }) => ({ x: x.at(-1), y: y.at(-1), text: name, like: name === this.layer ? "picked" : "others" }));
      endLabels(this.figure, ends.filter(({ y }) => known(y)));
    }

    move(step) {
      this.step = step;
      this.clock.move(step);
      this.sentence.say(() => this.read(step));
    }

    /* The clock rests: what is not known of every step is asked for here. */
    rest() {
      clearTimeout(this.resting);
      if (!this.costly || this.here.points.has(this.step)) return;
      this.resting = setTimeout(() => this.onNeed(this.step), RESTS_MS);
    }

    valueAt(one, step) {
      const row = one.table.index.get(step);
      const value = row === undefined ? undefined : one.table.columns[this.metric]?.[row];
      return value === undefined ? one.points.get(step)?.[this.metric] : value;
    }

    read(step) {
      if (!this.metric) return "The service names no metrics.";
      if (!this.here?.table.steps.length) return this.here?.problem || "Fetching the metrics of this layer.";
      const value = this.valueAt(this.here, step);
      const what = `the ${this.title} of ${this.layer}`;
      if (this.costly && this.here.points.has(step) && value === undefined) return `The ${this.title} takes the weights themselves, which a run does not keep.`;
      if (this.costly && value === undefined) return this.problem || `At step ${step} ${what} is worked out once the clock rests here.`;
      if (!known(value)) return `At step ${step} ${what} is not defined.`;
      return `At step ${step} ${what} is ${significant(value, 4)}${this.readSince(step)}${this.readOthers(step)}.${this.readStride()}`;
    }

    readSince(step) {
      const first = this.here.table.steps[0];
      const value = this.valueAt(this.here, first);
      return first < step && known(value) ? `; at step ${first} it was ${significant(value, 4)}` : "";
    }

    readOthers(step) {
      const values = this.layers.filter((one) => one.name !== this.layer).map((one) => this.valueAt(one, step)).filter(known);
      if (!values.length) return "";
      const [low, high] = [Math.min(...values), Math.max(...values)].map((x) => significant(x));
      return values.length === 1 ? `; the other layer has ${low}` : `; the other ${values.length} layers have ${low} to ${high}`;
    }

    readStride() {
      return this.stride > 1 && !this.costly ? ` Lines show every ${this.stride}th step.` : "";
    }

    restyle() {
      if (!this.layers) return;
      this.label(this.lines);
      this.figure.draw();
      this.clock.move(this.step);
    }

    destroy() {
      clearTimeout(this.resting);
      document.removeEventListener("pointerdown", this.onPress);
      document.removeEventListener("keydown", this.onPress);
      this.sentence.destroy();
      this.clock.destroy();
      this.figure.destroy();
    }
  }

  app.metrics = { MetricsPanel };
})(window.sigmascope);
