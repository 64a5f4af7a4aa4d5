"""No test of the models sees the settings of the machine it runs on."""

import pytest


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take all settings of providers, and proxies, out of the environment."""
    for provider in ("OPENAI", "ANTHROPIC"):
        for name in ("API_KEY", "MODEL", "BASE_URL", "AUTH_TOKEN", "ORG_ID", "PROJECT_ID", "ADMIN_KEY"):
            monkeypatch.delenv(f"{provider}_{name}", raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
