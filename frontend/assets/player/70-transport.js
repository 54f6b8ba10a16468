/* The transport bar and the keyboard: they speak to the clock, and show where it stands. */
"use strict";
(function (app) {
  const ICONS = {
    play: '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M4 2.5v11l9.5-5.5z"/></svg>',
    pause: '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M3.5 2.5h3v11h-3zM9.5 2.5h3v11h-3z"/></svg>',
    back: '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M10.5 3v10L4.5 8z"/></svg>',
    forth: '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M5.5 3v10l6-5z"/></svg>',
    start: '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M3 3h2v10H3zM13 3v10L6.5 8z"/></svg>',
    end: '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M11 3h2v10h-2zM3 3v10l6.5-5z"/></svg>',
  };
  const SPEEDS = [1, 2, 4, 8, 16];

  const MARKUP = `
    <div class="transport-group">
      <button type="button" class="key" data-do="start" aria-label="First step" title="First step (Home)">${ICONS.start}</button>
      <button type="button" class="key" data-do="back" aria-label="One step back" title="One step back (←)">${ICONS.back}</button>
      <button type="button" class="key key-play" data-do="play" aria-label="Play" title="Play or pause (space)">${ICONS.play}</button>
      <button type="button" class="key" data-do="forth" aria-label="One step on" title="One step on (→)">${ICONS.forth}</button>
      <button type="button" class="key" data-do="end" aria-label="Last step" title="Last step (End)">${ICONS.end}</button>
    </div>
    <label class="transport-field"><span>speed</span>
      <select id="transport-speed" aria-label="Playing speed">
        ${SPEEDS.map((speed) => `<option value="${speed}">${speed}×</option>`).join("")}
      </select>
    </label>
    <button type="button" class="toggle" data-do="loop" aria-pressed="false" title="Start again at the end">loop</button>
    <input id="transport-slider" type="range" min="0" max="0" step="1" value="0" aria-label="Step" />
    <label class="transport-field"><span>step</span>
      <input id="transport-step" type="number" min="0" step="1" value="0" aria-label="Step number" />
      <span class="transport-of">of <span id="transport-last">0</span></span>
    </label>
    <button type="button" class="toggle" data-do="follow" aria-pressed="false" title="Stay at the newest step">follow live</button>`;

  class Transport {
    /* `actions`: {play, loop, follow, seekFrame(frame), seekStep(step), by(frames), speed(x)}. */
    constructor(root, actions) {
      this.root = root;
      this.actions = actions;
      root.innerHTML = MARKUP;
      this.slider = root.querySelector("#transport-slider");
      this.input = root.querySelector("#transport-step");
      this.last = root.querySelector("#transport-last");
      this.play = root.querySelector("[data-do=play]");
      root.addEventListener("click", (event) => this.press(event.target.closest("button[data-do]")));
      this.slider.addEventListener("input", () => actions.seekFrame(Number(this.slider.value)));
      this.input.addEventListener("change", () => this.typed());
      root.querySelector("#transport-speed").addEventListener("change", (event) => actions.speed(Number(event.target.value)));
      this.onKey = (event) => this.key(event);
      document.addEventListener("keydown", this.onKey);
    }

    press(button) {
      if (!button) return;
      const { actions } = this;
      const verbs = {
        start: () => actions.seekFrame(0),
        end: () => actions.seekFrame(Infinity),
        back: () => actions.by(-1),
        forth: () => actions.by(1),
        play: actions.play,
        loop: actions.loop,
        follow: actions.follow,
      };
      verbs[button.dataset.do]();
    }

    typed() {
      if (this.input.value !== "" && Number.isFinite(this.input.valueAsNumber)) this.actions.seekStep(this.input.valueAsNumber);
      this.input.blur();
    }

    /* Space plays; arrows step, ten at a time with shift. Fields and buttons keep their own keys. */
    key(event) {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      const target = event.target;
      if (target instanceof Element && target.closest("input, select, textarea, [role=dialog], [contenteditable]")) return;
      const pressable = target instanceof Element && target.closest("button, a, summary");
      const size = event.shiftKey ? 10 : 1;
      const verbs = {
        " ": pressable ? null : this.actions.play,
        ArrowLeft: () => this.actions.by(-size),
        ArrowRight: () => this.actions.by(size),
        Home: () => this.actions.seekFrame(0),
        End: () => this.actions.seekFrame(Infinity),
      };
      const verb = verbs[event.key];
      if (!verb) return;
      event.preventDefault();
      verb();
    }

    show(clock, step, lastStep, { live }) {
      this.slider.max = String(Math.max(0, clock.count - 1));
      this.slider.value = String(clock.frame);
      this.slider.style.setProperty("--share", clock.count > 1 ? clock.frame / (clock.count - 1) : 0);
      this.slider.setAttribute("aria-valuetext", `step ${step}`);
      if (document.activeElement !== this.input) this.input.value = String(step);
      this.input.max = String(lastStep);
      this.last.textContent = String(lastStep);
      const playing = clock.playing;
      if (this.play.dataset.playing !== String(playing)) {
        this.play.dataset.playing = String(playing);
        this.play.innerHTML = playing ? ICONS.pause : ICONS.play;
        this.play.setAttribute("aria-label", playing ? "Pause" : "Play");
      }
      this.root.querySelector("[data-do=loop]").setAttribute("aria-pressed", String(clock.loop));
      const follow = this.root.querySelector("[data-do=follow]");
      follow.setAttribute("aria-pressed", String(clock.follow));
      follow.disabled = !live;
    }

    destroy() {
      document.removeEventListener("keydown", this.onKey);
    }
  }

  app.transport = { Transport };
})(window.sigmascope);
