"""Configure Gunicorn's loggers when imported, as Django's LOGGING does."""
import logging.config

logging.config.dictConfig({
    "version": 1, "disable_existing_loggers": False,
    "formatters": {"own": {"format": "OWN %(levelname)s %(process)d %(message)s"}},
    "handlers": {"own": {"class": "logging.StreamHandler", "formatter": "own"}},
    "loggers": {"gunicorn.error": {"level": "INFO", "handlers": ["own"], "propagate": False}},
})


def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
