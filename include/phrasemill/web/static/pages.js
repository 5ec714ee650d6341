// A link with data-airflow leads to a page of Airflow's UI. Inside Airflow our pages stand in a frame that may not
// navigate the window around it (its sandbox says so), and Airflow inside Airflow is of no use: so the link is opened
// by that window's own document, which is of the same origin. Outside a frame it is a plain link.
"use strict";
(() => {
  const around = () => {
    try {
      return window.top === window.self ? null : window.top.document;
    } catch {
      return null; // framed by another origin, which the policy forbids anyway
    }
  };

  document.addEventListener("click", (event) => {
    const plain = event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
    const link = event.target instanceof Element ? event.target.closest("a[data-airflow]") : null;
    const outer = link && plain ? around() : null;
    if (!outer || new URL(link.href).origin !== window.location.origin) return;
    event.preventDefault();
    const twin = outer.createElement("a");
    twin.href = link.href;
    twin.click();
  });
})();
