// A corpus's page: the grid of shards from its lines of text, and the phrases without loading the page anew.
"use strict";
(() => {
  const STATES = { c: "committed", r: "running", b: "begun", q: "quarantined", m: "missing" };
  const KEYS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"];

  /** Where an arrow key leads from a cell: along the line, to the nearest cell of the next line, or a night on. */
  const target = (cells, nights, at, event) => {
    const last = cells.length - 1;
    const night = nights.findLastIndex((first) => first <= at);
    switch (event.key) {
      case "ArrowLeft": return Math.max(0, at - 1);
      case "ArrowRight": return Math.min(last, at + 1);
      case "Home": return event.ctrlKey ? 0 : nights[night];
      case "End": return event.ctrlKey || night + 1 === nights.length ? last : nights[night + 1] - 1;
      case "PageUp": return nights[Math.max(0, night - 1)];
      case "PageDown": return nights[Math.min(nights.length - 1, night + 1)];
      default: return nextLine(cells, at, event.key === "ArrowDown" ? 1 : -1);
    }
  };

  const nextLine = (cells, at, step) => {
    const { offsetTop: top, offsetLeft: left } = cells[at];
    let best = at;
    let line = null;
    for (let k = at + step; k >= 0 && k < cells.length; k += step) {
      const cell = cells[k];
      if (cell.offsetTop === top) continue;
      line ??= cell.offsetTop;
      if (cell.offsetTop !== line) break;
      if (best === at || Math.abs(cell.offsetLeft - left) < Math.abs(cells[best].offsetLeft - left)) best = k;
    }
    return best;
  };

  const buildGrid = (grid, detail) => {
    const places = grid.dataset.places.split("\n");
    const cells = [];
    const nights = [];
    for (const list of grid.querySelectorAll("ol")) {
      const items = document.createDocumentFragment();
      let shard = Number(list.dataset.first);
      nights.push(cells.length);
      for (const line of list.dataset.cells.split("\n")) {
        const [code, task, words] = line.split("\t");
        const cell = document.createElement("a");
        const state = STATES[code];
        const page = grid.dataset.shards + shard;
        const [place, rest] = task ? task.split(/:(.*)/s) : [];
        cell.className = `cell ${state}`;
        cell.href = task ? `${grid.dataset.airflowHome}${places[place]}/${rest}` : page;
        cell.toggleAttribute("data-airflow", Boolean(task));
        cell.tabIndex = -1;
        cell.setAttribute("aria-label", `Shard ${shard}, ${state}`);
        cells.push(Object.assign(cell, { shown: { shard, state, words, page, task: task ? cell.href : "" } }));
        const item = document.createElement("li");
        item.append(cell);
        items.append(item);
        shard += 1;
      }
      list.replaceChildren(items);
    }
    if (cells.length) move(grid, detail, cells, nights);
  };

  const move = (grid, detail, cells, nights) => {
    const number = new Map(cells.map((cell, index) => [cell, index]));
    let current = cells.find((cell) => cell.shown.state === "running") ?? cells[0];
    let shown = null;
    let touched = false;
    current.tabIndex = 0;
    grid.scrollTop = current.offsetTop - grid.clientHeight / 2;

    const show = (cell) => {
      if (cell === shown) return;
      shown?.classList.remove("shown");
      shown = cell;
      cell.classList.add("shown");
      const { shard, state, words, page, task } = cell.shown;
      const night = cell.closest(".night").querySelector("ol").getAttribute("aria-label");
      detail.querySelector("p").textContent = `Shard ${shard} · ${night} · ${state}${words ? ` · ${words}` : ""}`;
      const [toTask, toPage] = detail.querySelectorAll("a");
      toTask.hidden = !task;
      toTask.href = task || page;
      toPage.hidden = false;
      toPage.href = page;
    };
    const cellOf = (event) => (event.target instanceof Element ? event.target.closest("a.cell") : null);

    grid.addEventListener("pointerdown", (event) => { touched = event.pointerType === "touch"; });
    grid.addEventListener("pointerover", (event) => {
      const cell = cellOf(event);
      if (cell && event.pointerType !== "touch") show(cell);
    });
    grid.addEventListener("focusin", (event) => {
      const cell = cellOf(event);
      if (!cell) return;
      current.tabIndex = -1;
      current = cell;
      current.tabIndex = 0;
      if (!touched) show(cell);
    });
    grid.addEventListener("keydown", (event) => {
      const cell = cellOf(event);
      touched = false;
      if (!cell || !KEYS.includes(event.key) || event.altKey || event.metaKey) return;
      event.preventDefault();
      cells[target(cells, nights, number.get(cell), event)].focus();
    });
    // A finger cannot hover: its first touch shows a shard, its second follows the link.
    grid.addEventListener("click", (event) => {
      const cell = cellOf(event);
      if (!cell || !touched || cell === shown) return;
      event.preventDefault();
      event.stopPropagation();
      show(cell);
    });
  };

  const livelyPhrases = (section) => {
    const status = section.querySelector("[role=status]");
    const place = section.querySelector("#drawn");
    let asking = null;

    const load = async (form) => {
      const query = new URLSearchParams(new FormData(form));
      asking?.abort(); // an answer to an older question may be the slower one
      const mine = (asking = new AbortController());
      place.setAttribute("aria-busy", "true");
      try {
        const how = { signal: mine.signal, credentials: "same-origin" };
        const answer = await fetch(`${section.dataset.phrases}?${query}`, how);
        if (!answer.headers.get("content-type")?.startsWith("text/html")) throw new Error(`status ${answer.status}`);
        const part = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("#drawn");
        if (!part) throw new Error(`status ${answer.status}`);
        place.replaceChildren(...part.childNodes);
        form.elements.seed.value = part.dataset.nextSeed ?? "";
        form.querySelector("button").textContent = "Another ten";
        status.textContent = part.dataset.said;
      } catch (error) {
        if (mine !== asking) return;
        status.textContent = `The phrases could not be loaded (${error.message}). Try again.`;
      } finally {
        if (mine === asking) place.removeAttribute("aria-busy");
      }
    };

    const form = section.querySelector("form");
    const offerLexemes = () => form.elements.lexeme.setAttribute("list", `lexemes-${form.elements.slot.value}`);
    form.elements.slot.addEventListener("change", () => {
      form.elements.lexeme.value = "";
      offerLexemes();
    });
    offerLexemes();
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      load(form);
    });
    if (place.dataset.nextSeed === undefined) {
      const seen = new IntersectionObserver((entries) => {
        if (!entries.some((entry) => entry.isIntersecting)) return;
        seen.disconnect();
        load(form);
      });
      seen.observe(section);
    }
  };

  document.addEventListener("DOMContentLoaded", () => {
    const grid = document.getElementById("grid");
    if (grid) buildGrid(grid, document.getElementById("detail"));
    const phrases = document.getElementById("phrases-section");
    if (phrases) livelyPhrases(phrases);
  });
})();
