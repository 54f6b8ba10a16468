/* The one clock of the page. It counts frames (indices of recorded steps), plays them, and knows nothing of plots. */
"use strict";
(function (app) {
  const STEPS_A_SECOND = 30;

  class Clock {
    constructor() {
      this.count = 0;
      this.position = 0;
      this.playing = false;
      this.speed = 1;
      this.loop = false;
      this.follow = false;
      this.lastTick = null;
    }

    get frame() {
      return Math.max(0, Math.min(this.count - 1, Math.floor(this.position)));
    }

    get atEnd() {
      return this.frame >= this.count - 1;
    }

    /* New frames have arrived at the end. */
    extend(count) {
      this.count = count;
    }

    go(frame) {
      this.position = Math.max(0, Math.min(this.count - 1, frame));
      this.follow = false;
    }

    toggle() {
      this.playing = !this.playing;
      this.lastTick = null;
      if (!this.playing) this.follow = false;
      else if (this.atEnd && !this.follow) this.position = 0;
    }

    /* Advance to the time `now` in milliseconds. Frames are skipped rather than slowed down. */
    tick(now) {
      const elapsed = this.lastTick === null ? 0 : Math.min(now - this.lastTick, 250) / 1000;
      this.lastTick = now;
      if (this.follow) this.chase(elapsed);
      else if (this.playing) this.advance(elapsed * STEPS_A_SECOND * this.speed);
    }

    advance(frames) {
      this.position += frames;
      const end = this.count - 1;
      if (this.position < end) return;
      if (this.loop && this.count > 1) this.position %= end;
      else {
        this.position = end;
        this.playing = false;
      }
    }

    /* Following live: run towards the newest frame, so that what arrived in one chunk still moves. */
    chase(elapsed) {
      const gap = this.count - 1 - this.position;
      const pace = Math.max(STEPS_A_SECOND, gap * 1.6);
      this.position = Math.min(this.count - 1, this.position + elapsed * pace);
      if (gap > 300) this.position = this.count - 1;
    }

    get moving() {
      return this.playing || (this.follow && !this.atEnd);
    }
  }

  app.clock = { Clock };
})(window.sigmascope);
