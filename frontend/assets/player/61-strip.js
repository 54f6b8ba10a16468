/* The strip under the instrument: tabs of which one is open. A panel behind the others is neither fetched nor drawn. */
"use strict";
(function (app) {
  class Strip {
    /* `panels` by name; the first is open unless the address asks for another. */
    constructor(root, panels, wanted, onOpen) {
      this.root = root.querySelector("#strip");
      this.tabs = Array.from(this.root.querySelectorAll("[role=tab]"));
      this.panels = panels;
      this.onOpen = onOpen;
      this.show(wanted in panels ? wanted : Object.keys(panels)[0]);
      for (const tab of this.tabs) {
        tab.addEventListener("click", () => this.open(tab.dataset.panel));
        tab.addEventListener("keydown", (event) => this.key(event));
      }
    }

    get panel() {
      return this.panels[this.name];
    }

    show(name) {
      this.name = name;
      for (const tab of this.tabs) {
        const chosen = tab.dataset.panel === name;
        tab.setAttribute("aria-selected", String(chosen));
        tab.tabIndex = chosen ? 0 : -1;
        this.root.querySelector(`#${tab.dataset.panel}-panel`).hidden = !chosen;
      }
    }

    open(name) {
      if (name === this.name) return;
      this.show(name);
      this.onOpen();
    }

    /* Arrows move between tabs, as they do wherever there are tabs; the clock does not hear them. */
    key(event) {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!by) return;
      event.preventDefault();
      const here = this.tabs.findIndex((tab) => tab.dataset.panel === this.name);
      const tab = this.tabs[(here + by + this.tabs.length) % this.tabs.length];
      this.open(tab.dataset.panel);
      tab.focus();
    }
  }

  app.strip = { Strip };
})(window.sigmascope);
