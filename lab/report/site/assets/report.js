// SPDX-License-Identifier: GPL-2.0-only
// What a report does besides being read: themes, the filter, keys, a run's progress.
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");

  // A page opened from a folder may have no storage.
  const stored = (value) => {
    try {
      if (value === undefined) return localStorage.getItem("lab-theme") || "";
      localStorage.setItem("lab-theme", value);
    } catch { /* nothing to remember it in */ }
    return value || "";
  };
  const setTheme = (theme) => {
    if (theme) root.dataset.theme = theme; else delete root.dataset.theme;
    const button = document.getElementById("theme");
    if (!button) return;
    const words = theme ? `Theme: ${theme}` : "Theme: as the system has it";
    button.setAttribute("aria-label", words);
    button.title = words;
    button.textContent = { light: "☀", dark: "☾" }[theme] || "◐";
  };
  const nextTheme = () => {
    const order = ["", "light", "dark"];
    const next = order[(order.indexOf(root.dataset.theme || "") + 1) % order.length];
    stored(next);
    setTheme(next);
  };
  setTheme(stored());

  // A link to one result opens it.
  const openTarget = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const details = target && target.closest("details");
    if (details && !details.open) {
      details.open = true;
      target.scrollIntoView();
    }
  };

  // The filter: words that must all be in a test's name; * stands for anything.
  const matcher = (text) => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean).map((word) =>
      new RegExp(word.split("*").map((s) => s.replace(/[.+?^${}()|[\]\\]/g, "\\$&")).join(".*")));
    return (name) => words.every((word) => word.test(name));
  };
  let rows = null;
  let only = "";
  const allRows = () => rows || (rows = [...document.querySelectorAll("#tests tr.t")].map((row) => ({
    row, name: `${row.cells[0].textContent} ${row.closest("section").querySelector("h3").textContent}`.toLowerCase(),
  })));
  const filter = () => {
    const input = document.getElementById("filter");
    const matches = matcher(input.value);
    let shown = 0;
    for (const { row, name } of allRows()) {
      const hide = !matches(name) || (only && !row.classList.contains(only));
      if (row.hidden !== hide) row.hidden = hide;
      if (!hide) shown++;
    }
    for (const section of document.querySelectorAll("#tests .suite"))
      section.hidden = !section.querySelector("tr.t:not([hidden])");
    document.getElementById("shown").textContent =
      input.value || only ? `${shown} of ${rows.length} tests` : "";
    const state = new URLSearchParams();
    if (input.value) state.set("q", input.value);
    if (only) state.set("only", only);
    try { history.replaceState(null, "", state.size ? `#?${state}` : location.pathname + location.search); } catch { /* file: */ }
  };
  const setOnly = (value) => {
    only = value;
    for (const button of document.querySelectorAll("[data-only]"))
      button.setAttribute("aria-pressed", String(button.dataset.only === value));
  };
  const restore = () => {
    if (!location.hash.startsWith("#?")) return;
    const state = new URLSearchParams(location.hash.slice(2));
    document.getElementById("filter").value = state.get("q") || "";
    setOnly(["odd", "bad", "chg"].includes(state.get("only")) ? state.get("only") : "");
    filter();
    document.getElementById("tests").scrollIntoView();
  };

  // Moving in a table, by the place of its cells.
  const move = (link, down, across) => {
    const cell = link.closest("td, th");
    let row = cell.parentElement;
    let index = cell.cellIndex;
    for (let step = 0; step < 10000; step++) {
      // Kernels of one machine and config are a body of their own, below a heading.
      if (down) row = row.closest("table").rows[row.rowIndex + Math.sign(down)];
      if (!row || row.parentElement.tagName !== "TBODY") return;
      index += across;
      const next = row.cells[index];
      if (!next && down && row.classList.contains("around")) continue;
      if (!next) return;
      const target = !row.hidden && next.querySelector("a");
      if (target) {
        target.focus();
        target.scrollIntoView({ block: "nearest", inline: "nearest" });
        return;
      }
    }
  };
  const surprise = (step) => {
    const found = [...document.querySelectorAll("a.odd, .row.bad th a, .result.odd > summary")]
      .filter((each) => each.checkVisibility ? each.checkVisibility() : each.offsetParent);
    const now = found.indexOf(document.activeElement);
    const next = found[(now + step + found.length + (now < 0 && step < 0 ? 1 : 0)) % found.length];
    if (next) { next.focus(); next.scrollIntoView({ block: "center" }); }
  };
  const steps = {
    ArrowDown: [1, 0], j: [1, 0], ArrowUp: [-1, 0], k: [-1, 0],
    ArrowRight: [0, 1], l: [0, 1], ArrowLeft: [0, -1], h: [0, -1],
  };
  const key = (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const input = document.getElementById("filter");
    if (event.target === input) {
      if (event.key === "Escape") { input.value = ""; filter(); input.blur(); }
      return;
    }
    const grid = event.target.closest && event.target.closest(".grid");
    if (steps[event.key] && (grid || (event.key.length === 1 && document.querySelector(".grid tbody a")))) {
      event.preventDefault();
      if (grid) move(event.target, ...steps[event.key]);
      else document.querySelector(".grid tbody a").focus();
      return;
    }
    const actions = {
      "/": () => input && input.focus(), t: nextTheme, n: () => surprise(1), p: () => surprise(-1),
      "?": () => { const keys = document.getElementById("keys"); if (keys) keys.showModal(); },
    };
    if (actions[event.key]) { event.preventDefault(); actions[event.key](); }
  };

  // Served by the lab, a page hears of a run that goes on.
  const live = () => {
    if (!/^https?:$/.test(location.protocol) || !["127.0.0.1", "localhost", "[::1]"].includes(location.hostname)) return;
    const source = new EventSource(root.dataset.root + "live");
    const place = document.getElementById("live");
    let edition = null;
    source.addEventListener("message", (event) => {
      const said = JSON.parse(event.data);
      place.hidden = !said.text;
      place.textContent = said.text || "";
      if (said.text && said.total) {
        const bar = document.createElement("progress");
        bar.max = said.total; bar.value = said.done;
        bar.setAttribute("aria-label", "suites done");
        place.prepend(bar, " ");
      }
      if (edition !== null && said.edition !== edition && !document.querySelector(":focus:is(input)")) location.reload();
      edition = said.edition;
    });
    source.addEventListener("error", () => { if (source.readyState === EventSource.CLOSED) place.hidden = true; });
  };

  // Says in words what the shadow shows: that a table goes on beside what is seen of it.
  const scrolls = () => {
    const look = (box) => {
      box.classList.toggle("wide", box.scrollWidth > box.clientWidth + 4);
      box.classList.toggle("end", box.scrollLeft + box.clientWidth >= box.scrollWidth - 4);
    };
    // Not at once: what is far below has no layout yet, and need not get one for this.
    const sizes = new ResizeObserver((all) => all.forEach(({ target }) => look(target)));
    for (const box of document.querySelectorAll(".scroll")) {
      sizes.observe(box);
      box.addEventListener("scroll", () => look(box), { passive: true });
    }
  };

  document.addEventListener("DOMContentLoaded", () => {
    setTheme(stored());
    scrolls();
    const button = document.getElementById("theme");
    button.addEventListener("click", nextTheme);
    document.addEventListener("keydown", key);
    addEventListener("hashchange", openTarget);
    openTarget();
    for (const more of document.querySelectorAll(".show-more"))
      more.addEventListener("click", () => { more.previousElementSibling.classList.add("all"); more.remove(); });
    const input = document.getElementById("filter");
    if (input) {
      input.addEventListener("input", filter);
      for (const each of document.querySelectorAll("[data-only]"))
        each.addEventListener("click", () => { setOnly(each.dataset.only); filter(); });
      restore();
    }
    document.addEventListener("click", (event) => {
      if (!event.target.matches(".cmd button")) return;
      navigator.clipboard.writeText(event.target.previousElementSibling.textContent)
        .then(() => { event.target.textContent = "copied"; });
    });
    if (navigator.clipboard)
      for (const code of document.querySelectorAll(".cmd code")) {
        const copy = document.createElement("button");
        copy.type = "button"; copy.textContent = "copy";
        copy.setAttribute("aria-label", `Copy: ${code.textContent}`);
        code.after(copy);
      }
    live();
  });
})();
