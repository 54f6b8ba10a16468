/* The trajectories panel: the top k true and predicted, their residual under the same steps, and a forecast. */
"use strict";
(function (app) {
  const { Figure, ClockLine, strideFor, thin } = app.figures;
  const { skill, significant, known } = app.numbers;
  const WORDS = { subspace: "Subspace tracker", algorithm1: "Algorithm 1", first_order: "First order", hold: "Hold" };
  const SHORT = { subspace: "subspace", algorithm1: "Algorithm 1", first_order: "first order" };
  const NOTHING = { x: [], y: [] };
  // how far the bands of a forecast may push the frame, in heights of the trajectories
  const REACH = 0.3;

  /* The share of what came that lies between two tables of the same rows. */
  function shareInside(rows, low, high) {
    const [inside, all] = rows.reduce(
      ([inside, all], { truth, at }) => [inside + truth.filter((x, i) => x >= low[at][i] && x <= high[at][i]).length, all + truth.length],
      [0, 0],
    );
    return all ? inside / all : null;
  }

  function meanError(rows, guess) {
    const errors = rows.flatMap((row) => row.truth.map((x, i) => Math.abs(x - guess(row)[i])));
    return errors.length ? errors.reduce((a, b) => a + b, 0) / errors.length : null;
  }

  const percent = (share) => `${Math.round(100 * share)} %`;

  function bounds(columns) {
    let [low, high] = [Infinity, -Infinity];
    for (const column of columns) {
      for (const y of column) {
        if (!known(y)) continue;
        low = Math.min(low, y);
        high = Math.max(high, y);
      }
    }
    return low <= high ? [low, high] : [0, 1];
  }

  class TrajectoriesPanel {
    constructor(root, skeletons, onStep) {
      this.figure = new Figure(root.querySelector("#trajectories-plot"), skeletons, "trajectories");
      this.clock = new ClockLine(this.figure, "xaxis");
      this.sentence = new app.sentence.Sentence(root.querySelector("#trajectories-reading"));
      this.picker = root.querySelector("#predictor-picker");
      this.predictor = "subspace";
      this.step = 0;
      this.skill = {};
      this.forecast = null;
      this.trouble = "";
      this.picker.addEventListener("click", (event) => this.pick(event.target.closest("button[data-predictor]")));
      app.panels.seekOnClick(this.figure, ["xaxis"], onStep);
    }

    pick(button) {
      if (!button) return;
      this.predictor = button.dataset.predictor;
      for (const other of this.picker.querySelectorAll("button")) {
        other.setAttribute("aria-pressed", String(other === button));
      }
      if (!this.data) return;
      this.setData(this.data, this.total);
      this.move(this.step);
    }

    setData(data, total) {
      const other = data !== this.data;
      if (other) Object.assign(this, { forecast: null, trouble: "" });
      this.data = data;
      this.total = total;
      this.offerPredictors();
      const { steps, columns } = data.predictions;
      const k = columns.true?.[0]?.length ?? 0;
      this.stride = strideFor(steps.length);
      const x = thin(steps, this.stride);
      const truth = thin(columns.true ?? [], this.stride);
      const guess = thin(columns[this.predictor] ?? [], this.stride);
      const mode = (rows, i) => rows.map((row) => row?.[i] ?? null);
      const residuals = [];
      for (let i = 0; i < this.modes; i += 1) {
        const [t, p] = i < k ? [mode(truth, i), mode(guess, i)] : [[], []];
        const r = p.map((value, row) => (known(value) && known(t[row]) ? value - t[row] : null));
        residuals.push(r);
        this.figure.set({ [`true:${i}`]: { x, y: t }, [`predicted:${i}`]: { x, y: p }, [`residual:${i}`]: { x, y: r } });
      }
      this.setRanges(other, truth, guess, residuals);
      this.layForecast();
      this.figure.draw();
    }

    get modes() {
      return this.figure.skeletons.light.data.filter((trace) => trace.meta.startsWith("true:")).length;
    }

    /* Only predictors that the run has. */
    offerPredictors() {
      const { columns } = this.data.predictions;
      if (!columns.true) return;
      for (const button of this.picker.children) button.hidden = !(button.dataset.predictor in columns);
    }

    /* What the forecaster of this name said, or null, and why there is nothing. */
    setForecast(forecast, trouble, name) {
      const same = forecast === this.forecast && trouble === this.trouble;
      Object.assign(this, { forecast, trouble, forecaster: name });
      if (!this.data || same) return;
      this.setData(this.data, this.total);
      this.move(this.step);
    }

    /* The median begins at the truth of the origin; bands open from there. */
    layForecast() {
      const { forecast } = this;
      for (let i = 0; i < this.modes; i += 1) {
        this.figure.set({ [`band90:${i}`]: NOTHING, [`band50:${i}`]: NOTHING, [`median:${i}`]: NOTHING });
      }
      const start = forecast && this.data.predictions.at(forecast.origin)?.true;
      if (!start) return;
      const ahead = forecast.steps.filter((step) => step > forecast.origin);
      const skip = forecast.steps.length - ahead.length;
      const x = [forecast.origin, ...ahead];
      const line = (table, i) => [start[i], ...table.slice(skip).map((row) => row[i])];
      const band = (low, high, i) => ({ x: [...x, ...x.slice().reverse()], y: [...line(high, i), ...line(low, i).reverse()] });
      for (let i = 0; i < Math.min(this.modes, forecast.median[0]?.length ?? 0); i += 1) {
        this.figure.set({
          [`median:${i}`]: { x, y: line(forecast.median, i) },
          [`band50:${i}`]: band(forecast.low50, forecast.high50, i),
          [`band90:${i}`]: band(forecast.low90, forecast.high90, i),
        });
      }
      this.widen(forecast);
    }

    /* The frame grows for the bands, as far as the trajectories stay legible in it. */
    widen(forecast) {
      const [low, high] = this.figure.axes.yaxis;
      const reach = REACH * (high - low);
      const [least, most] = [bounds(forecast.low90)[0], bounds(forecast.high90)[1]];
      this.figure.setRange("yaxis", [Math.min(low, Math.max(least, low - reach)), Math.max(high, Math.min(most, high + reach))]);
    }

    setRanges(other, truth, guess, residuals) {
      this.figure.setRange("xaxis", [0, this.total]);
      const [low, high] = bounds([...truth, ...guess]);
      const margin = (high - low) * 0.06 || Math.abs(high) * 0.05 || 1;
      if (other || low < this.frame[0] || high > this.frame[1]) this.frame = [low - margin, high + margin];
      this.figure.setRange("yaxis", this.frame);
      const extreme = Math.max(...bounds(residuals).map(Math.abs)) * 1.15 || 1e-6;
      this.figure.setRange("yaxis2", [-extreme, extreme]);
    }

    move(step) {
      this.step = step;
      this.clock.move(step);
      const row = this.data.predictions.at(step);
      const scored = Object.keys(this.data.predictions.columns).filter((name) => name.startsWith("skill:"));
      this.skill = Object.fromEntries(scored.map((name) => [name.slice("skill:".length), row?.[name] ?? null]));
      this.sentence.say(() => this.read(step, row));
    }

    read(step, row) {
      if (this.trouble) return this.trouble;
      if (this.forecast) return this.readForecast();
      if (!row) return `Nothing was predicted at step ${step}.`;
      const off = Math.max(...(row[this.predictor] ?? []).map((value, i) => Math.abs(value - row.true[i])));
      const shown = Object.keys(SHORT).filter((name) => name in this.skill);
      const skills = shown.some((name) => known(this.skill[name]))
        ? `Skill over hold up to step ${step}: ${shown.map((name) => `${SHORT[name]} ${skill(this.skill[name])}`).join(", ")}.`
        : `No skill at step ${step} yet: nothing has moved.`;
      const thinned = this.stride > 1 ? ` Lines show every ${this.stride}th step.` : "";
      return `${skills} ${WORDS[this.predictor]} is off by at most ${significant(off, 2)} here.${thinned}`;
    }

    /* What came after the origin, as far as it is recorded: {at, truth}, `at` the row of the forecast. */
    get came() {
      const { steps, origin } = this.forecast;
      const rows = steps.map((step, at) => ({ step, at, truth: this.data.predictions.at(step)?.true }));
      return rows.filter(({ step, truth }) => step > origin && truth);
    }

    /* Coverage and mean error of the forecast on show; null where nothing has come yet. */
    get forecastScore() {
      const { forecast } = this;
      if (!forecast || !this.data) return null;
      const [rows, start] = [this.came, this.data.predictions.at(forecast.origin)?.true];
      if (!rows.length || !start) return null;
      return {
        steps: rows.length,
        inside90: shareInside(rows, forecast.low90, forecast.high90),
        inside50: shareInside(rows, forecast.low50, forecast.high50),
        error: meanError(rows, ({ at }) => forecast.median[at]),
        persistence: meanError(rows, () => start),
      };
    }

    readForecast() {
      const { forecast, forecastScore: score } = this;
      const said = `Forecast (${this.forecaster}) from step ${forecast.origin}, which has seen nothing after it.`;
      if (!score) return `${said} Nothing has come since.`;
      const errors = forecast.method === "persistence" ? significant(score.error, 2) : `${significant(score.error, 2)} (persistence ${significant(score.persistence, 2)})`;
      return `${said} Of the next ${score.steps} steps ${percent(score.inside90)} lie in the 90 % band, ${percent(score.inside50)} in the 50 % band; mean error ${errors}.`;
    }

    restyle() {
      if (!this.data) return;
      this.figure.draw();
      this.clock.move(this.step);
    }

    destroy() {
      this.sentence.destroy();
      this.clock.destroy();
      this.figure.destroy();
    }
  }

  app.panels = {
    /* A click on one of the axes' areas takes the clock to that step; a drag still zooms. */
    seekOnClick(figure, axes, onStep) {
      const seek = (down) => (up) => {
        if (Math.hypot(up.clientX - down.clientX, up.clientY - down.clientY) > 4) return;
        const value = axes.map((axis) => figure.valueAt(axis, up)).find((found) => found !== null);
        if (value !== undefined) onStep(value);
      };
      // Plotly covers the page while a button is down: the end of a click is heard from the window
      const listen = (down) => {
        if (!down.target.closest(".modebar")) window.addEventListener("pointerup", seek(down), { once: true, capture: true });
      };
      figure.element.addEventListener("pointerdown", listen, true);
    },
  };
  app.trajectories = { TrajectoriesPanel };
})(window.sigmascope);
