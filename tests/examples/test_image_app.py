"""The page in a browser: a real server, Chromium, and networks that know colours. Needs playwright and chromium."""

import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]

pytestmark = [pytest.mark.browser, pytest.mark.long]


class Server:
    """The app as its users start it, on a port that was free."""

    def __init__(self, networks):
        argv = [sys.executable, "-m", "shiny", "run", "examples/image_app/app.py", "--port", "0"]
        env = os.environ | {"IMAGE_APP_MODELS": os.fspath(networks)}
        self.process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT, env=env
        )
        self.said = []
        self.url = next((found[0] for line in self.lines() if (found := re.search(r"http://[\d.:]+", line))), None)
        self.reader = threading.Thread(target=lambda: list(self.lines()))
        self.reader.start()

    def lines(self):
        for line in self.process.stdout:
            self.said.append(line)
            yield line

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def server(colour_networks):
    server = Server(colour_networks)
    yield server
    server.stop()
    assert server.url, server.said
    assert "Traceback" not in "".join(server.said)


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if not CHROMIUM:
        pytest.skip("needs chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *CAMERA])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def new_tab(browser):
    """Makes empty pages, and lists of what fails in their scripts."""

    def new_tab(**options):
        tab, errors = browser.new_page(**options), []
        tab.set_default_timeout(20_000)
        tab.on("pageerror", lambda error: errors.append(error))
        return tab, errors

    return new_tab


@pytest.fixture(scope="module")
def tab(new_tab):
    """One for all tests on a desk: a process of Chromium's for each would take longer than what is tested."""
    return new_tab()


@pytest.fixture
def page(tab, server):
    page, errors = tab
    page.goto(server.url)
    yield page
    assert not errors


@pytest.fixture
def phone_page(new_tab, server):
    page, errors = new_tab(viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True)
    page.goto(server.url)
    yield page
    page.close()
    assert not errors


@pytest.fixture
def give(tmp_path):
    """Chooses a file with these bytes, filled up with zeros to `size`."""

    def give(page, data, size=0):
        (tmp_path / "picture.png").write_bytes(data)
        os.truncate(tmp_path / "picture.png", max(len(data), size))
        page.get_by_label("Choose a picture").set_input_files(tmp_path / "picture.png")

    return give


def shares(page, first):
    """The names with their percentages, once the first of them is that one."""
    page.locator("#answer li:first-child", has_text=first).wait_for()
    rows = [row.split("\n") for row in page.locator("#answer li").all_inner_texts()]
    return {name: float(share.strip(" %")) for name, share in rows}


def refusal(page, words):
    """The sentence in which these words are said to the visitor."""
    alert = page.get_by_role("alert").filter(has_text=words)
    alert.wait_for()
    return alert.inner_text()


def test_an_empty_page_says_what_to_do(page):
    assert page.title() == "What is in this picture?"
    assert page.get_by_text("Click here, drop a photograph, or paste one.").is_visible()
    assert page.request.get(page.url + page.locator("link[rel=icon]").get_attribute("href")).ok
    page.get_by_role("link", name="pushgrad").click()
    assert page.get_by_role("heading", name="pushgrad").is_visible()
    page.get_by_role("link", name="Back to the pictures").click()
    assert page.get_by_label("Network").locator("option").all_inner_texts() == ["Farthest", "Nearest"]
    assert page.locator("#note").inner_text() == ""
    for name in ("Choose a picture", "Or the web address of a picture", "Network"):
        assert page.get_by_label(name).count() == 1
    for name in ("Use the camera", "Fetch"):
        assert page.get_by_role("button", name=name).is_visible()


def test_an_uploaded_picture_is_named_by_the_chosen_network(page, give, image_file):
    page.get_by_label("Network").select_option("Nearest")
    give(page, image_file("red"))
    found = shares(page, "red")
    assert 1 <= len(found) <= 5 and min(found.values()) >= 1
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert 50 < sum(found.values()) <= 100.5
    assert page.get_by_alt_text("The picture that was given").is_visible()
    assert re.fullmatch(r"Nearest, \d+ ms", page.locator("#answer .took").inner_text())
    bars = page.locator("#answer li").evaluate_all("rows => rows.map(row => row.style.getPropertyValue('--share'))")
    assert [float(bar) * 100 for bar in bars] == pytest.approx(list(found.values()), abs=0.06)

    page.get_by_label("Network").select_option("Farthest")  # looks again at the same picture
    page.get_by_text(re.compile(r"^Farthest, \d+ ms$")).wait_for()
    assert "red" not in page.locator("#answer ol").inner_text()


def test_what_cannot_be_read_is_refused_and_the_page_goes_on(page, give, image_file):
    page.get_by_label("Network").select_option("Nearest")
    give(page, b"no picture at all")
    assert refusal(page, "no picture").endswith("a JPEG, PNG, WEBP, GIF or BMP file.")
    give(page, image_file("blue"), size=1 << 30)
    assert refusal(page, "too big").endswith("10 MB and 50 megapixels are the most.")
    give(page, image_file("blue"))
    assert "blue" in shares(page, "blue")


def test_private_addresses_are_refused(page):
    for address in ("http://127.0.0.1:9/cat.png", "localhost", "[::1]"):
        page.get_by_label("Or the web address of a picture").fill(address)
        page.get_by_role("button", name="Fetch").click()
        host = re.sub(r"http://|:9/cat.png|[\[\]]", "", address)
        assert "This page does not look there." in refusal(page, f"{host} is not on the public internet")


def test_an_address_that_leads_nowhere(page):
    page.get_by_label("Or the web address of a picture").fill("ftp://example.com/cat.png")
    page.keyboard.press("Enter")
    assert refusal(page, "Only http and https").startswith("Only http and https are fetched here, not ftp.")
    page.get_by_label("Or the web address of a picture").fill("foo")
    page.keyboard.press("Enter")
    assert refusal(page, "foo").startswith("There is no server called foo.")


def test_a_click_on_the_frame_opens_the_dialogue(page, image_file):
    page.get_by_label("Network").select_option("Nearest")
    with page.expect_file_chooser() as chooser:
        page.locator("#frame").click()
    chooser.value.set_files({"name": "red.png", "mimeType": "image/png", "buffer": image_file("red")})
    assert "red" in shares(page, "red")


def test_a_sample_is_looked_at_and_the_square_is_drawn(page):
    page.get_by_role("button", name="A cat").click()
    page.locator("#answer li").first.wait_for()
    frame, square = page.locator("#frame").bounding_box(), page.locator("#square").bounding_box()
    # The cat is 448 x 298, the frame 4 : 3: so the picture is as wide as the frame, and 298 / 448 of that high.
    assert square["width"] == pytest.approx(square["height"], abs=1)
    assert square["width"] == pytest.approx(frame["width"] * 298 / 448, abs=3)
    assert square["x"] + square["width"] / 2 == pytest.approx(frame["x"] + frame["width"] / 2, abs=2)


def test_old_guesses_vanish_at_once(page, give, image_file):
    page.get_by_label("Network").select_option("Nearest")
    give(page, image_file("red"))
    shares(page, "red")
    page.evaluate("Shiny.setInputValue = () => {}")  # an answer that does not come
    give(page, image_file("blue"))
    page.locator("#answer[data-waits]:empty").wait_for()
    style = page.evaluate("(({content, maskImage}) => [content, maskImage])(getComputedStyle(answer, '::after'))")
    assert style == ['"Looking …"', "none"], "Shiny's own indicator covers it"


def test_the_camera_takes_a_picture(page):
    page.get_by_role("button", name="Use the camera").click()
    page.wait_for_function("document.getElementById('video').videoWidth > 0")
    page.get_by_role("button", name="Take the picture").click()
    page.locator("#answer li").first.wait_for()
    assert page.get_by_role("button", name="Use the camera").is_visible()
    assert page.evaluate("stream") is None


def test_without_a_camera_the_page_says_so(page):
    page.evaluate("() => { navigator.mediaDevices.getUserMedia = () => Promise.reject(Error('none is there')); }")
    page.get_by_role("button", name="Use the camera").click()
    page.get_by_role("status").filter(has_text="The camera cannot be used: none is there.").wait_for()


def test_a_dropped_picture_is_taken(page, image_file):
    page.get_by_label("Network").select_option("Nearest")
    page.evaluate(
        """bytes => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "dropped.png", { type: "image/png" }));
            document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true }));
        }""",
        list(image_file("green")),
    )
    assert "green" in shares(page, "green")


def test_a_phone_shows_everything_without_scrolling_sideways(phone_page, give, image_file):
    page = phone_page
    give(page, image_file("white"))
    page.locator("#answer li").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for button in page.locator(".button").all():
        assert button.bounding_box()["height"] >= 40


def test_a_page_without_networks_says_how_to_get_one(browser, tmp_path):
    server = Server(tmp_path)
    try:
        page = browser.new_page()
        page.goto(server.url)
        page.get_by_role("status").filter(has_text="No network is installed yet. Run: make app").wait_for()
        page.close()
    finally:
        server.stop()
