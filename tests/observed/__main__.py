"""`python -m tests.observed <folder>`: dashboard and rules on a real Prometheus, whose programs lie in the folder.

A server tells the recorded gauges to who has the token; Prometheus scrapes it by our configuration. Then every
expression of the dashboard and of the rules is asked. A panel without a value, or an answer to who has no token, fails.
"""

import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import yaml
from tests.ports import free_port
from tests.unit.telemetry.everything import RECORDED
from tests.unit.telemetry.test_dashboard import DEPLOY, QUERIES, RULES, with_choice

TOKEN = "recorded-for-the-test"
PATIENCE = 60.0


class Recorded(BaseHTTPRequestHandler):
    """Tells the recorded gauges."""

    def do_GET(self) -> None:
        """To who has the token, at the address of the API server."""
        known = self.path == "/perennial/metrics" and self.headers["Authorization"] == f"Bearer {TOKEN}"
        self.send_response(200 if known else 401)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.end_headers()
        if known:
            self.wfile.write(RECORDED.read_bytes())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def configured(folder: Path, port: int) -> Path:
    """Our configuration, with the addresses and files of here."""
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(DEPLOY / "prometheus" / "rules" / "*.yml")]
    (folder / "token").write_text(TOKEN)
    (job,) = config["scrape_configs"]
    job["authorization"]["credentials_file"] = str(folder / "token")
    job["static_configs"] = [{"targets": [f"127.0.0.1:{port}"]}]
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    return file


def main(programs: Path) -> int:
    """How many expressions failed."""
    server = ThreadingHTTPServer(("127.0.0.1", free_port()), Recorded)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as name:
        config, port = configured(Path(name), server.server_port), free_port()
        subprocess.run([programs / "promtool", "check", "config", config], check=True)
        command = [
            *(programs / "prometheus", f"--config.file={config}", f"--storage.tsdb.path={name}/data"),
            *(f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"),
        ]
        process = subprocess.Popen(command)
        try:
            return asked_everything(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()
            process.wait()
            server.shutdown()


def asked_everything(url: str) -> int:
    """Ask every panel, which must have a value, and every rule, which must be one."""
    ends = time.monotonic() + PATIENCE
    while not values(url, "perennial_build_info"):
        if time.monotonic() > ends:
            raise SystemExit("Prometheus has scraped nothing.")
        time.sleep(0.5)
    failed = 0
    for title, expression, _ in QUERIES:
        found = values(url, with_choice(expression))
        failed += not found
        print(f"{'ok  ' if found else 'EMPTY'} {found:3d} series  {title}: {expression}")
    for rule in RULES:
        print(f"ok   {values(url, rule['expr']):3d} firing  {rule['alert']}")
    return failed


def values(url: str, expression: str) -> int:
    """How many series an expression has now; 0 also while Prometheus starts."""
    try:
        answer = httpx.get(f"{url}/api/v1/query", params={"query": expression}, timeout=10, trust_env=False)
    except httpx.TransportError:
        return 0
    if answer.status_code == 503:
        return 0
    answer.raise_for_status()
    return len(answer.json()["data"]["result"])


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
