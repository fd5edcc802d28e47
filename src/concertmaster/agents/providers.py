"""Names the variables with which agents of many providers find their models."""

from __future__ import annotations

PROVIDER_KEYS = frozenset(
    """
    ANTHROPIC_API_KEY ANTHROPIC_BASE_URL CEREBRAS_API_KEY DEEPSEEK_API_KEY FIREWORKS_API_KEY
    GEMINI_API_KEY GOOGLE_GENERATIVE_AI_API_KEY GROQ_API_KEY MISTRAL_API_KEY MOONSHOT_API_KEY
    OPENAI_API_KEY OPENAI_BASE_URL OPENROUTER_API_KEY TOGETHER_API_KEY XAI_API_KEY ZAI_API_KEY
    """.split()
)
# What the status of an HTTP answer means, in the words of `error_patterns`.
_MEANINGS = {401: "authentication_error", 402: "billing_error", 429: "429 Too Many Requests"}


def describe_status(status: object) -> str:
    """Return the status of an HTTP answer in words that are recognised, "" if it is none."""
    if not isinstance(status, int) or status < 400:
        return ""
    return f" (status {status})" if status not in _MEANINGS else f" ({_MEANINGS[status]})"
