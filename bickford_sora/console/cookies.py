"""The cookies: who is signed in, how the pages look, and a sign-in that is under way at the issuer."""

from typing import Literal

from fastapi import Request, Response

SESSION = "bickford_session"
SESSION_SECURE = "__Host-bickford_session"
"""Over https: a browser takes it from this host alone, for all its paths, and never sends it in the clear."""
LOGIN = "bickford_login"
LOGIN_SECURE = "__Host-bickford_login"
THEME = "bickford_theme"
THEME_S = 365 * 24 * 3600

Theme = Literal["auto", "light", "dark"]
THEMES: tuple[Theme, ...] = ("auto", "light", "dark")


def is_secure(request: Request, public_url: str | None) -> bool:
    """Whether the browser reached us over https: itself, or by the address that is configured."""
    return request.url.scheme == "https" or (public_url or "").startswith("https:")


def session_in(request: Request, *, secure: bool) -> str | None:
    """The cookie of a session, by the name it was kept by: behind https nobody else can set that one."""
    return request.cookies.get(SESSION_SECURE if secure else SESSION)


def keep_session(response: Response, cookie: str, *, max_age_s: int, secure: bool) -> None:
    """Has the browser keep a session; no script reads it, and no other site's page sends it."""
    name = SESSION_SECURE if secure else SESSION
    response.set_cookie(name, cookie, max_age=max_age_s, path="/", secure=secure, httponly=True, samesite="strict")


def end_session(response: Response) -> None:
    """Has the browser forget it."""
    response.delete_cookie(SESSION, path="/", httponly=True, samesite="strict")
    response.delete_cookie(SESSION_SECURE, path="/", secure=True, httponly=True, samesite="strict")


def login_in(request: Request, *, secure: bool) -> str | None:
    """The cookie of a sign-in that is under way at the issuer."""
    return request.cookies.get(LOGIN_SECURE if secure else LOGIN)


def keep_login(response: Response, cookie: str, *, max_age_s: int, secure: bool) -> None:
    """Has the browser keep a sign-in that is under way: `Lax`, since it is another site that sends the browser back."""
    name = LOGIN_SECURE if secure else LOGIN
    response.set_cookie(name, cookie, max_age=max_age_s, path="/", secure=secure, httponly=True, samesite="lax")


def end_login(response: Response) -> None:
    """Has the browser forget it: each is for one answer."""
    response.delete_cookie(LOGIN, path="/", httponly=True, samesite="lax")
    response.delete_cookie(LOGIN_SECURE, path="/", secure=True, httponly=True, samesite="lax")


def theme_in(request: Request) -> Theme:
    """How the pages look to this browser."""
    named = request.cookies.get(THEME)
    return next((theme for theme in THEMES if theme == named), "auto")


def keep_theme(response: Response, theme: str) -> None:
    """Has the browser keep it; anything else is `auto`."""
    kept = theme if theme in THEMES else "auto"
    response.set_cookie(THEME, kept, max_age=THEME_S, path="/", httponly=True, samesite="strict")
