/* Requests to the API on the same origin. Every one is counted: playing must make none. */
"use strict";
(function (app) {
  const BASE = "/api/v1";
  const counter = { made: 0 };

  /* What the service refused, in its own words. */
  class Refusal extends Error {
    constructor(status, detail) {
      super(detail);
      this.status = status;
    }
  }

  async function request(path, options) {
    counter.made += 1;
    const answer = await fetch(BASE + path, options);
    if (answer.ok) return answer;
    const body = await answer.json().catch(() => ({}));
    throw new Refusal(answer.status, body.detail || `${path} answered ${answer.status}`);
  }

  const json = async (path, options) => (await request(path, options)).json();

  async function blob(path) {
    const answer = await request(path);
    const { columns } = app.blobs.decodeShape(answer.headers.get("X-Shape"));
    const steps = app.blobs.decodeSteps(answer.headers.get("X-Steps") || "");
    return { steps, columns, values: new Float32Array(await answer.arrayBuffer()) };
  }

  app.requests = { json, blob, counter, Refusal };
})(window.sigmascope);
