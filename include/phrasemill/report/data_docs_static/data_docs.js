"use strict";

// A row of the index leads where its link leads; text that is being marked does not.
document.addEventListener("click", (event) => {
  const row = event.target.closest("tr[data-href]");
  if (row && !event.target.closest("a") && !String(window.getSelection())) {
    window.location.href = row.dataset.href;
  }
});

document.addEventListener("change", (event) => {
  if (event.target.name === "docs-filter") {
    document.body.classList.toggle("docs-failed-only", event.target.value === "failed");
  }
});
