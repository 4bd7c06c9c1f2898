"""`python -m tests.handover.record http://HOST:PORT TOKEN`: what a real Label Studio answers, into `label_studio.json`.

It makes a project of the interface that `perennial review export` prints, sends rows, answers as its user, and keeps
every answer. The token is a legacy one of an owner. Run it with the version of Label Studio that is to be supported.
"""

import json
import sys
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

INTERFACE = (
    '<View><Header value="Parcels that come late: late?"/><Table name="row" value="$row"/><Choices name="outcome" '
    'toName="row" choice="single" required="true" showInline="true"><Choice value="yes" hotkey="y"/><Choice value="no" '
    'hotkey="n"/></Choices></View>'
)
WINDOW = "2024-01-31T00:00Z--2024-02-01T00:00Z"
FILE = Path(__file__).parent / "label_studio.json"


def tasks() -> list[dict[str, Any]]:
    """Four rows of a use case, and one of nobody's; which rows they are is put in when the record is used."""
    named = [{"use_case": "parcels", "window": WINDOW, "entity": f"ENTITY{n}"} for n in range(4)]
    ours = [{"data": {"perennial": each, "row": {"parcel": each["entity"], "weight": "9.5"}}} for each in named]
    return [*ours, {"data": {"row": {"text": "somebody else's"}}}]


def main() -> None:
    """Ask and keep."""
    address, token = sys.argv[1:]
    kept: dict[str, Any] = {}

    def ask(name: str, method: str, path: str, sent: Any = None, authorization: str | None = f"Token {token}") -> Any:
        headers = {"Content-Type": "application/json"} | ({"Authorization": authorization} if authorization else {})
        body = None if sent is None else json.dumps(sent).encode()
        try:
            with urlopen(Request(address + path, body, headers, method=method)) as answer:
                status, content = answer.status, answer.read()
        except HTTPError as error:
            status, content = error.code, error.read()
        try:
            found = json.loads(content)
        except ValueError:
            found = content.decode()[:200]
        if name:
            kept[name] = {"status": status, "body": found}
        return found

    kept["version"] = ask("", "GET", "/api/version")["release"]
    project = ask("", "POST", "/api/projects", {"title": "parcels", "label_config": INTERFACE})["id"]
    export = f"/api/projects/{project}/export?exportType=JSON&download_all_tasks=true"
    ask("export of nothing", "GET", export)
    ask("import", "POST", f"/api/projects/{project}/import", tasks())
    exported = ask("export before answers", "GET", export)
    for task, choice in zip(exported, ("yes", "no", "yes"), strict=False):
        result = [{"from_name": "outcome", "to_name": "row", "type": "choices", "value": {"choices": [choice]}}]
        made = ask("", "POST", f"/api/tasks/{task['id']}/annotations/", {"result": result, "lead_time": 2.0})
        if choice == "no":  # thought again
            result[0]["value"] = {"choices": ["yes"]}
            ask("", "PATCH", f"/api/annotations/{made['id']}/", {"result": result})
    ask("", "POST", f"/api/tasks/{exported[3]['id']}/annotations/", {"result": [], "was_cancelled": True})
    ask("export", "GET", export)
    ask("users", "GET", "/api/users/")
    ask("wrong token", "GET", export, authorization="Token wrong")
    ask("no project", "GET", export.replace(f"/{project}/", "/999999/"))
    personal = ask("", "POST", "/api/token/", {})["token"]
    exchanged = ask("", "POST", "/api/token/refresh", {"refresh": personal}, authorization=None)
    assert ask("", "GET", export, authorization=f"Bearer {exchanged['access']}") == kept["export"]["body"]
    kept["refresh"] = {"status": 200, "body": dict.fromkeys(exchanged, "an-access-token")}
    kept["personal token length"] = len(personal)
    FILE.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
