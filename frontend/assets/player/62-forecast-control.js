/* Forecasts from where the clock rests, and the button that scores them over all origins of the run. */
"use strict";
(function (app) {
  const RESTS_MS = 300;

  class ForecastControl {
    /* `facts`: {horizon, first_origin} of the defaults; `draw(forecast, problem, name)` shows what came. */
    constructor(root, facts, query, store, draw) {
      this.picker = root.querySelector("#forecast-picker");
      this.legend = root.querySelector("#forecast-legend");
      this.button = root.querySelector("#score-forecasts");
      this.why = root.querySelector("#score-reason");
      this.facts = facts;
      this.store = store;
      this.draw = draw;
      this.asked = 0;
      const wanted = query.get("forecast");
      if (Array.from(this.picker.options).some((option) => option.value === wanted)) this.picker.value = wanted;
      this.picker.addEventListener("change", () => this.pick());
      this.button.addEventListener("click", () => this.score());
      this.legend.hidden = !this.method;
    }

    /* The chosen method, or "". */
    get method() {
      return this.picker.value === "none" ? "" : this.picker.value;
    }

    get name() {
      return this.picker.selectedOptions[0].textContent;
    }

    pick() {
      this.legend.hidden = !this.method;
      this.asked += 1;
      if (!this.method) this.draw(null, "", "");
      else if (this.place) this.fetch();
      this.picker.dispatchEvent(new CustomEvent("panel-changed", { bubbles: true }));
    }

    /* Nothing is asked for while the clock moves. */
    move() {
      clearTimeout(this.resting);
      this.resting = null;
    }

    /* The clock rests at `origin` of a layer; `left` steps can still come. */
    rest(place) {
      this.move();
      this.place = place;
      if (this.method) this.resting = setTimeout(() => this.fetch(), RESTS_MS);
    }

    async fetch() {
      const ask = (this.asked += 1);
      const { place, name } = this;
      const { layer, origin, left } = place;
      const horizon = Math.min(this.facts.horizon, left);
      if (horizon < 1) return this.draw(null, `Nothing is left to forecast from step ${origin}, the last of the run: go back to an earlier one.`, name);
      try {
        const forecast = await this.store.get(layer, { method: this.method, origin, horizon });
        if (ask === this.asked) this.draw(forecast, "", name);
      } catch (error) {
        if (ask === this.asked) this.draw(null, error instanceof app.requests.Refusal ? error.message : "The service does not answer.", name);
      }
      return undefined;
    }

    /* The button is off, and says why, until the run has an origin with its whole horizon. */
    show(run, lastStep) {
      const { first_origin: first, horizon } = this.facts;
      const short = lastStep < first + horizon;
      this.run = run;
      this.button.disabled = short || this.busy === true;
      this.why.textContent = short ? `needs ${first + horizon} recorded steps` : "";
    }

    async score() {
      this.busy = true;
      this.button.disabled = true;
      try {
        const spec = { kind: "forecast", run: this.run.id, horizon: this.facts.horizon, first_origin: this.facts.first_origin };
        const job = await app.requests.json("/runs", {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify(spec),
        });
        window.location.assign(`/runs/${encodeURIComponent(job.id)}`);
      } catch (error) {
        this.busy = false;
        this.button.disabled = false;
        this.why.textContent = error instanceof app.requests.Refusal ? error.message : "the service does not answer";
      }
    }

    destroy() {
      clearTimeout(this.resting);
      this.asked += 1;
    }
  }

  app.forecast = { ForecastControl };
})(window.sigmascope);
