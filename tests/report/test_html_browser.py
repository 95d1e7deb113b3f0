"""The page opened in Chromium, headless, and clicked through."""

import time
from dataclasses import replace

import pytest
from chromium import CHROMIUM, WHY_NOT, browser
from records import composition, grade

from skillmix_lightning.report.html import write_page
from skillmix_lightning.report.results import read_results
from skillmix_lightning.runs import Run

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=WHY_NOT)

HOSTILE = '</script><img src=x onerror="document.title=1"> and {{ 7 * 7 }} [INST]'
MANY = 20_000


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


CONTAMINATION = {"split": "train", "k": 2, "combinations": 2, "exact": 0, "same_skills": 1, "topics_seen": 0.5}


def address(folder, texts):
    seen = {**CONTAMINATION, "seen_together": [1.0, 0.5]}
    run = Run.start(folder / "run", {"student": "somebody", "contamination": [seen]})
    run.add_compositions([text for text, _ in texts])
    run.add_grades([each for _, grades in texts for each in grades])
    write_page(folder / "report.html", read_results([str(run.folder)]))
    return (folder / "report.html").as_uri()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Four texts: full marks, rounds that differ, one written for its grader, and one without points."""
    full = composition("c0", ("metaphor", "simile"), text="Yarn is a river.", split="train")
    second = replace(full, generation=1, text="Yarn runs like a river.")
    hostile = composition("c1", ("deduction", "litotes", "metaphor"), text=HOSTILE, split="held_out")
    unscored = composition("c2", ("litotes", "simile"), text="Not a bad knot.", split="train")
    said = replace(grade(hostile, "011 111"), raw=HOSTILE, opinion={"length": 0, "total": 6})
    lost = replace(grade(unscored, "", status="truncated"), raw="Here's the", reason="the reply was cut")
    texts = [
        (full, [grade(full, "11 111")]),
        (second, [grade(second, f"{point}1 111", round) for round, point in enumerate((0, 1, 0))]),
        (hostile, [said]),
        (unscored, [lost]),
    ]
    return address(tmp_path_factory.mktemp("small"), texts)


def test_a_click_through_the_texts(page, small):
    page.open(small)
    assert page.texts("#count") == ["4 of 4 texts"]
    assert page.texts("#detail p") == ["Choose a text."]
    page.click("#list .row:nth-child(2)")
    page.wait_for("document.querySelector('#detail .text')?.textContent === 'Yarn runs like a river.'")
    assert page.texts("#detail tbody tr:first-child td") == ["metaphor", "0", "0", "1", "0"]
    assert page.texts("#detail tr.disputed td:first-child") == ["metaphor"]
    page.click("#detail details:nth-of-type(2) summary")
    page.wait_for("document.querySelectorAll('#detail details')[1].open")
    assert page.texts("#detail p a") == ["generation 0", "generation 1"]
    page.click("#detail p a")
    page.wait_for("document.querySelector('#detail .text').textContent === 'Yarn is a river.'")
    assert page.texts("#list .shown .badge") == ["5/5"]
    page.run("history.back()")
    page.wait_for("document.querySelector('#detail .text').textContent === 'Yarn runs like a river.'")
    assert page.errors == []


def test_filters_narrow_the_list_and_are_in_the_address(page, small):
    page.open(small)
    for name, value, left in (("split", "train", 3), ("score", "not full marks", 1), ("score", "", 3), ("k", "2", 3)):
        page.choose(f"#filter-{name}", value)
        assert page.texts("#count") == [f"{left} of 4 texts"]
    page.write("#filter-words", "KNOT")
    page.wait_for("document.getElementById('count').textContent === '1 of 4 texts'")
    assert page.run("location.hash") == "#split=train&k=2&words=KNOT"


@pytest.mark.parametrize(
    ("hash", "texts"),
    [
        ("skill=metaphor", ["Yarn is a river.", "Yarn runs like a river.", HOSTILE]),
        ("score=unscored", ["Not a bad knot."]),
        ("score=full+marks", ["Yarn is a river."]),
        ("flag=rounds+differ", ["Yarn runs like a river."]),
        ("flag=looks+like+an+attack", [HOSTILE]),
        ("flag=a+round+without+points", ["Not a bad knot."]),
        ("flag=grader+counts+sentences+otherwise", [HOSTILE]),
        ("run=0&split=held_out&k=3", [HOSTILE]),
        ("skill=no+such+skill", []),
    ],
)
def test_a_link_with_filters_opens_what_it_was_made_from(page, small, hash, texts):
    page.open(f"{small}#{hash}")
    assert page.texts("#list .row div:last-child") == texts


def test_what_a_model_wrote_is_shown_and_never_run(page, small):
    page.open(f"{small}#show=2")
    assert page.texts("#detail .text") == [HOSTILE]
    assert page.texts("#detail pre") == [HOSTILE]
    assert "Looks as if it were written for its grader" in page.texts("#detail p.no")[0]
    assert page.texts("#detail summary") == ["round 0: ok, grader's own total 6"]
    assert page.texts("#detail tbody tr:last-child td")[-1] == "1 (grader: 0)"
    assert page.run("document.querySelectorAll('img').length") == 0
    assert page.run("document.title") == "SKILL-MIX(k): run"


def test_an_unscored_text_says_why_and_shows_the_reply(page, small):
    page.open(f"{small}#show=3")
    assert page.texts("#detail h3 .badge") == ["unscored"]
    assert page.texts("#detail summary") == ["round 0: truncated (the reply was cut)"]
    assert page.texts("#detail pre") == ["Here's the"]
    assert set(page.texts("#detail tbody td.number")) == {"–"}


def test_charts_and_maps_are_drawn_without_a_script(page, small):
    page.open(small)
    assert page.run("document.querySelectorAll('#curves svg circle').length") > 0
    assert page.run("document.querySelector('#curves svg').getBoundingClientRect().width") == 340
    assert "1.00" in page.texts(".heat td")


def test_a_click_leads_to_what_was_seen_in_training(page, small):
    page.open(small)
    page.click("nav button[data-to=tables]")
    page.wait_for("document.getElementById('contamination').getBoundingClientRect().top < innerHeight && scrollY > 0")
    assert page.texts("#contamination tbody td") == ["run", "train", "2", "2", "0", "1", "100%", "50%", "50%"]
    assert page.errors == []


def test_the_page_asks_for_nothing_but_itself(page, small):
    page.requests.clear()
    page.open(f"{small}#show=2")
    assert {url.split("#")[0] for url in page.requests} == {small}
    assert page.errors == []


def test_twenty_thousand_texts_open_scroll_and_filter_at_once(page, tmp_path):
    texts = []
    for number in range(MANY):
        text = composition(f"c{number}", text=f"Text number {number} of many.", split=("train", "held_out")[number % 2])
        texts.append((text, [grade(text, "11 111" if number % 10 else "10 111")]))
    url = address(tmp_path, texts)
    began = time.monotonic()
    page.open(url)
    assert time.monotonic() - began < 20
    assert page.texts("#count") == ["20,000 of 20,000 texts"]
    assert page.run("document.querySelectorAll('#list .row').length") < 60
    page.run("document.getElementById('list').scrollTop = 64 * 19_990")
    page.wait_for("[...document.querySelectorAll('#list .row')].some(e => e.textContent.includes('number 19999 of'))")
    page.choose("#filter-score", "not full marks")
    assert page.texts("#count") == ["2,000 of 20,000 texts"]
    assert page.run("document.getElementById('list').scrollTop") == 0
    began = page.run("performance.now()")
    page.run("filter()")
    assert page.run("performance.now()") - began < 1000
