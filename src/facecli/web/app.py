"""The application: routes, and the layers around them."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from facecli import __version__
from facecli.web import face2data, live, pages, problems, rest, status
from facecli.web.body_limit import BodyLimit
from facecli.web.fetching import Fetcher
from facecli.web.guard import Guard
from facecli.web.live_protocol import LiveLimits
from facecli.web.meters import Meters
from facecli.web.observe import Observe
from facecli.web.roster import Roster
from facecli.web.service import Service
from facecli.web.settings import Settings

log = logging.getLogger(__name__)
_ABOUT = """Apparent age, gender, race and emotion of every face in a picture. Pictures are analysed in
memory and not stored. Errors are problem details (RFC 9457)."""


def build_app(settings: Settings, live_limits: LiveLimits | None = None) -> FastAPI:
    """The ASGI application of `facecli serve`.

    Args:
        settings: how it serves.
        live_limits: of the viewers of live mode.

    Raises:
        CheckpointError, InputError: the model or the detector of the settings cannot be used.
    """
    app = FastAPI(
        title="facecli",
        version=__version__,
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        redirect_slashes=False,
    )
    state = app.state
    state.settings = settings
    state.live_limits = live_limits or LiveLimits()
    state.roster = Roster(settings)
    state.service = Service(state.roster, settings.workers, settings.places)
    state.fetcher = Fetcher(settings.limits.body_bytes)
    state.meters = Meters(state.service)
    state.meters.viewers.set_function(lambda: getattr(state, "live_viewers", 0))
    for room in (rest, face2data, status, live, pages):
        app.include_router(room.router)
    problems.install(app)
    # The last one added is the outermost.
    app.add_middleware(BodyLimit, limits=settings.limits)
    app.add_middleware(Guard, token=settings.token, hosts=settings.hosts)
    app.add_middleware(Observe)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    log.info("waiting for the pictures that are being analysed")
    app.state.service.close()
    app.state.fetcher.close()
