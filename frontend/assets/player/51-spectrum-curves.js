/* From float32 values and the parameters of a step to curves. No law is evaluated here: unit curves are moved
   and scaled, and the gamma density is the exponential that the service wrote down. */
"use strict";
(function (app) {
  const { known } = app.numbers;
  const GAMMA_POINTS = 140;

  /* Outline of a histogram, normalised so that its area would be 1 over all n values; those beyond the last bin are
     left out of it. */
  function histogram(values, { width, bins }) {
    const counts = new Float64Array(bins);
    for (let i = 0; i < values.length; i += 1) {
      const bin = Math.max(0, Math.floor(values[i] / width));
      if (bin < bins) counts[bin] += 1;
    }
    const scale = 1 / (values.length * width);
    const x = new Array(2 * bins);
    const y = new Array(2 * bins);
    for (let i = 0; i < bins; i += 1) {
      x[2 * i] = i * width;
      x[2 * i + 1] = (i + 1) * width;
      y[2 * i] = y[2 * i + 1] = counts[i] * scale;
    }
    return { x, y };
  }

  /* At unit entry variance the curve is (x, pdf); at s^2 it is (s x, pdf / s). */
  function marchenkoPastur(curve, fit) {
    const s = Math.sqrt(fit.entry_variance);
    return { x: curve.x.map((x) => s * x), y: curve.pdf.map((p) => p / s) };
  }

  /* sigma = sqrt(center + scale x), density pdf 2 sigma / scale: the law of one value in n. */
  function tracyWidom(curve, fit, n) {
    const x = [];
    const y = [];
    curve.x.forEach((t, i) => {
      const square = fit.tw_center + fit.tw_scale * t;
      if (square <= 0) return;
      const sigma = Math.sqrt(square);
      x.push(sigma);
      y.push((curve.pdf[i] * 2 * sigma) / (fit.tw_scale * n));
    });
    return { x, y };
  }

  /* p(x) = exp(log_norm) 2 x^(2 shape - 1) exp(-rate x^2), from `from` to `to`; empty where it is not known. */
  function gamma({ shape, rate, logNorm, from, to }) {
    if (![shape, rate, logNorm].every(known) || !(to > from)) return { x: [], y: [] };
    const x = [];
    const y = [];
    for (let i = 0; i <= GAMMA_POINTS; i += 1) {
      const sigma = from + ((to - from) * i) / GAMMA_POINTS;
      if (sigma <= 0) continue;
      x.push(sigma);
      y.push(Math.exp(logNorm + Math.LN2 + (2 * shape - 1) * Math.log(sigma) - rate * sigma * sigma));
    }
    return { x, y };
  }

  app.curves = { histogram, marchenkoPastur, tracyWidom, gamma };
})(window.sigmascope);
