// Inside Airflow's page: follow its theme, and let links to Airflow's own pages open there instead of in the frame.
"use strict";
const framed = window.parent !== window;

function follow_theme() {
  const chosen = localStorage.getItem("theme");
  const dark = chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}

function open_outside(event) {
  const link = event.target.closest("a[data-airflow], a[data-outside]");
  if (!framed || !link) return;
  event.preventDefault();
  const outer = window.parent.document;
  const twin = outer.createElement("a");
  twin.href = link.href;
  if (link.hasAttribute("data-outside")) {
    twin.target = "_blank";
    twin.rel = "noopener";
  }
  outer.body.append(twin);
  twin.click();
  twin.remove();
}

follow_theme();
addEventListener("storage", follow_theme);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", follow_theme);
document.addEventListener("click", open_outside);
