"""Rival retraining policies, as a user writes them for a backtest."""

from pathlib import Path

import yaml
from pydantic import ValidationError

from perennial.errors import InvalidSpec
from perennial.spec.models import UseCase
from perennial.spec.monitoring import Monitoring


def load_policies(file: Path, spec: UseCase) -> dict[str, Monitoring]:
    """The policies in a YAML file, by name: each says what differs from the spec's `monitoring`.

    Errors: `InvalidSpec` when the file can't be read, or a policy in it is not valid; the message says where.
    """
    try:
        written = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidSpec(f"The policies in {file} can't be read: {error}") from error
    if not isinstance(written, dict) or not written:
        raise InvalidSpec(
            f"{file} holds no policies. Write one on each line: `monthly: {{triggers: [age], max_age: 30d}}`."
        )
    policies, wrong = {}, []
    for name, changes in written.items():
        try:
            policy = Monitoring.model_validate(spec.monitoring.model_dump() | dict(changes or {}))
        except (ValidationError, TypeError, ValueError) as error:
            wrong.append(f"{file}: {name}: {_told(error)}")
            continue
        wrong += [f"{file}: {name}: {'.'.join(map(str, p.at))}: {p.text}" for p in policy.problems(spec.schedule.every)]
        policies[str(name)] = policy
    if wrong:
        raise InvalidSpec("\n  ".join([f"{len(wrong)} mistakes in the policies:", *wrong]))
    return policies


def _told(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
    return "is not a mapping of settings, such as {triggers: [age], max_age: 30d}"
