"use strict";
// Comfort only: the page is whole without it. Sorts a table by a click on a column, and filters by metric.
document.querySelectorAll("table.sortable").forEach((table) => {
  const body = table.tBodies[0];
  const original = Array.from(body.rows);
  const key = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.order !== undefined ? cell.dataset.order : cell.textContent.trim();
  };
  const compare = (a, b) => {
    if (a === "" || b === "") return a === b ? 0 : a === "" ? 1 : -1;
    const x = Number(a), y = Number(b);
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
  };
  Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      const next = now === null ? "descending" : now === "descending" ? "ascending" : null;
      table.querySelectorAll("th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
      let rows = original;
      if (next !== null) {
        head.setAttribute("aria-sort", next);
        const turn = next === "descending" ? -1 : 1;
        rows = Array.from(original).sort((a, b) => {
          const x = key(a, column), y = key(b, column);
          return x === "" || y === "" ? compare(x, y) : turn * compare(x, y);
        });
      }
      table.classList.toggle("sorted", next !== null);
      body.append(...rows);
    });
  });
  const metrics = table.dataset.metrics.split(" ");
  if (metrics.length < 2) return;
  const bar = document.createElement("div");
  bar.className = "bar";
  bar.setAttribute("role", "group");
  bar.setAttribute("aria-label", "Show one " + (table.dataset.filter || "metric"));
  ["all"].concat(metrics).forEach((metric) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = metric;
    button.setAttribute("aria-pressed", String(metric === "all"));
    button.addEventListener("click", () => {
      bar.querySelectorAll("button").forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
      table.classList.toggle("filtered", metric !== "all");
      original.forEach((row) => { row.hidden = metric !== "all" && row.dataset.metric !== metric; });
    });
    bar.append(button);
  });
  table.parentElement.before(bar);
});
