"""The versions of the code that verdicts and predictions depend on, beside what the use case's files say.

The digests in `perennial.spec.load` name them. Raise one when its code may give another answer to the same rows under
the same files; `tests/unit/quality/test_versions.py` fails where code has changed and its version has not. 1 is what
0.1.0 had, whose digests name none.
"""

CHECKS_VERSION = 2  # which rows are set aside, and what verdict the others get: perennial.quality
SCORING_VERSION = 1  # how rows become features, predictions and decisions: perennial.features, perennial.modeling
