/* What every page under a clock shares: transport, one loop of animation frames, the address, and patience with a
   service that does not answer. A kind of run extends it and says what its steps are and how one is drawn. */
"use strict";
(function (app) {
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
      script.onerror = () => {
        plotly = null; // the next one who asks tries again
        script.remove();
        reject(new TypeError(`${address} cannot be loaded`));
      };
      document.head.append(script);
    });
    return plotly;
  }

  /* Who extends it gives: `store` with `run`, `final` and `cancel()`; `panels`; `steps`, the recorded ones, null before
     there are any; `live()`, which fetches until the run is final; `drawStep(frame)`, `moveClocks()`, `settle()`;
     `seen()`, what the address names beside the step; and `words`, said while waiting. */
  class Stage {
    constructor(root) {
      this.root = root;
      this.runId = root.dataset.run;
      this.query = new URLSearchParams(window.location.search);
      this.clock = new app.clock.Clock();
      this.figures = { framesDrawn: 0, firstHistogram: null, drawn: -1 };
      this.alive = true;
    }

    /* Called by the constructor of who extends it, when its store is there. */
    build(skeletons) {
      const of = (name) => ({ light: skeletons.light[name], dark: skeletons.dark[name] });
      this.header = new app.header.Header(this.root, () => this.cancel());
      this.makePanels(of, (step) => this.seekStep(step));
      this.transport = new app.transport.Transport(this.root.querySelector("#transport"), {
        play: () => this.act(() => this.clock.toggle()),
        loop: () => this.act(() => (this.clock.loop = !this.clock.loop)),
        follow: () => this.act(() => this.toggleFollow()),
        speed: (x) => this.act(() => (this.clock.speed = x)),
        seekFrame: (frame) => this.act(() => this.seekFrame(frame)),
        seekStep: (step) => this.seekStep(step),
        by: (frames) => this.act(() => this.seekFrame(this.clock.frame + frames)),
      });
      this.root.addEventListener("figure-resized", () => this.steps && this.moveClocks());
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

    /* Asked for in every round of `live`: a script that did not come the first time comes the next. */
    async bringPlotly() {
      if (this.settled || !this.steps) return;
      await painted();
      await loadPlotly(this.root.dataset.plotly);
      for (const panel of this.panels) {
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

    get step() {
      return this.steps ? this.steps[this.clock.frame] : null;
    }

    /* The frame at a step, or the nearest recorded one before it. */
    frameOf(step) {
      const { steps } = this;
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
      if (this.steps) this.act(() => this.seekFrame(this.frameOf(Math.round(step))));
    }

    toggleFollow() {
      this.clock.follow = !this.clock.follow;
      this.jumpWhereMotionIsUnwanted();
      this.clock.playing = false;
      this.clock.lastTick = null;
    }

    jumpWhereMotionIsUnwanted() {
      if (this.clock.follow && reducedMotion()) this.clock.position = this.clock.count - 1;
    }

    act(change) {
      if (!this.steps) return;
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
      if (!this.steps?.length) return;
      const frame = this.clock.frame;
      if (frame !== this.figures.drawn) {
        this.drawStep(frame);
        this.figures.drawn = frame;
        this.figures.framesDrawn += 1;
        this.figures.firstHistogram ??= performance.now();
        this.moveClocks();
      }
      this.transport.show(this.clock, this.step, this.steps[this.steps.length - 1], { live: !this.store.final });
    }

    showWaiting() {
      const waiting = !this.steps;
      this.root.dataset.state = waiting ? "waiting" : "ready";
      if (!waiting) return;
      this.root.querySelector("#waiting").textContent = this.words[this.store.run.status] || this.words.ended;
    }

    rest() {
      this.rememberAddress();
      clearTimeout(this.settling);
      this.settling = setTimeout(() => this.alive && !this.clock.moving && this.settle(), 120);
    }

    /* The address always names what is shown; it is written when the clock rests, never while it plays. */
    rememberAddress() {
      if (this.clock.moving || this.step === null) return;
      const query = new URLSearchParams(this.seen());
      if (!this.clock.follow) query.set("step", String(this.step));
      const text = query.toString();
      window.history.replaceState(window.history.state, "", window.location.pathname + (text ? `?${text}` : ""));
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
      for (const panel of this.panels) panel.restyle();
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
      for (const part of [...this.panels, this.transport]) part.destroy();
    }

    /* What every read-only diagnostic holds. */
    clockState() {
      const { clock, figures, steps } = this;
      return {
        run: this.runId,
        kind: this.root.dataset.kind,
        status: this.store.run?.status ?? null,
        step: this.step,
        drawn: steps?.[figures.drawn] ?? null,
        steps: steps?.length ?? 0,
        lastStep: steps?.length ? steps[steps.length - 1] : -1,
        playing: clock.playing,
        follow: clock.follow,
        loop: clock.loop,
        speed: clock.speed,
        framesDrawn: figures.framesDrawn,
        firstHistogramMs: figures.firstHistogram,
        requests: app.requests.counter.made,
        theme: app.figures.theme(),
        ready: Boolean(this.settled && steps),
      };
    }
  }

  app.stage = { Stage, pause, loadPlotly };
})(window.sigmascope);
