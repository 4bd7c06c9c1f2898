"""Model versions, their metrics and artefacts."""
