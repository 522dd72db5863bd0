"""Takes the pictures of docs/leaderboard.md: serves a board on a free port and looks at it.

Needs the extras ``web``, ``board`` and ``dev``, and ``chromium`` with ``chromedriver``::

    python docs/board_pictures.py [FOLDER]
"""

from __future__ import annotations

import io
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image  # comes with matplotlib
from screenshots import open_browser
from selenium import webdriver

from fedenv.webserver import WebServer
from leaderboard.site.app import create_app
from leaderboard.site.library import Library

ROOT = Path(__file__).parents[1]
BOARD = ROOT / "leaderboard" / "submissions"
COLOURS = 128  # pages have few; files stay small
STORY = "entries/oracle/rank-wrapper-0/client-7-1/"
PICTURES = (  # name, address, width, height, dark
    ("board-tracks", "", 1200, 900, False),
    ("board-track", "tracks/mini/", 1200, 900, False),
    ("board-entry", "entries/small-federated/", 1200, 1100, False),
    ("board-entry-dark", "entries/small-federated/", 1200, 1100, True),
    ("board-story", STORY, 1200, 1000, False),
    ("board-compare", "compare/small-federated/small-local/", 1200, 900, True),
    ("board-narrow", "tracks/mini/", 390, 844, False),
    ("board-reported", "tracks/webshop-uniform/#reported", 1200, 700, False),
)


@contextmanager
def serve(board: Path) -> Iterator[str]:
    """Serve a board; give its address."""
    server = WebServer(
        create_app(Library(board)), "127.0.0.1", 0, max_request_bytes=65536, noun="board"
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield server.url
    server.close()
    thread.join(10)


def resize(browser: webdriver.Chrome, width: int, height: int) -> None:
    """Give the page this size; headless windows have a least width, so it is emulated."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def main(folder: Path) -> None:
    """Take all pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as profile, serve(BOARD) as url:
        browser = open_browser(profile, 1200, 1000)
        for name, address, width, height, dark in PICTURES:
            resize(browser, width, height)
            scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
            browser.get(url + address)
            image = Image.open(io.BytesIO(browser.get_screenshot_as_png()))
            image.convert("RGB").quantize(COLOURS).save(folder / f"{name}.png", optimize=True)
        browser.quit()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "images")
