"""The laptop's server: API and dashboard in one ASGI application."""

from __future__ import annotations

from fastapi import FastAPI

from backend import main
from backend.settings import Settings
from frontend.main import create_dashboard


def create_app(settings: Settings) -> FastAPI:
    """The API under ``/api/v1``, the dashboard under ``/``."""
    app = main.create_app(settings)
    create_dashboard(app, api_url=f"http://{settings.host}:{settings.port}")
    return app


if __name__ == "__main__":
    environment = Settings()
    main.serve(create_app(environment), environment)
