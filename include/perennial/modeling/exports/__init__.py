"""Models in formats that other systems read, and how far what comes out there is the same.

onnxruntime tells its makers of each session unless a variable says otherwise when it starts. It is set here, before
anything in this package imports it. It is a default: what the process was started with stays.
"""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
