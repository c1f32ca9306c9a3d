"use strict";
(() => {
  const PORTS = /^(\d{1,5})(?:-(\d{1,5}))?(\/[a-z]*)?$/;
  const THEMES = ["system", "light", "dark"];
  const byId = (id) => document.getElementById(id);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  const spans = (text) =>
    text.split(" ").filter(Boolean).map((span) => {
      const [, first, last, protocol] = PORTS.exec(span);
      return { first: Number(first), last: Number(last ?? first), protocol };
    });

  // A word is sought in the texts; one that is a port, among the ports too.
  const term = (word) => {
    const [span] = PORTS.test(word) ? spans(word) : [];
    const meets = (x) =>
      x.first <= span.last && span.first <= x.last && x.protocol.startsWith(span.protocol ?? "");
    return (entry, host) =>
      entry.find.includes(word) ||
      host.find.includes(word) ||
      (span !== undefined && entry.ports.some(meets));
  };

  // A host that was not reached counts as one of those that were not judged.
  const entryOf = (element) => ({
    element,
    find: (element.dataset.find ?? "").toLowerCase(),
    ports: spans(element.dataset.ports ?? ""),
    verdicts: ["all", ...element.classList],
    isContainer: element.classList.contains("container"),
  });

  const hostOf = (element) => ({
    element,
    find: element.dataset.find.toLowerCase(),
    shown: element.querySelector(".shown"),
    entries: all(":scope > .container, :scope > .error", element).map(entryOf),
  });

  const start = () => {
    const hosts = all(".host").map(hostOf);
    // The name of the only host would find everything.
    if (hosts.length === 1) hosts[0].find = "";
    const total = all(".container").length;
    const text = byId("text");
    const radios = all("input[name=verdict]");

    const apply = () => {
      const terms = text.value.toLowerCase().split(/\s+/).filter(Boolean).map(term);
      const verdict = radios.find((x) => x.checked).value;
      const active = terms.length > 0 || verdict !== "all";
      const counts = Object.fromEntries(radios.map((x) => [x.value, 0]));
      let shown = 0;
      let hostsShown = 0;
      for (const host of hosts) {
        let found = 0;
        let here = 0;
        for (const entry of host.entries) {
          const isFound = terms.every((x) => x(entry, host));
          entry.element.classList.toggle("out", !isFound);
          if (!isFound) continue;
          for (const x of entry.verdicts) if (x in counts) counts[x] += 1;
          if (!entry.verdicts.includes(verdict)) continue;
          found += 1;
          here += entry.isContainer;
        }
        host.element.classList.toggle("out", active && found === 0);
        if (active && found > 0) host.element.open = true;
        const containers = host.entries.filter((x) => x.isContainer).length;
        host.shown.textContent = hosts.length > 1 && here < containers ? here + " shown" : "";
        shown += here;
        hostsShown += !active || found > 0;
      }
      for (const x of radios) {
        x.parentElement.querySelector("b").textContent = counts[x.value];
        x.parentElement.classList.toggle("none", counts[x.value] === 0);
      }
      byId("status").textContent = active ? shown + " of " + total + " containers shown" : "";
      byId("nothing").hidden = hostsShown > 0 || hosts.length === 0;
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

    document.addEventListener("keydown", (event) => {
      if (event.altKey || event.ctrlKey || event.metaKey) return;
      if (event.key === "/" && event.target !== text) {
        event.preventDefault();
        text.focus();
        text.select();
      } else if (event.key === "Escape" && event.target === text) {
        text.value = "";
        soon();
      }
    });

    for (const x of ["text", "theme"]) byId(x).hidden = false;
    apply();
  };

  document.addEventListener("DOMContentLoaded", start);
})();
