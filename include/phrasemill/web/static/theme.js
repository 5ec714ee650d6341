// Light or dark as Airflow's own pages: its UI keeps "light", "dark" or "system" under "theme" in localStorage, and
// our pages come from the same origin. Loaded before anything is drawn, so that nothing flashes. Where storage is
// forbidden or says "system", the style sheet follows the browser.
"use strict";
(() => {
  const KEY = "theme";
  const root = document.documentElement;

  const apply = (theme) => {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    else delete root.dataset.theme;
  };

  const stored = () => {
    try {
      return window.localStorage.getItem(KEY);
    } catch {
      return null;
    }
  };

  apply(stored());
  // Told when the window around this one, or another of the same origin, changes it; key is null when all is cleared.
  window.addEventListener("storage", (event) => {
    if (event.key === KEY || event.key === null) apply(stored());
  });
})();
