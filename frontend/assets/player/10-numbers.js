/* Numbers as people read them: three significant digits, powers of ten written out, plain words for time. */
"use strict";
(function (app) {
  const SUPERSCRIPTS = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

  const known = (x) => x !== null && x !== undefined && Number.isFinite(x);

  /* 0.00123 -> "1.23×10⁻³", 12.345 -> "12.3"; "–" for what is not known. */
  function significant(x, digits = 3) {
    if (!known(x)) return "–";
    if (x === 0) return "0";
    const size = Math.abs(x);
    if (size >= 1e-3 && size < 1e5) {
      return String(Number(x).toPrecision(digits)).includes("e") ? Math.round(x).toString() : Number(x).toPrecision(digits);
    }
    const [mantissa, exponent] = x.toExponential(digits - 1).split("e");
    const power = String(Number(exponent)).split("").map((c) => SUPERSCRIPTS[c]).join("");
    return `${mantissa}×10${power}`;
  }

  /* A probability; below what doubles tell apart from zero it says so. */
  const probability = (p) => (!known(p) ? "–" : p < 1e-300 ? "below 10⁻³⁰⁰" : significant(p, 2));

  /* A skill never rounds up to a perfect 1. */
  function skill(x) {
    if (!known(x)) return "–";
    if (x < -1e4) return significant(x).replace("-", "−");
    return x > 0.9995 && x < 1 ? (Math.floor(x * 1e5) / 1e5).toFixed(5) : x.toFixed(3).replace("-", "−");
  }

  function duration(seconds) {
    if (!known(seconds)) return "–";
    if (seconds < 1) return "under 1 s";
    if (seconds < 90) return `${Math.round(seconds)} s`;
    if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
    return `${(seconds / 3600).toFixed(1)} h`;
  }

  /* With its sign, and a true minus: "+0.0123", "−0.41". */
  const signed = (x) => (known(x) ? `${x < 0 ? "−" : "+"}${significant(Math.abs(x))}` : "–");

  const subscript = (n) => String(n).replace(/\d/g, (digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]);

  const integer = (x) => (known(x) ? x.toLocaleString("en-US") : "–");

  app.numbers = { known, significant, probability, skill, duration, signed, subscript, integer };
})(window.sigmascope);
