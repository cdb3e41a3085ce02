"""Stub until the pages are here."""

from fastapi import APIRouter

router = APIRouter()


def render_token_page() -> str:
    return "<!doctype html><title>facecli</title>"
