// What every page of somebody who is signed in does: theme and copy buttons, single keys, notice of a server that has gone.
import "./page.js";
import "./keys.js";
import "./reach.js";
