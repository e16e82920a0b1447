"""How the server's log lines look: one event a line, and tracebacks without the values of variables."""

import structlog


def configure_log() -> None:
    """Set the log up for this process. Values of variables stay out of it, because they hold tokens and cookies."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=("timestamp", "level", "event")),
        ],
        logger_factory=structlog.PrintLoggerFactory(),
    )
