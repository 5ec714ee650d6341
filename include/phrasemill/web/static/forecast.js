// The form of the forecast answers while it is being changed: the query of the URL is the form's whole state, and the
// panel beside it comes from /forecast/answer with the same query. Number fields are what is sent; each has a slider
// that follows it and that it follows. Without this script the button does the same.
"use strict";
(() => {
  const WAIT_MS = 150;
  const form = document.getElementById("question");
  const panel = document.getElementById("answer");
  const said = document.getElementById("said");
  let timer = 0;
  let asking = null;

  // Sliders. One with data-least grows by equal ratios, from 0 to its max.
  const valueOf = (slider) => {
    const { least, most, whole } = slider.dataset;
    if (least === undefined) return slider.valueAsNumber;
    const value = least * (most / least) ** (slider.value / slider.max);
    return whole === undefined ? Number(value.toPrecision(2)) : Math.round(value);
  };
  const positionOf = (slider, value) => {
    const { least, most } = slider.dataset;
    if (least === undefined) return value;
    return (slider.max * Math.log(Math.max(value, least) / least)) / Math.log(most / least);
  };
  const follow = (slider) => {
    const field = form.elements[slider.dataset.for];
    const value = parseFloat(field.value || field.placeholder);
    const known = Number.isFinite(value);
    slider.value = known ? positionOf(slider, value) : slider.min;
    slider.setAttribute("aria-valuetext", field.value ? field.value : known ? `${value}, assumed` : "left open");
  };
  const sliders = [...form.querySelectorAll("input[type=range]")];

  // What nobody has touched need not stand in the URL.
  const query = () => {
    const touched = [...new FormData(form)].filter(([name, text]) => text !== form.elements[name].dataset.begun);
    return new URLSearchParams(touched).toString();
  };

  const show = (html) => {
    const open = [...panel.querySelectorAll("details")].map((one) => one.open);
    panel.innerHTML = html;
    panel.querySelectorAll("details").forEach((one, at) => { one.open = open[at] ?? one.open; });
    panel.querySelectorAll("[data-used]").forEach((one) => {
      const field = form.elements[one.dataset.used];
      if (field && !field.required) field.placeholder = one.value;
    });
    sliders.forEach(follow);
    tell();
  };

  const tell = () => {
    said.textContent = panel.querySelector("[data-said]")?.dataset.said ?? "";
  };

  const problem = (words) => {
    const note = document.createElement("p");
    note.className = "note problem";
    note.dataset.local = "";
    note.textContent = words;
    panel.querySelectorAll("[data-local]").forEach((one) => one.remove());
    panel.prepend(note);
    said.textContent = words;
  };

  const ask = async () => {
    const asked = query();
    asking?.abort();
    const mine = (asking = new AbortController());
    panel.setAttribute("aria-busy", "true");
    // The state is in the URL: going back, loading again or copying the address gives the same.
    window.history.replaceState(null, "", asked ? `?${asked}` : window.location.pathname);
    try {
      const answer = await fetch(`${form.dataset.answer}?${asked}`, { signal: mine.signal, credentials: "same-origin" });
      if (answer.ok || answer.status === 400) show(await answer.text());
      else if (answer.status === 401) problem("You are no longer logged in: load the page again.");
      else problem(`The forecast cannot be had now (${answer.status}); what stands here is older.`);
      form.querySelectorAll("[aria-invalid]").forEach((field) => field.removeAttribute("aria-invalid"));
      form.querySelectorAll(".wrong").forEach((words) => words.remove());
    } catch (error) {
      if (error.name === "AbortError") return;
      problem("The server does not answer; what stands here is older.");
    }
    if (mine === asking) panel.removeAttribute("aria-busy");
  };

  const soon = () => {
    window.clearTimeout(timer);
    timer = window.setTimeout(ask, WAIT_MS);
  };

  sliders.forEach((slider) => {
    slider.hidden = false;
    follow(slider);
  });
  tell();
  form.addEventListener("input", (event) => {
    const { target } = event;
    if (target.type === "range") {
      form.elements[target.dataset.for].value = valueOf(target);
      follow(target);
    } else {
      sliders.filter((slider) => slider.dataset.for === target.name).forEach(follow);
    }
    soon();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    window.clearTimeout(timer);
    ask();
  });
})();
