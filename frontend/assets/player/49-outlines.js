/* Moving lines fast. A restyle makes Plotly reconsider axes, ticks and text, 20 ms or more a frame; nothing of that
   changes while frames play on fixed axes. So the `d` of the paths that Plotly has drawn is rewritten in place. */
"use strict";
(function (app) {
  /* A tenth of a pixel; far out of sight is far enough, for browsers lose their way beyond. */
  const FAR = 1e6;
  const place = (x) => Math.round(Math.max(-FAR, Math.min(FAR, x)) * 10) / 10;

  /* One path through the points; null in x or y lifts the pen. */
  function outline({ x, y }, xaxis, yaxis) {
    let d = "";
    let pen = "M";
    for (let i = 0; i < x.length; i += 1) {
      if (x[i] === null || y[i] === null) {
        pen = "M";
        continue;
      }
      d += `${pen}${place(xaxis.l2p(x[i]))},${place(yaxis.l2p(y[i]))}`;
      pen = "L";
    }
    return d;
  }

  /* The area down to zero under a line without gaps. */
  function area(d, { x }, xaxis, yaxis) {
    if (!x.length) return "M0,0Z";
    const floor = place(yaxis.l2p(0));
    return `${d}L${place(xaxis.l2p(x[x.length - 1]))},${floor}L${place(xaxis.l2p(x[0]))},${floor}Z`;
  }

  /* The group of a trace in the plot, by the unique name that Plotly gave it. */
  function groupOf(element, trace) {
    return element.querySelector(`.scatterlayer .trace${trace.uid}`);
  }

  function moveOne(group, trace, value, layout) {
    const [xaxis, yaxis] = [layout.xaxis, layout.yaxis];
    const lines = group.querySelectorAll(".js-line");
    const d = outline(value, xaxis, yaxis);
    if (!lines.length) return d === "";
    lines.forEach((line, i) => line.setAttribute("d", i === 0 && d ? d : "M0,0"));
    const fill = trace.fill === "tozeroy" ? group.querySelector(".js-fill") : null;
    if (fill) fill.setAttribute("d", area(d, value, xaxis, yaxis));
    return true;
  }

  /* Rewrite the outlines of [index, {x, y}] pairs; false when Plotly must do it (a line it has never drawn). */
  function move(element, pairs) {
    const { _fullData: data, _fullLayout: layout } = element;
    if (!data || !layout) return false;
    return pairs.every(([index, value]) => {
      const group = groupOf(element, data[index]);
      return group ? moveOne(group, data[index], value, layout) : !value.x.length;
    });
  }

  app.outlines = { move, outline, area };
})(window.sigmascope);
