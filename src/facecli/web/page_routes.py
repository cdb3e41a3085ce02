"""What the page for programs lists."""

from typing import Any, NamedTuple

_TOKEN = " -H 'Authorization: Bearer TOKEN'"


class Route(NamedTuple):
    """One line of the list."""

    method: str
    path: str
    summary: str


def list_routes(openapi: dict[str, Any]) -> list[Route]:
    """Those that /openapi.json describes."""
    return [
        Route(method.upper(), path, described.get("summary", ""))
        for path, methods in openapi["paths"].items()
        for method, described in methods.items()
    ]


def curl_examples(base_url: str, needs_token: bool) -> str:
    """Lines for a shell, with the address that the page was asked at."""
    curl = "curl" + (_TOKEN if needs_token else "")
    base = base_url.rstrip("/")
    lines = (
        f"{curl} -F file=@photo.jpg {base}/api/v1/analyze",
        f"{curl} -F file=@a.jpg -F file=@b.jpg '{base}/api/v1/analyze?model=facenet,normal&details=true'",
        f'{curl} --json \'{{"url": "https://example.org/photo.jpg"}}\' {base}/api/v1/analyze',
        f"{curl} -F file=@photo.jpg '{base}/api/v1/annotate?anonymize=blur&format=png' -o drawn.png",
        f"{curl} {base}/api/v1/models",
    )
    return "\n".join(lines)
