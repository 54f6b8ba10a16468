/* A sentence that follows the clock at a pace one can read: at most eight times a second, and always the last. */
"use strict";
(function (app) {
  const PACE_MS = 125;

  class Sentence {
    constructor(element) {
      this.element = element;
      this.spoken = -Infinity;
      this.timer = null;
    }

    /* `compose` returns the text; it is called only when the text will be shown. */
    say(compose) {
      this.compose = compose;
      const wait = this.spoken + PACE_MS - performance.now();
      if (wait <= 0) this.speak();
      else this.timer ??= setTimeout(() => this.speak(), wait);
    }

    speak() {
      clearTimeout(this.timer);
      this.timer = null;
      this.spoken = performance.now();
      this.element.textContent = this.compose();
    }

    destroy() {
      clearTimeout(this.timer);
    }
  }

  app.sentence = { Sentence };
})(window.sigmascope);
