/* A figure drawn from its skeleton before Plotly, 4.8 MB of script, has been read: the same marks on the same axes,
   without hovering and zooming. Plotly takes its place as soon as it is there. */
"use strict";
(function (app) {
  const SVG = "http://www.w3.org/2000/svg";
  const DASHES = { solid: "", dash: "9,9", dot: "3,3", dashdot: "9,3,3,3" };

  function node(name, attributes, parent) {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    parent.append(element);
    return element;
  }

  /* A linear scale with the names that Plotly's axes use. */
  function scale(range, offset, length, upwards) {
    const span = range[1] - range[0];
    const l2p = (v) => (upwards ? (range[1] - v) : (v - range[0])) * (length / span);
    const p2l = (p) => range[0] + (upwards ? length - p : p) * (span / length);
    return { range, l2p, p2l, _offset: offset, _length: length };
  }

  function ticks([low, high], most) {
    const rough = (high - low) / most;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
    const found = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i += 1) found.push(i * step);
    return found;
  }

  function label(value, axis) {
    if (axis.tickformat === ".0%") return `${Math.round(100 * value)}%`;
    if (value !== 0 && Math.abs(value) < 1e-3) return app.numbers.significant(value, 1);
    if (Math.abs(value) >= 1e6) return app.numbers.significant(value, 2);
    return String(Number(value.toPrecision(6)));
  }

  function geometry(layout) {
    const { l, r, t, b } = layout.margin;
    const [w, h] = [Math.max(20, layout.width - l - r), Math.max(20, layout.height - t - b)];
    const axes = { _size: { l, t, w, h } };
    for (const [name, axis] of Object.entries(layout)) {
      const kind = name.match(/^([xy])axis\d*$/)?.[1];
      if (!kind) continue;
      const [from, to] = axis.domain ?? [0, 1];
      const range = axis.range ?? [0, 1];
      axes[name] = kind === "x"
        ? scale(range, l + from * w, (to - from) * w, false)
        : scale(range, t + (1 - to) * h, (to - from) * h, true);
    }
    return axes;
  }

  const axisName = (id, kind) => `${kind}axis${(id ?? kind).slice(1)}`;

  function drawAxis(svg, layout, axes, name) {
    const axis = layout[name];
    const self = axes[name];
    const sideways = name[0] === "y";
    const other = axes[axisName(axis.anchor, sideways ? "x" : "y")];
    const foot = sideways ? other._offset : other._offset + other._length;
    const text = { fill: axis.tickfont.color, "font-size": axis.tickfont.size };
    for (const value of ticks(self.range, axis.nticks ?? Math.max(3, Math.round(self._length / 90)))) {
      const at = self._offset + self.l2p(value);
      if (axis.showgrid !== false && sideways) {
        node("path", { d: `M${foot},${at}h${other._length}`, stroke: axis.gridcolor }, svg);
      }
      const tick = sideways ? `M${foot - 4},${at}h4` : `M${at},${foot}v4`;
      node("path", { d: tick, stroke: axis.tickcolor }, svg);
      const place = sideways ? { x: foot - 6, y: at + 4, "text-anchor": "end" } : { x: at, y: foot + 17, "text-anchor": "middle" };
      node("text", { ...text, ...place }, svg).textContent = label(value, axis);
    }
    const line = sideways ? `M${foot},${self._offset}v${self._length}` : `M${self._offset},${foot}h${self._length}`;
    node("path", { d: line, stroke: axis.linecolor }, svg);
    const middle = self._offset + self._length / 2;
    const title = sideways ? { transform: `translate(${Math.max(15, foot - 56)},${middle}) rotate(-90)` } : { x: middle, y: foot + 36 };
    const { text: words, font } = axis.title;
    node("text", { ...title, fill: font.color, "font-size": font.size, "text-anchor": "middle" }, svg).textContent =
      words.replace(/<sub>k<\/sub>/, "ₖ").replace(/<[^>]*>/g, "");
  }

  class Sketch {
    constructor(element, data, layout) {
      this.element = element;
      this.data = data;
      this.axes = geometry(layout);
      this.svg = document.createElementNS(SVG, "svg");
      this.svg.setAttribute("class", "sketch");
      this.svg.setAttribute("font-family", layout.font.family);
      for (const name of Object.keys(this.axes)) {
        if (name !== "_size") drawAxis(this.svg, layout, this.axes, name);
      }
      this.paths = data.map((trace) => this.pathOf(trace));
      this.move(data.map((trace, i) => [i, trace]));
      element.replaceChildren(this.svg);
    }

    scalesOf(trace) {
      return [this.axes[axisName(trace.xaxis, "x")], this.axes[axisName(trace.yaxis, "y")]];
    }

    pathOf(trace) {
      const [xaxis, yaxis] = this.scalesOf(trace);
      const frame = { x: xaxis._offset, y: yaxis._offset, width: xaxis._length, height: yaxis._length, overflow: "hidden" };
      const group = node("svg", frame, this.svg);
      const area = trace.fill ? node("path", { fill: trace.fillcolor, stroke: "none" }, group) : null;
      const { color, width, dash = "solid" } = trace.line;
      const style = { fill: "none", stroke: color, "stroke-width": width, "stroke-dasharray": DASHES[dash] ?? dash.replace(/px/g, "") };
      return { line: node("path", style, group), area };
    }

    /* Rewrite the outlines of [index, {x, y}] pairs. */
    move(pairs) {
      for (const [index, value] of pairs) {
        const scales = this.scalesOf(this.data[index]);
        const d = app.outlines.outline(value, ...scales);
        const { line, area } = this.paths[index];
        line.setAttribute("d", d);
        if (area) area.setAttribute("d", this.data[index].fill === "toself" ? d : app.outlines.area(d, value, ...scales));
      }
      return true;
    }
  }

  app.sketch = { Sketch };
})(window.sigmascope);
