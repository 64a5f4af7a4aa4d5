"""What it costs to watch: answers of 300 tokens over HTTP on loopback, read token by token, with observers.

The server is another process; see `answer_server`. What is compared with is the same without observers, or
with less of them. Nothing is exported: what a backend costs comes on top.
"""

from collections.abc import Callable

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

from miniagents import MiniAgents
from miniagents.ext.otel import tracing
from miniagents.ext.timeline import Timeline
from miniagents.ext.usage import RunUsage
from miniagents.observers import Observer

from .answer_server import LIVE_PAUSE, reading
from .http_cases import agent
from .sources import Role

__all__ = [
    "traced_limit",
    "traced_ours",
    "watched_limit",
    "watched_live_limit",
    "watched_live_ours",
    "watched_ours",
]


def watching() -> list[Observer]:
    """Usage and a timeline."""
    return [RunUsage(), Timeline()]


def also_tracing() -> list[Observer]:
    """The same, with spans and metrics by the SDK of OpenTelemetry."""
    providers = TracerProvider(), MeterProvider([InMemoryMetricReader()])
    return [*watching(), tracing(tracer_provider=providers[0], meter_provider=providers[1])]


def answers(observers: Callable[[], list[Observer]] = list, pause: float = 0) -> Role:
    """Read answers of `openai_agent`.

    Args:
        observers: makes those of the context.
        pause: seconds between two tokens of an answer.
    """
    return reading(agent, lambda: MiniAgents(observers=observers()), pause=pause)


watched_limit: Role = answers()
watched_ours: Role = answers(watching)
watched_live_limit: Role = answers(pause=LIVE_PAUSE)
watched_live_ours: Role = answers(watching, LIVE_PAUSE)
traced_limit: Role = answers(watching)
traced_ours: Role = answers(also_tracing)
