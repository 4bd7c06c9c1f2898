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

// A backfill is created by Airflow's own interface, as the user who is logged in there. It asks once more before.
async function backfill(event) {
  const button = event.target.closest("button[data-backfill]");
  if (!button) return;
  const said = button.parentElement.querySelector(".said");
  if (!button.dataset.sure) {
    button.dataset.sure = "yes";
    button.textContent = "Yes, backfill them";
    said.textContent = "Windows that were scored before may get a new revision. Sure?";
    return;
  }
  button.disabled = true;
  said.textContent = "Asking Airflow …";
  const { backfill: dag_id, from: from_date, to: to_date, model, version } = button.dataset;
  const conf = version ? { model, model_version: version } : { model };
  const asked = { dag_id, from_date, to_date, dag_run_conf: conf, reprocess_behavior: "completed", max_active_runs: 3, run_on_latest_version: false };
  const airflow = document.documentElement.dataset.airflow;
  try {
    const answer = await fetch(`${airflow}/api/v2/backfills`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(asked),
    });
    const found = await answer.json();
    if (!answer.ok) throw new Error(typeof found.detail === "string" ? found.detail : JSON.stringify(found.detail));
    const link = document.createElement("a");
    link.href = `${airflow}/dags/${encodeURIComponent(dag_id)}/backfills`;
    link.dataset.airflow = "";
    link.textContent = "watch it in Airflow";
    said.replaceChildren("The backfill has begun: ", link, ".");
  } catch (error) {
    button.disabled = false;
    said.textContent = `Airflow did not begin it: ${error.message}`;
  }
}

document.addEventListener("click", backfill);

// What a button names by data-copy is copied: by the browser's clipboard, or, where a page has none, by selecting it.
async function copy(event) {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const said = button.parentElement.querySelector(".said");
  const source = document.getElementById(button.dataset.copy);
  source.focus();
  source.select();
  try {
    if (navigator.clipboard) await navigator.clipboard.writeText(source.value);
    else if (!document.execCommand("copy")) throw new Error("not allowed");
    said.textContent = "Copied.";
  } catch {
    said.textContent = "It is selected: copy it with the keyboard.";
  }
}

document.addEventListener("click", copy);
