import { mount } from "svelte";
import App from "./App.svelte";
import "./style.css";
import { startTheme } from "./state/theme.ts";

startTheme();
const target = document.getElementById("app");
if (target) mount(App, { target });

if (import.meta.env.PROD && "serviceWorker" in navigator) {
  // Refused in private windows of some browsers: the page works without.
  navigator.serviceWorker.register("./service-worker.js").catch(() => undefined);
}
