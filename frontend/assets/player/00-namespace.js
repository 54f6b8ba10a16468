/* The player: one global, `sigmascope`; each file adds one idea to it, in the order of their names. */
"use strict";
window.sigmascope = window.sigmascope || {};
