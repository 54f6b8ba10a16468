/* A Plotly figure from a skeleton: traces found by their `meta`, drawn whole or in part, clocked by a CSS line. */
"use strict";
(function (app) {
  const CONFIG = { displaylogo: false, responsive: false, modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]] };

  const LINE_PX = 13;
  const LABEL_LETTERS = 20;

  const theme = () => (document.documentElement.getAttribute("data-mantine-color-scheme") === "dark" ? "dark" : "light");

  class Figure {
    /* `skeletons` is {light, dark}, each {data, layout}. */
    constructor(element, skeletons, name) {
      this.element = element;
      this.skeletons = skeletons;
      this.config = { ...CONFIG, toImageButtonOptions: { filename: `sigmascope-${name}`, scale: 2 } };
      this.values = new Map();
      this.axes = {};
      this.titles = {};
      this.drawn = false;
      this.observer = new ResizeObserver(() => this.resize());
      this.observer.observe(element);
    }

    get indices() {
      this.byMeta ??= new Map(this.skeletons.light.data.map((trace, i) => [trace.meta, i]));
      return this.byMeta;
    }

    /* Hold {meta: {x, y, ...}} for the next drawing. */
    set(values) {
      for (const [meta, value] of Object.entries(values)) {
        if (this.indices.has(meta)) this.values.set(meta, { ...this.values.get(meta), ...value });
      }
    }

    /* Ranges are set by name ("xaxis") and kept until set again: the data move, not the frame. */
    setRange(axis, range) {
      const old = this.axes[axis];
      if (old && old[0] === range[0] && old[1] === range[1]) return false;
      this.axes[axis] = range;
      return true;
    }

    /* What an axis shows, where that can be chosen. */
    setTitle(axis, text) {
      this.titles[axis] = text;
    }

    /* Everything: new ranges, new theme, first time. Out of sight nothing can be measured: it is drawn once seen. */
    draw() {
      this.late = !this.element.clientWidth;
      if (this.late) return;
      const skeleton = this.skeletons[theme()];
      const data = skeleton.data.map((trace) => ({ x: [], y: [], ...trace, ...this.values.get(trace.meta) }));
      const layout = { ...skeleton.layout, width: this.element.clientWidth, height: this.element.clientHeight };
      layout.uirevision = JSON.stringify(this.axes);
      for (const [axis, range] of Object.entries(this.axes)) layout[axis] = { ...layout[axis], range: [...range] };
      for (const [axis, text] of Object.entries(this.titles)) layout[axis] = { ...layout[axis], title: { ...layout[axis].title, text } };
      this.drawn = true;
      if (!window.Plotly) {
        this.sketch = new app.sketch.Sketch(this.element, data, layout);
        return;
      }
      if (this.sketch) this.element.replaceChildren();
      this.sketch = null;
      window.Plotly.react(this.element, data, layout, this.config);
      this.unsettled = null;
    }

    /* Only the outlines of the named line traces, on the axes as they stand. Plotly takes over when the clock
       rests (`settle`): it knows the new numbers only then, for hovering, zooming and saving. */
    redraw(metas) {
      if (!this.drawn) return this.draw();
      const pairs = metas.map((meta) => [this.indices.get(meta), this.values.get(meta)]);
      if (this.sketch) return this.sketch.move(pairs);
      if (!app.outlines.move(this.element, pairs)) return this.settle(metas);
      this.unsettled = metas;
      return undefined;
    }

    settle(metas = this.unsettled) {
      if (!metas) return;
      this.unsettled = null;
      const x = metas.map((meta) => this.values.get(meta).x);
      const y = metas.map((meta) => this.values.get(meta).y);
      window.Plotly.restyle(this.element, { x, y }, metas.map((meta) => this.indices.get(meta)));
    }

    resize() {
      if (!(this.drawn || this.late) || !this.element.clientWidth) return;
      if (this.sketch || this.late) {
        this.draw();
        this.element.dispatchEvent(new CustomEvent("figure-resized", { bubbles: true }));
        return;
      }
      const layout = this.element._fullLayout;
      if (layout.width === this.element.clientWidth && layout.height === this.element.clientHeight) return;
      window.Plotly.relayout(this.element, { width: this.element.clientWidth, height: this.element.clientHeight });
      this.element.dispatchEvent(new CustomEvent("figure-resized", { bubbles: true }));
    }

    /* Axes by name and `_size`, of Plotly or of the sketch before it. */
    get layout() {
      return this.sketch ? this.sketch.axes : this.element._fullLayout;
    }

    /* Plotly has arrived: let it draw what the sketch showed. */
    takeOver() {
      if (this.sketch) this.draw();
    }

    /* Pixel of a value on an axis ("xaxis", "xaxis2"), from the left of the element; null when out of sight. */
    pixel(axis, value) {
      const full = this.layout?.[axis];
      if (!full) return null;
      const inside = full.l2p(value);
      return inside < -0.5 || inside > full._length + 0.5 ? null : full._offset + inside;
    }

    /* The value on an axis under a mouse event, or null beside the axis. */
    valueAt(axis, event) {
      const full = this.layout?.[axis];
      if (!full) return null;
      const inside = event.clientX - this.element.getBoundingClientRect().left - full._offset;
      return inside < 0 || inside > full._length ? null : full.p2l(inside);
    }

    destroy() {
      this.observer.disconnect();
      if (this.drawn && !this.sketch) window.Plotly.purge(this.element);
    }
  }

  /* The clock as a hairline over a figure: moved by the compositor, without asking Plotly. */
  class ClockLine {
    constructor(figure, axis) {
      this.figure = figure;
      this.axis = axis;
      this.line = document.createElement("div");
      this.line.className = "clock-line";
      this.line.setAttribute("aria-hidden", "true");
      figure.element.parentElement.append(this.line);
    }

    move(step) {
      const x = this.figure.pixel(this.axis, step);
      this.line.style.visibility = x === null ? "hidden" : "visible";
      if (x === null) return;
      const size = this.figure.layout._size;
      this.line.style.transform = `translate3d(${x}px, ${size.t}px, 0)`;
      this.line.style.height = `${size.h}px`;
    }

    destroy() {
      this.line.remove();
    }
  }

  /* At most `most` rows, always with the last: every n-th of them. */
  function strideFor(count, most = 1000) {
    return Math.max(1, Math.ceil(count / most));
  }

  function thin(values, stride) {
    if (stride === 1) return values.slice();
    const kept = values.filter((_, i) => i % stride === 0);
    if ((values.length - 1) % stride) kept.push(values[values.length - 1]);
    return kept;
  }

  /* Names at the ends of lines, in their colours: {x, y, text, like} with `like` the trace so named. One that would
     cover a name before it joins it, or is left out where there is no room. */
  function endLabels(figure, ends) {
    const colours = new Map(figure.skeletons[theme()].data.map((trace) => [trace.meta, trace.line.color]));
    const [low, high] = figure.axes.yaxis ?? [0, 1];
    const { t, b } = figure.skeletons.light.layout.margin;
    const pixels = (figure.element.clientHeight - t - b) / (high - low);
    const placed = [];
    for (const end of ends) {
      if (!(end.y >= low && end.y <= high)) continue;
      const near = placed.find((one) => Math.abs(one.y - end.y) * pixels < LINE_PX);
      if (!near) placed.push({ ...end });
      else if (near.text.length + end.text.length < LABEL_LETTERS) near.text += `, ${end.text}`;
    }
    const of = (name) => placed.map((one) => one[name]);
    const color = placed.map((one) => colours.get(one.like));
    figure.set({ labels: { x: of("x"), y: of("y"), text: placed.map((one) => ` ${one.text}`), textfont: { size: 11, color } } });
  }

  app.figures = { Figure, ClockLine, theme, strideFor, thin, endLabels };
})(window.sigmascope);
