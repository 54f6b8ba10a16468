/* The trajectories panel: the top k true and predicted, and their residual under the same steps. */
"use strict";
(function (app) {
  const { Figure, ClockLine, strideFor, thin } = app.figures;
  const { skill, significant, known } = app.numbers;
  const WORDS = { subspace: "Subspace tracker", algorithm1: "Algorithm 1" };

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
      this.data = data;
      this.total = total;
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
      this.figure.draw();
    }

    get modes() {
      return this.figure.skeletons.light.data.length / 3;
    }

    setRanges(other, truth, guess, residuals) {
      this.figure.setRange("xaxis", [0, this.total]);
      const [low, high] = bounds([...truth, ...guess]);
      const margin = (high - low) * 0.06 || Math.abs(high) * 0.05 || 1;
      const held = other ? [Infinity, -Infinity] : this.figure.axes.yaxis;
      if (other || low < held[0] || high > held[1]) this.figure.setRange("yaxis", [low - margin, high + margin]);
      const extreme = Math.max(...bounds(residuals).map(Math.abs)) * 1.15 || 1e-6;
      this.figure.setRange("yaxis2", [-extreme, extreme]);
    }

    move(step) {
      this.step = step;
      this.clock.move(step);
      const row = this.data.predictions.at(step);
      this.skill = { subspace: row?.["skill:subspace"] ?? null, algorithm1: row?.["skill:algorithm1"] ?? null };
      this.sentence.say(() => this.read(step, row));
    }

    read(step, row) {
      if (!row) return `Nothing was predicted at step ${step}.`;
      const off = Math.max(...(row[this.predictor] ?? []).map((value, i) => Math.abs(value - row.true[i])));
      const skills = known(this.skill.subspace) || known(this.skill.algorithm1)
        ? `Skill over hold up to step ${step}: subspace ${skill(this.skill.subspace)}, Algorithm 1 ${skill(this.skill.algorithm1)}.`
        : `No skill at step ${step} yet: nothing has moved.`;
      const thinned = this.stride > 1 ? ` Lines show every ${this.stride}th step.` : "";
      return `${skills} ${WORDS[this.predictor]} is off by at most ${significant(off, 2)} here.${thinned}`;
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
