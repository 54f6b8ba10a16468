/* The head of the run page: status, progress, pace, what went wrong, cancel. */
"use strict";
(function (app) {
  const { significant, duration, integer, known } = app.numbers;
  const WORDS = { queued: "queued", running: "running", finished: "finished", failed: "failed", cancelled: "cancelled" };

  class Header {
    constructor(root, onCancel) {
      this.find = (id) => root.querySelector(`#run-${id}`);
      this.cancel = this.find("cancel");
      this.cancel.addEventListener("click", onCancel);
      this.unit = this.find("head").dataset.unit;
      this.noted = "";
    }

    show(run) {
      const final = ["finished", "failed", "cancelled"].includes(run.status);
      const share = run.total_steps ? run.step / run.total_steps : 0;
      const status = this.find("status");
      status.dataset.status = run.status;
      status.textContent = run.cancel_requested && !final ? "cancelling" : WORDS[run.status];
      this.find("percent").textContent = `${Math.floor(100 * share)} %`;
      this.find("bar").style.transform = `scaleX(${share})`;
      this.find("steps").textContent = `${integer(run.step)} of ${integer(run.total_steps)} ${this.unit}`;
      this.find("rate").textContent = known(run.batches_per_second) ? `${significant(run.batches_per_second)} ${this.unit}/s` : "";
      this.find("left").textContent = run.status === "running" && known(run.seconds_left) ? `${duration(run.seconds_left)} left` : "";
      this.cancel.hidden = final;
      this.cancel.disabled = run.cancel_requested;
      this.problem([run.error, this.noted].filter(Boolean).join(" "));
      document.title = `${run.name || run.id} · ${final ? run.status : `${Math.floor(100 * share)} %`} · sigmascope`;
    }

    /* What a click of the user came to; it stays until the next one. */
    note(text) {
      this.noted = text;
      this.problem(text);
    }

    problem(text) {
      const element = this.find("problem");
      element.hidden = !text;
      element.textContent = text || "";
    }
  }

  app.header = { Header };
})(window.sigmascope);
