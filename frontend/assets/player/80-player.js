/* The run page put together: store, clock, panels, transport, and one loop of animation frames. */
"use strict";
(function (app) {
  const POLL_MS = 700;
  const REDRAW_LINES_MS = 1000;
  const reducedMotion = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const painted = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 0)));
  const pause = () => new Promise((resolve) => setTimeout(resolve, 0));

  /* Reading Plotly takes the page's only thread for a while: not before something can be seen. */
  let plotly = null;
  function loadPlotly(address) {
    plotly ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = address;
      script.onload = resolve;
      script.onerror = () => reject(new Error(`${address} cannot be loaded`));
      document.head.append(script);
    });
    return plotly;
  }

  class Player {
    constructor(root) {
      this.root = root;
      this.runId = root.dataset.run;
      this.query = new URLSearchParams(window.location.search);
      this.store = app.prefetch.take(this.runId) || new app.store.RunStore(this.runId);
      this.clock = new app.clock.Clock();
      this.figures = { framesDrawn: 0, firstHistogram: null, drawn: -1 };
      this.layerName = null;
      this.data = null;
      this.picks = 0;
      this.alive = true;
      this.prefetched = true;
      this.build(JSON.parse(root.dataset.figures));
      this.start();
    }

    build(skeletons) {
      const of = (name) => ({ light: skeletons.light[name], dark: skeletons.dark[name] });
      const seek = (step) => this.seekStep(step);
      this.header = new app.header.Header(this.root, () => this.cancel());
      this.spectrum = new app.spectrum.SpectrumPanel(this.root, of("spectrum"));
      this.trajectories = new app.trajectories.TrajectoriesPanel(this.root, of("trajectories"), seek);
      this.training = new app.training.TrainingPanel(this.root, of("training"), seek);
      this.transport = new app.transport.Transport(this.root.querySelector("#transport"), {
        play: () => this.act(() => this.clock.toggle()),
        loop: () => this.act(() => (this.clock.loop = !this.clock.loop)),
        follow: () => this.act(() => this.toggleFollow()),
        speed: (x) => this.act(() => (this.clock.speed = x)),
        seekFrame: (frame) => this.act(() => this.seekFrame(frame)),
        seekStep: seek,
        by: (frames) => this.act(() => this.seekFrame(this.clock.frame + frames)),
      });
      this.picker = this.root.querySelector("#layer-picker");
      this.picker.addEventListener("change", () => this.pick(this.picker.value));
      this.root.addEventListener("figure-resized", () => this.data && this.moveClocks());
      this.themes = new MutationObserver(() => this.restyle());
      this.themes.observe(document.documentElement, { attributeFilter: ["data-mantine-color-scheme"] });
    }

    /* Let the one loop live, if it does not. */
    start() {
      if (this.living || !this.alive) return;
      this.living = true;
      clearTimeout(this.retrying);
      const ended = () => (this.living = false);
      this.live().then(ended, (error) => {
        ended();
        this.fail(error);
      });
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
      this.training.setData(this.store.metrics, this.store.run.total_steps);
      this.linesDrawn = performance.now();
      this.moveClocks();
      this.wake();
      await this.bringPlotly();
    }

    async bringPlotly() {
      await painted();
      await loadPlotly(this.root.dataset.plotly);
      for (const panel of [this.spectrum, this.trajectories, this.training]) {
        await pause();
        if (this.alive) panel.figure.takeOver();
      }
      this.settled = true;
    }

    wantedStep() {
      const asked = this.query.get("step");
      return asked !== null && /^\d+$/.test(asked) ? Number(asked) : null;
    }

    /* At the step that the address names; else a run that still moves is followed, a final one shows its end. */
    place(step) {
      if (step !== null) this.clock.position = this.frameOf(step);
      else this.clock.position = this.clock.count - 1;
      if (step === null && !this.store.final) this.clock.follow = true;
    }

    extend(added, measured) {
      this.clock.extend(this.data.spectra.count);
      this.spectrum.setData(this.data);
      if (this.clock.follow && reducedMotion()) this.clock.position = this.clock.count - 1;
      const now = performance.now();
      this.staleLines = this.staleLines || added > 0 || measured > 0;
      if (this.staleLines && (now - (this.linesDrawn ?? 0) > REDRAW_LINES_MS || this.store.final)) this.drawLines(now);
      if (this.spectrum.whole || !this.spectrum.fit) this.figures.drawn = -1;
      this.wake();
    }

    drawLines(now) {
      this.trajectories.setData(this.data, this.store.run.total_steps);
      this.training.setData(this.store.metrics, this.store.run.total_steps);
      this.linesDrawn = now;
      this.staleLines = false;
      this.moveClocks();
    }

    get step() {
      return this.data ? this.data.spectra.steps[this.clock.frame] : null;
    }

    /* The frame at a step, or the nearest recorded one before it. */
    frameOf(step) {
      const { steps } = this.data.spectra;
      let [low, high] = [0, steps.length - 1];
      while (low < high) {
        const middle = Math.ceil((low + high) / 2);
        if (steps[middle] <= step) low = middle;
        else high = middle - 1;
      }
      return low;
    }

    seekFrame(frame) {
      this.clock.playing = false;
      this.clock.go(frame);
    }

    seekStep(step) {
      if (this.data) this.act(() => this.seekFrame(this.frameOf(Math.round(step))));
    }

    toggleFollow() {
      this.clock.follow = !this.clock.follow;
      if (this.clock.follow && reducedMotion()) this.clock.position = this.clock.count - 1;
      this.clock.playing = false;
      this.clock.lastTick = null;
    }

    act(change) {
      if (!this.data) return;
      change();
      this.wake();
      this.rememberAddress();
    }

    /* One loop, alive only while something moves. */
    wake() {
      if (this.looping || !this.alive) return;
      this.looping = true;
      this.clock.lastTick = null;
      const turn = (now) => {
        if (!this.alive) return;
        this.clock.tick(now);
        this.drawFrame();
        this.looping = this.clock.moving;
        if (this.looping) requestAnimationFrame(turn);
        else this.rest();
      };
      requestAnimationFrame(turn);
    }

    drawFrame() {
      if (!this.data || !this.data.spectra.count) return;
      const frame = this.clock.frame;
      if (frame !== this.figures.drawn) {
        this.spectrum.draw(frame);
        this.figures.drawn = frame;
        this.figures.framesDrawn += 1;
        this.figures.firstHistogram ??= performance.now();
        this.moveClocks();
      }
      this.transport.show(this.clock, this.step, this.data.spectra.lastStep, { live: !this.store.final });
    }

    moveClocks() {
      if (this.trajectories.data) this.trajectories.move(this.step);
      if (this.training.metrics) this.training.move(this.step);
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

    showWaiting() {
      const waiting = !this.data;
      this.root.dataset.state = waiting ? "waiting" : "ready";
      if (!waiting) return;
      const { status } = this.store.run;
      this.root.querySelector("#waiting").textContent = {
        queued: "In the queue. The spectrum appears as soon as a worker takes the run.",
        running: "The worker is preparing data and the first spectrum.",
      }[status] || "This run ended before its first spectrum was recorded.";
    }

    rest() {
      this.rememberAddress();
      clearTimeout(this.settling);
      this.settling = setTimeout(() => this.alive && !this.clock.moving && this.spectrum.settle(), 120);
    }

    /* The address always names what is shown; it is written when the clock rests, never while it plays. */
    rememberAddress() {
      if (this.clock.moving || this.step === null) return;
      const query = new URLSearchParams({ layer: this.layerName });
      if (!this.clock.follow) query.set("step", String(this.step));
      window.history.replaceState(window.history.state, "", `${window.location.pathname}?${query}`);
    }

    async cancel() {
      try {
        await this.store.cancel();
        this.header.note("");
        this.header.show(this.store.run);
      } catch (error) {
        this.header.note(this.wordsOf(error));
      }
    }

    restyle() {
      for (const panel of [this.spectrum, this.trajectories, this.training]) panel.restyle();
    }

    /* The loop has ended on an error: say so, and try again. */
    fail(error) {
      if (!this.alive) return;
      const refused = error instanceof app.requests.Refusal;
      this.header.problem(refused ? error.message : "The service does not answer; trying again.");
      if (!(refused || error instanceof TypeError)) console.error(error);
      this.retrying = setTimeout(() => this.start(), 3000);
    }

    wordsOf(error) {
      return error instanceof app.requests.Refusal ? error.message : "the service does not answer.";
    }

    destroy() {
      this.alive = false;
      this.themes.disconnect();
      for (const part of [this.spectrum, this.trajectories, this.training, this.transport]) part.destroy();
    }

    /* A read-only diagnostic for tests and benchmarks. */
    state() {
      const { clock, store, figures } = this;
      return Object.freeze({
        run: this.runId,
        status: store.run?.status ?? null,
        layer: this.layerName,
        step: this.step,
        steps: this.data?.spectra.count ?? 0,
        lastStep: this.data?.spectra.lastStep ?? -1,
        playing: clock.playing,
        follow: clock.follow,
        loop: clock.loop,
        speed: clock.speed,
        framesDrawn: figures.framesDrawn,
        firstHistogramMs: figures.firstHistogram,
        requests: app.requests.counter.made,
        outliers: this.spectrum.outliers,
        fit: this.spectrum.fit,
        predictor: this.trajectories.predictor,
        skill: this.trajectories.skill,
        theme: app.figures.theme(),
        ready: Boolean(this.settled && this.data),
      });
    }
  }

  app.Player = Player;
})(window.sigmascope);
