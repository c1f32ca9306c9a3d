"use strict";
(() => {
  const PORTS = /^(\d{1,5})(?:-(\d{1,5}))?(\/[a-z]*)?$/;
  const THEMES = ["system", "light", "dark"];
  // A host that was not reached is among what could not be observed, and has no containers.
  const FAILED = ["all", "unseen"];
  const NONE = { find: "", ports: [] };
  const byId = (id) => document.getElementById(id);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  const spans = (text) =>
    text.split(" ").filter(Boolean).map((span) => {
      const [, first, last, protocol] = PORTS.exec(span);
      return { first: Number(first), last: Number(last ?? first), protocol };
    });

  // A word of the filter is sought in the texts; one that is a port, among the ports too.
  const term = (word) => {
    const [span] = PORTS.test(word) ? spans(word) : [];
    const meets = (x) =>
      x.first <= span.last && span.first <= x.last && x.protocol.startsWith(span.protocol ?? "");
    return (row, host) =>
      row.find.includes(word) ||
      host.find.includes(word) ||
      (span !== undefined && row.ports.some(meets));
  };

  // Where the cells stand that are not empty: one cell is many where nothing is.
  const columnsOf = (row) => {
    let place = 0;
    const columns = [];
    for (const cell of row.cells) {
      if (cell.title) columns.push(place);
      place += cell.colSpan;
    }
    return columns;
  };

  const rowOf = (element) => ({
    element,
    find: element.dataset.find.toLowerCase(),
    ports: spans(element.dataset.ports),
    verdicts: ["all", ...element.classList],
    columns: columnsOf(element),
  });

  const hostOf = (element) => ({
    element,
    find: element.dataset.find.toLowerCase(),
    failed: element.querySelector(":scope > .error") !== null,
    shown: element.querySelector(".shown"),
    columns: all(".map > colgroup > col", element).slice(1, -1),
    headings: all(".map > thead th", element).slice(1),
    rows: all("tr[data-find]", element).map(rowOf),
  });

  const start = () => {
    const hosts = all(".host").map(hostOf);
    // The name of the only host would find everything.
    if (hosts.length === 1) hosts[0].find = "";
    const total = hosts.reduce((sum, host) => sum + host.rows.length, 0);
    const text = byId("text");
    const radios = all("input[name=verdict]");
    const filters = byId("filters");

    const apply = () => {
      const terms = text.value.toLowerCase().split(/\s+/).filter(Boolean).map(term);
      const verdict = radios.find((x) => x.checked).value;
      const counts = { all: 0, differs: 0, unseen: 0, waived: 0, matches: 0 };
      const active = terms.length > 0 || verdict !== "all";
      let shown = 0;
      let hostsShown = 0;
      for (const host of hosts) {
        const used = new Set();
        let here = 0;
        for (const row of host.rows) {
          const found = terms.every((x) => x(row, host));
          if (found) for (const x of row.verdicts) counts[x] += 1;
          const visible = found && row.verdicts.includes(verdict);
          row.element.classList.toggle("out", !visible);
          if (!visible) continue;
          here += 1;
          for (const x of row.columns) used.add(x);
        }
        const found = host.failed && terms.every((x) => x(NONE, host));
        if (found) for (const x of FAILED) counts[x] += 1;
        const failed = found && FAILED.includes(verdict);
        const visible = !active || here > 0 || failed;
        host.element.classList.toggle("out", !visible);
        if (active && visible) host.element.open = true;
        host.shown.textContent = hosts.length > 1 && here < host.rows.length ? here + " shown" : "";
        // A column that none of the shown containers uses tells nothing.
        host.columns.forEach((x, place) => {
          x.style.width = used.has(place + 1) ? "" : "0";
          host.headings[place].style.visibility = used.has(place + 1) ? "" : "hidden";
        });
        shown += here;
        hostsShown += visible;
      }
      for (const x of radios) x.parentElement.querySelector("b").textContent = counts[x.value];
      byId("status").textContent = active ? shown + " of " + total + " containers shown" : "";
      byId("nothing").hidden = hostsShown > 0;
    };

    let waiting = 0;
    const soon = () => {
      cancelAnimationFrame(waiting);
      waiting = requestAnimationFrame(apply);
    };
    text.addEventListener("input", soon);
    for (const x of radios) x.addEventListener("change", soon);

    byId("theme").addEventListener("click", (event) => {
      const root = document.documentElement;
      const next = THEMES[(THEMES.indexOf(root.dataset.theme ?? "system") + 1) % THEMES.length];
      if (next === "system") delete root.dataset.theme;
      else root.dataset.theme = next;
      event.target.textContent = "theme: " + next;
    });

    // A click anywhere on a row is one on its name, but where text is being selected.
    document.querySelector("main").addEventListener("click", (event) => {
      const row = event.target.closest("tr[data-find]");
      if (row === null || event.target.closest("summary") || !getSelection().isCollapsed) return;
      row.querySelector("details").open ^= true;
    });

    document.addEventListener("keydown", (event) => {
      if (event.altKey || event.ctrlKey || event.metaKey) return;
      if (event.key === "/" && event.target !== text) {
        event.preventDefault();
        text.focus();
        text.select();
      } else if (event.key === "Escape" && event.target === text) {
        text.value = "";
        soon();
      } else if (["ArrowDown", "ArrowUp"].includes(event.key) && event.target.matches("summary")) {
        const stops = all("summary").filter((x) => x.checkVisibility());
        const next = stops[stops.indexOf(event.target) + (event.key === "ArrowDown" ? 1 : -1)];
        if (next === undefined) return;
        event.preventDefault();
        next.focus();
      }
    });

    filters.hidden = false;
    new ResizeObserver(() => {
      document.documentElement.style.setProperty("--bar", filters.offsetHeight + "px");
    }).observe(filters);
    apply();
  };

  document.addEventListener("DOMContentLoaded", start);
})();
