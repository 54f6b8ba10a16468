/* The page of a training run put together: its store and its panels on the stage that all runs share. */
"use strict";
(function (app) {
  const { Stage, pause } = app.stage;
  const POLL_MS = 700;
  const REDRAW_LINES_MS = 1000;

  class Player extends Stage {
    constructor(root) {
      super(root);
      this.store = app.prefetch.take(this.runId) || new app.store.RunStore(this.runId);
      this.forceStore = new app.analysis.ForceStore(this.store.base);
      this.metricStore = new app.analysis.MetricStore(this.store.base);
      this.forecastStore = new app.analysis.ForecastStore(this.store.base);
      this.layerName = null;
      this.data = null;
      this.picks = 0;
      this.prefetched = true;
      this.words = {
        queued: "In the queue. The spectrum appears as soon as a worker takes the run.",
        running: "The worker is preparing data and the first spectrum.",
        ended: "This run ended before its first spectrum was recorded.",
      };
      this.build(JSON.parse(root.dataset.figures));
      this.start();
    }

    makePanels(of, seek) {
      this.spectrum = new app.spectrum.SpectrumPanel(this.root, of("spectrum"));
      this.trajectories = new app.trajectories.TrajectoriesPanel(this.root, of("trajectories"), seek);
      this.training = new app.training.TrainingPanel(this.root, of("training"), seek);
      this.forces = new app.forces.ForcesPanel(this.root, of("forces"), this.query, seek);
      this.metrics = new app.metrics.MetricsPanel(this.root, of("metrics"), this.query, seek, (step) => this.summarise(step));
      this.strip = new app.strip.Strip(
        this.root,
        { training: this.training, forces: this.forces, metrics: this.metrics },
        this.query.get("panel"),
        () => this.openStrip(),
      );
      this.forecast = new app.forecast.ForecastControl(
        this.root,
        JSON.parse(this.root.dataset.forecast),
        this.query,
        this.forecastStore,
        (...said) => this.alive && this.trajectories.setForecast(...said),
      );
      this.panels = [this.spectrum, this.trajectories, this.training, this.forces, this.metrics];
      this.root.addEventListener("panel-changed", () => this.rememberAddress());
      this.picker = this.root.querySelector("#layer-picker");
      this.picker.addEventListener("change", () => this.pick(this.picker.value));
    }

    get steps() {
      return this.data ? this.data.spectra.steps : null;
    }

    drawStep(frame) {
      this.spectrum.draw(frame);
    }

    settle() {
      this.spectrum.settle();
    }

    /* Only what differs from how a page opens. */
    seen() {
      const { strip, forces, metrics, forecast } = this;
      const open = {
        training: {},
        forces: { ...(forces.mode > 0 && { mode: forces.mode + 1 }), ...(forces.view === "batch" && { forces: "batch" }) },
        metrics: metrics.metric ? { metric: metrics.metric } : {},
      };
      return {
        layer: this.layerName,
        ...(forecast.method && { forecast: forecast.method }),
        ...(strip.name !== "training" && { panel: strip.name, ...open[strip.name] }),
      };
    }

    rest() {
      super.rest();
      this.restLines();
    }

    /* What is worked out for one step is asked for where the clock rests. A run followed live does not rest. */
    restLines() {
      if (!this.data || this.clock.moving) return;
      if (this.strip.name === "metrics") this.metrics.rest();
      if (this.clock.follow && !this.store.final) this.forecast.move();
      else this.forecast.rest({ layer: this.layerName, origin: this.step, left: this.store.run.total_steps - this.step });
    }

    /* Fetch, draw, append, until the run is final or the page is left. */
    async live() {
      await app.prefetch.settled();
      while (this.alive) {
        if (!this.prefetched || !this.store.run) await this.updateRun();
        this.prefetched = false;
        if (!this.alive) return;
        this.header.show(this.store.run);
        await this.store.updateLayers();
        if (this.store.layers.length) await this.refresh();
        await this.bringPlotly();
        await this.refreshStrip();
        if (!this.alive) return;
        this.showWaiting();
        if (this.store.final && this.staleLines) this.drawLines(performance.now());
        if (this.store.final && this.complete()) return;
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
    }

    /* When the run has started again, what is shown is gone; its layer, and where the clock stood, are kept. */
    async updateRun() {
      const here = this.step;
      if (!(await this.store.updateRun()) || !this.data) return;
      this.held = this.clock.follow ? null : here;
      this.clock.playing = false;
      this.data = null;
      for (const store of [this.forceStore, this.metricStore, this.forecastStore]) store.forget();
    }

    complete() {
      return !this.data || this.store.upToDate(this.data);
    }

    async refresh() {
      const { data } = this;
      if (!data) return this.choose(this.layerName ?? this.query.get("layer"));
      if (this.complete()) return undefined;
      const [added, measured] = await Promise.all([this.store.updateLayer(data.layer.name), this.store.updateMetrics()]);
      if (this.alive && data === this.data && (added || measured)) this.extend(added, measured);
      return undefined;
    }

    /* The user picks a layer. What cannot be fetched is said, and the picker goes back to what is shown. */
    async pick(name) {
      const pick = this.picks + 1;
      try {
        this.header.note("");
        await this.choose(name);
      } catch (error) {
        if (!this.alive || pick !== this.picks) return;
        this.header.note(`Layer ${name} cannot be shown: ${this.wordsOf(error)}`);
        this.picker.value = this.layerName;
      }
      if (this.store.final && !this.complete()) this.start();
    }

    /* Show a layer; an unknown or missing name is the first layer. The last choice wins. */
    async choose(name) {
      const pick = (this.picks += 1);
      const wanted = this.store.byName.has(name) ? name : this.store.layers[0].name;
      const data = this.store.byName.get(wanted);
      if (!data.spectra.count || (this.store.final && !this.store.upToDate(data))) await this.store.updateLayer(wanted);
      const gone = pick !== this.picks || data !== this.store.byName.get(wanted);
      if (!this.alive || gone || !data.spectra.count) return;
      const step = this.data ? this.step : this.layerName ? this.held : this.wantedStep();
      this.layerName = wanted;
      this.data = data;
      this.showLayers();
      this.showWaiting();
      this.clock.extend(this.data.spectra.count);
      this.spectrum.setData(this.data);
      this.place(step);
      this.figures.drawn = -1;
      this.drawFrame();
      await pause();
      if (!this.alive || this.data !== data) return;
      this.trajectories.setData(this.data, this.store.run.total_steps);
      this.moveClocks();
      await pause();
      if (!this.store.metrics.steps.length) await this.store.updateMetrics();
      if (!this.alive || this.data !== data) return;
      this.drawStrip();
      this.linesDrawn = performance.now();
      this.moveClocks();
      this.forecast.show(this.store.run, this.data.spectra.lastStep);
      this.wake();
      if (this.settled) await this.bringStrip();
    }

    /* The panel of the strip that is open, from what is here. */
    drawStrip() {
      const { strip, data } = this;
      const total = this.store.run.total_steps;
      if (strip.name === "training") this.training.setData(this.store.metrics, total);
      if (strip.name === "forces") this.forces.setData(this.forceStore.of(data.layer.name), total);
      if (strip.name === "metrics") this.metrics.setData(this.measured, data.layer.name, total);
    }

    /* Metrics by layer, as the panel draws them. */
    get measured() {
      return this.store.layers.map(({ name }) => ({ ...this.metricStore.of(name), name, points: this.metricStore.summariesOf(name) }));
    }

    /* Another tab: drawn from what is here, then brought up to date. */
    async openStrip() {
      if (!this.data) return;
      this.rememberAddress();
      this.drawStrip();
      this.moveClocks();
      this.restLines();
      await this.bringStrip();
    }

    /* What cannot be fetched is said; what is shown stays. */
    async bringStrip() {
      try {
        await this.refreshStrip();
      } catch (error) {
        if (this.alive) this.header.note(this.wordsOf(error));
      }
    }

    /* Fetch what the open tab shows beside the rest: of the layer on show, then, less often, of the others. */
    async refreshStrip() {
      const { data, strip } = this;
      if (!data || strip.name === "training") return;
      const panel = strip.name;
      const [until, final] = [data.spectra.lastStep, this.store.final];
      const store = panel === "forces" ? this.forceStore : this.metricStore;
      const still = () => this.alive && data === this.data && panel === strip.name;
      const update = async (layer) => {
        if ((await store.update(layer, { until, final })) && still()) {
          this.drawStrip();
          this.moveClocks();
          this.restLines();
        }
      };
      await update(data.layer.name);
      if (panel === "forces") return;
      for (const { name } of this.store.layers) {
        if (still() && (final || store.due(name))) await update(name);
      }
    }

    /* Every metric of one step of the layer on show. */
    async summarise(step) {
      const { data } = this;
      if (this.clock.moving) return;
      try {
        await this.metricStore.summary(data.layer.name, step);
        this.metrics.problem = "";
      } catch (error) {
        this.metrics.problem = this.wordsOf(error);
      }
      if (!this.alive || data !== this.data || this.strip.name !== "metrics") return;
      this.drawStrip();
      this.moveClocks();
    }

    extend(added, measured) {
      this.clock.extend(this.data.spectra.count);
      this.spectrum.setData(this.data);
      this.jumpWhereMotionIsUnwanted();
      const now = performance.now();
      this.staleLines = this.staleLines || added > 0 || measured > 0;
      if (this.staleLines && (now - (this.linesDrawn ?? 0) > REDRAW_LINES_MS || this.store.final)) this.drawLines(now);
      if (this.spectrum.whole || !this.spectrum.fit) this.figures.drawn = -1;
      this.wake();
    }

    drawLines(now) {
      this.trajectories.setData(this.data, this.store.run.total_steps);
      this.drawStrip();
      this.forecast.show(this.store.run, this.data.spectra.lastStep);
      this.linesDrawn = now;
      this.staleLines = false;
      this.moveClocks();
    }

    moveClocks() {
      if (this.trajectories.data) this.trajectories.move(this.step);
      const { strip, training } = this;
      if (strip.name !== "training" || training.metrics) strip.panel.move(this.step);
      if (this.clock.moving) this.forecast.move();
    }

    showLayers() {
      if (this.picker.options.length !== this.store.layers.length) {
        this.picker.replaceChildren(...this.store.layers.map((layer) => new Option(layer.name, layer.name)));
      }
      this.picker.value = this.layerName;
      const { m, n, q } = this.data.layer;
      const facts = `${m} × ${n}, q = ${app.numbers.significant(q)}`;
      this.root.querySelector("#layer-facts").textContent = facts;
    }

    /* A read-only diagnostic for tests and benchmarks. */
    state() {
      return Object.freeze({
        ...this.clockState(),
        layer: this.layerName,
        outliers: this.spectrum.outliers,
        fit: this.spectrum.fit,
        predictor: this.trajectories.predictor,
        skill: this.trajectories.skill,
        panel: this.strip.name,
        forces: this.forces.parts,
        mode: this.forces.mode,
        metric: this.metrics.metric,
        forecast: this.trajectories.forecast && {
          method: this.trajectories.forecast.method,
          origin: this.trajectories.forecast.origin,
          score: this.trajectories.forecastScore,
        },
      });
    }

    destroy() {
      super.destroy();
      this.forecast.destroy();
    }
  }

  app.stages = { ...app.stages, train: Player };
})(window.sigmascope);
