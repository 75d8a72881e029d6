"""`tm serve`: the page as a command, in a browser, and under hostile and many clients."""

import importlib.util
import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.app.prep import SynthRequest, synth
from engine.app.serve import models
from engine.images.saving import provenance_of
from engine.page.server import Address, is_loopback

SEEN = 3 << 30
"""Bytes that the server may have in memory with fifty browsers at once."""
MANY = 50


@pytest.fixture
def gradio(monkeypatch):
    """Let the command find Gradio, whether it is here or not."""
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: n == "gradio" or real(n))


@pytest.fixture(scope="module")
def support():
    """What talks to a real page."""
    pytest.importorskip("gradio")
    return pytest.importorskip("page_client")


@pytest.fixture(scope="module")
def page(support, tmp_path_factory):
    """The address and the process of a page; its folder of temporary files holds only its own."""
    folder = tmp_path_factory.mktemp("page")
    run = folder / "runs" / "toy"
    run.mkdir(parents=True)
    (run / "report.html").write_text("<h1>A toy report</h1>")
    with support.serving(folder, "--runs", str(folder / "runs")) as (url, process):
        yield url, process, folder


@pytest.fixture
def client(support, page):
    client = support.Client(page[0])
    yield client
    client.close()


def hostile_pictures():
    """Name to content of the pictures that attack every command."""
    place = Path(__file__).parents[1] / "attack" / "test_hostile_pictures.py"
    spec = importlib.util.spec_from_file_location("hostile_pictures", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.hostile("page", few=True, side=96)


def portrait(mark=0):
    """A photograph as PNG, with a corner of one colour of its own."""
    astronaut = pytest.importorskip("skimage.data").astronaut().copy()
    astronaut[:64, :64] = (mark * 5 % 256, mark * 53 % 256, 128)
    content = BytesIO()
    Image.fromarray(astronaut).save(content, "PNG", compress_level=1)
    return content.getvalue()


def test_without_gradio_the_extra_is_named(tm, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    result = tm("serve")
    assert result.code == 2
    assert "needs Gradio" in result.err
    assert "pip install 'tm-toolkit[ui]'" in result.err


def test_a_busy_port_ends_with_2_and_says_so(tm, gradio):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = tm("serve", "--port", port)
    assert result.code == 2
    assert f"port {port} of `127.0.0.1` cannot be used: Address already in use" in result.err
    assert "another `tm serve`" in result.err


@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.1", "a\u0308" * 90])
def test_a_host_that_is_not_this_machine_ends_with_2(tm, gradio, host):
    result = tm("serve", "--port", 0, "--host", host)
    assert result.code == 2
    assert host[:20] in result.err


def test_runs_that_are_no_folder_end_with_2(tm, gradio, tmp_path):
    result = tm("serve", "--port", 0, "--runs", tmp_path / "none")
    assert result.code == 2
    assert "none` is no folder" in result.err


def test_only_loopback_needs_no_token():
    assert all(map(is_loopback, ("127.0.0.1", "127.0.0.9", "localhost", "::1")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.0.2", "example.org", "")))
    assert Address("10.0.0.5", 7860, "abc").url == "http://10.0.0.5:7860/?token=abc"
    assert Address("::1", 7860, None).url == "http://[::1]:7860/"


def test_the_models_that_are_here_are_offered(tmp_path):
    assert [model.name for model in models()] == ["photo", "nano"]
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "sam_ffhq_aging.pt").write_bytes(b"x")
    assert "sam" in [model.name for model in models()]


@pytest.mark.slow
def test_hostile_uploads_are_refused_and_the_page_lives(client, page):
    pictures = {name: one for name, one in hostile_pictures().items() if "good" not in name}
    spoilt = [name for name in pictures if name.startswith(("flip", "head", "cut", "insert"))]
    for name in [*spoilt[::9], *(pictures.keys() - set(spoilt))]:
        (path,) = client.upload(pictures[name], name).json()
        view, said = client.show(path)
        assert "<img src=x>" not in view + said
        assert "tm-after" in view or "tm-refused" in said, name
    (path,) = client.upload(portrait()).json()
    assert "tm-after" in client.show(path)[0]
    too_large = client.upload(b"\x89PNG" + bytes(49 << 20))
    assert too_large.status_code == 413
    for bad in ("/etc/passwd", "/etc/hosts", f"{path}/../../../secret", "http://127.0.0.1:9/x.png"):
        with pytest.raises(Exception, match="403"):
            client.show(bad)
    for url in (
        "file=/etc/passwd",
        f"file={path}/../../../x",
        "file=",
        "proxy=http://127.0.0.1:9/",
    ):
        assert client.http.get(f"/gradio_api/{url}").status_code in (403, 404)
    assert page[1].poll() is None


@pytest.mark.slow
def test_hostile_photographs_of_a_person_are_told_one_by_one(client, page):
    pictures = {name: one for name, one in hostile_pictures().items() if "good" not in name}
    names = sorted(pictures)[:: len(pictures) // 12]
    for name in names:
        assert client.upload(pictures[name], name, of="person").status_code == 200
    shown, _ = client.call("prepare", "")
    assert shown.count("<figure") == len(names)
    assert "tm-kept" not in shown
    assert "<img src=x>" not in shown
    assert page[1].poll() is None
    client.call("clear")


@pytest.mark.slow
def test_fifty_browsers_get_their_own_pictures(page, support):
    def visit(mark):
        client = support.Client(page[0])
        try:
            (path,) = client.upload(portrait(mark)).json()
            answers = [client.show(path, age) for age in (30, 70)]
            return mark, path, dict(client.http.cookies), answers
        finally:
            client.close()

    with ThreadPoolExecutor(MANY) as pool:
        visits = list(pool.map(visit, range(MANY)))
    answered = [visit for visit in visits if None not in visit[3]]
    assert len(answered) > MANY // 2, "the rest were told to wait"
    for mark, _, _, answers in answered:
        for view, _ in answers:
            before, after = support.pictures(view)
            for seen in (before, after):
                corner = seen[10:50, 10:50].reshape(-1, 3).mean(axis=0)
                assert np.abs(corner - (mark * 5 % 256, mark * 53 % 256, 128)).max() < 6
    assert len({path.rpartition("/")[0] for _, path, _, _ in visits}) == MANY
    other = support.Client(page[0])
    for _, path, _, _ in visits:
        assert other.http.get(f"/gradio_api/file={path}").status_code == 404
    other.close()
    assert support.peak_memory(page[1].pid) < SEEN


@pytest.mark.slow
def test_results_are_those_of_the_command_and_gone_at_the_end(support, tm, tmp_path):
    photo = tmp_path / "me.png"
    photo.write_bytes(portrait())
    with support.serving(tmp_path, "--keep") as (url, _):
        client = support.Client(url)
        (path,) = client.upload(photo.read_bytes()).json()
        data = {"path": path, "meta": {"_type": "gradio.FileData"}}
        (made,) = client.call("make", data, 1, None, False, "photo", 70, False)
        assert "Save 70 years" in made
        client.close()
    (kept,) = (tmp_path / "tm-serve").rglob("*.png")
    out = tmp_path / "o"
    assert tm("infer", photo, "--ages", "70", "--weights", "photo", "--out", out).code == 0
    assert kept.read_bytes() == (out / "me_age70.png").read_bytes()
    with support.serving(tmp_path) as (url, _):
        client = support.Client(url)
        client.upload(photo.read_bytes())
        client.close()
        assert list(tmp_path.glob("tm-serve-*/*/photos/*/me.png"))
    assert not list(tmp_path.glob("tm-serve-*"))


@pytest.mark.slow
def test_other_machines_need_the_token(support, tmp_path):
    with support.serving(tmp_path, "--host", "0.0.0.0") as (url, _):
        port, token = url.rpartition(":")[2].split("/?token=")
        here = f"http://127.0.0.1:{port}/"
        without = support.Client(here)
        assert without.page.status_code == 401
        assert without.http.get("/config").status_code == 401
        assert without.upload(portrait()).status_code == 401
        without.close()
        client = support.Client(f"{here}?token={token}")
        assert client.page.status_code == 200
        assert client.upload(portrait()).status_code == 200
        client.close()


@pytest.fixture
def browser(support):
    """Debian's Chromium, driven by Playwright."""
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no Chromium here")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def tab(browser, page):
    """A tab on the page, which notes what goes to other hosts and what fails."""
    tab, faults = browser.new_page(), []
    own = (page[0], "data:", "blob:")
    tab.on("request", lambda one: one.url.startswith(own) or faults.append(one.url))
    tab.on("response", lambda one: one.status < 400 or faults.append(f"{one.status} {one.url}"))
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.goto(page[0])
    yield tab
    assert not faults


@pytest.mark.slow
def test_drop_slide_and_save_in_a_browser(tab, tmp_path):
    photo = tmp_path / "me.png"
    photo.write_bytes(portrait())
    tab.set_input_files("input[type=file]", photo)
    tab.wait_for_selector(".tm-after", timeout=120_000)
    assert "estimated by age-cc0" in tab.inner_text(".tm-facts")
    first = tab.get_attribute(".tm-after", "src")
    tab.fill("#tm-age input[type=number]", "80")
    tab.keyboard.press("Enter")
    changed = "before => document.querySelector('.tm-after').src != before"
    tab.wait_for_function(changed, arg=first, timeout=120_000)
    tab.click("#tm-make")
    tab.wait_for_selector(".tm-save", timeout=120_000)
    with tab.expect_download() as download:
        tab.click(".tm-save")
    download.value.save_as(tmp_path / "saved.png")
    made = provenance_of(tmp_path / "saved.png")
    assert (made["synthetic"], made["target_age"], made["model"]) == (True, 80.0, "photo")
    with Image.open(tmp_path / "saved.png") as saved:
        assert saved.size == (512, 512)


@pytest.mark.slow
def test_a_mood_is_clicked_in_a_browser(tab):
    tab.get_by_role("tab", name="Landscape").click()
    box = tab.locator(".tm-plane").bounding_box()
    tab.mouse.click(box["x"] + box["width"] * 0.8, box["y"] + box["height"] * 0.3)
    tab.wait_for_selector(".tm-landscape img", timeout=120_000)
    facts = dict(zip(*[iter(tab.inner_text("#tm-landscape dl").split())] * 2, strict=True))
    assert float(facts["valence"]) == pytest.approx(0.8, abs=0.02)
    assert float(facts["arousal"]) == pytest.approx(0.7, abs=0.02)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Eight pictures of one drawn person, and one without a face."""
    folder = tmp_path_factory.mktemp("drawn")
    plan = SynthRequest(out=folder, people=1, seed=900_010, ages="25..55", per_person=8, size=256)
    synth(plan)
    Image.new("RGB", (200, 200), "grey").save(folder / "40_99.png")
    return sorted(folder.rglob("*.png"))


@pytest.mark.slow
def test_a_person_is_learned_in_a_browser_and_ages_a_photograph(tab, drawn):
    tab.get_by_role("tab", name="People").click()
    tab.set_input_files("#tm-photos", drawn)
    tab.wait_for_selector("text=9 of 9 are here now", timeout=60_000)
    tab.click("#tm-prepare")
    tab.wait_for_selector("text=Aligning", timeout=120_000)
    tab.wait_for_selector(".tm-cards", timeout=300_000)
    assert tab.locator(".tm-kept").count() == 8
    assert "no face" in tab.inner_text(".tm-dropped")
    tab.click("#tm-learn")
    tab.wait_for_selector("text=Measuring", timeout=300_000)
    report = tab.frame_locator("#tm-learned .tm-report")
    report.locator("h1", has_text="learned").wait_for(timeout=500_000)
    assert "prior" in report.locator("table").first.inner_text()
    with tab.expect_download() as download:
        tab.click("#tm-learned .tm-save")
    assert download.value.suggested_filename == "person.safetensors"
    tab.get_by_role("tab", name="Age").click()
    tab.locator("input[type=file]").first.set_input_files(drawn[2])
    tab.wait_for_selector("#tm-facts-of .tm-refused", timeout=120_000)
    tab.click("button:has-text('More')")
    tab.get_by_label("Model").click()
    tab.get_by_role("option", name="mine").click()
    tab.get_by_label("Age it all the same").check()
    tab.click("#tm-make")
    tab.wait_for_selector("#tm-made .tm-save", timeout=300_000)
    tab.get_by_role("tab", name="People").click()
    tab.click("#tm-forget")
    tab.wait_for_selector("text=Drop 10 to 80")


@pytest.mark.slow
def test_runs_of_the_folder_are_shown_in_a_browser(tab):
    tab.get_by_role("tab", name="Runs").click()
    tab.frame_locator(".tm-report").locator("text=A toy report").wait_for(timeout=60_000)


@pytest.mark.slow
def test_each_browser_has_a_person_of_its_own(support, page, drawn):
    one, other = support.Client(page[0]), support.Client(page[0])
    (path,) = one.upload(drawn[0].read_bytes(), "30_1.png", of="person").json()
    assert other.http.get(f"/gradio_api/file={path}").status_code == 404
    assert "Drop 10 to 80" in other.call("here")[0]
    assert "<dd>1</dd>" in one.call("here")[0]
    for bad in ("../toy", "/etc", "toy/../..", ""):
        assert "tm-report" not in str(other.call("show_run", bad))
    one.close()
    other.close()


@pytest.mark.slow
def test_enhancing_ends_with_a_verdict_or_when_it_is_cancelled(tab, page, tmp_path):
    photo = tmp_path / "small.png"
    with Image.open(BytesIO(portrait())) as picture:
        picture.crop((130, 20, 320, 210)).resize((96, 96)).save(photo)
    tab.get_by_role("tab", name="Enhance").click()
    tab.locator("input[type=file]").nth(1).set_input_files(photo)
    tab.wait_for_selector("button[aria-label='Clear'], button[aria-label='Remove Image']")
    tab.click("#tm-enhance")
    tab.wait_for_selector("#tm-enhanced .tm-save", timeout=500_000)
    assert "esrgan" in tab.inner_text("#tm-enhanced .tm-facts")
    tab.click("#tm-enhance")
    tab.wait_for_selector("text=Starting")
    tab.locator("button:visible", has_text="Cancel").click()
    assert page[1].poll() is None
