"""Looks at the page of a trial as a person would, in a real browser, and says what it found, a line each.

Arguments: the browser, then the pages of a trial that broke its promise, of a long one, and of one whose title is wicked.
"""

import statistics
import sys
from pathlib import Path

from browser import Browser

# So long may a picture take, in the middle, before the page is broken and not merely on a slow machine: a page that draws
# every record anew takes longer.
DRAW_MILLIS_MAX = 2_000

program, broken, long, wicked = sys.argv[1:]
url = lambda path: Path(path).resolve().as_uri()
browser = Browser(program)
check, found = browser.check, browser.found


def stage(name):
    """What the timeline says of itself."""
    return float(browser.value(f"document.getElementById('stage').dataset.{name}"))


def view():
    return stage("from"), stage("to")


def span():
    return stage("to") - stage("from")


def text(selector):
    return browser.value(f"document.querySelector('{selector}').innerText")


browser.open(url(broken))
whole = view()
check("all is in view", whole[0] == 0 and stage("drawn") == stage("records") > 500, whole)
check("it is drawn", browser.value(
    "(() => { const chart = document.getElementById('chart'), pen = chart.getContext('2d');"
    " const colors = new Set(new Uint32Array(pen.getImageData(0, 0, chart.width, chart.height).data.buffer));"
    " return colors.size; })()") > 20)
found("opens from a file, and draws every record")

x, y = browser.place("#stage")
browser.wheel(x, y, -300)
check("the wheel zooms in", 0 < span() < whole[1] * 0.5, view())
browser.value("document.getElementById('stage').focus()")
before = span()
browser.key("+")
check("+ zooms in", span() < before)
browser.key("-")
check("- zooms out", abs(span() - before) < 2, (span(), before))
browser.click("#zoom-in")
check("the button zooms in", span() < before)
browser.click("#all")
check("the button shows all", view() == whole)
for _ in range(60):
    browser.key("+") if browser.value("document.activeElement.id") == "stage" else browser.value(
        "document.getElementById('stage').focus()")
check("zooming in has an end", span() >= 2000, span())
browser.key("Home")
check("Home shows all", view() == whole)
found("zooms by wheel, keys and buttons")

browser.key("+")
browser.key("+")
before = view()
browser.key("ArrowRight")
check("→ moves", view()[0] > before[0] and abs(span() - (before[1] - before[0])) < 2)
browser.key("ArrowLeft")
check("← moves back", abs(view()[0] - before[0]) < 2)
browser.drag(*browser.place("#stage"), -200)
check("dragging moves", view()[0] > before[0] and abs(span() - (before[1] - before[0])) < 2)
browser.key("End")
check("End is the end", abs(view()[1] - whole[1]) < 2)
browser.key("Home")
found("moves by keys and hand")

shown = stage("records")
browser.click("#hosts summary")
browser.click("#hosts-list label:nth-child(1) input")
check("a host can be hidden", stage("records") < shown, stage("records"))
browser.click("#hosts-list label:nth-child(1) input")
check("and shown again", stage("records") == shown)
browser.click("#hosts summary")
browser.value("(() => { const pick = document.getElementById('stream'); pick.value = '0';"
              " pick.dispatchEvent(new Event('change')); })()")
browser.painted()
check("a stream can be looked at alone", stage("records") < shown)
browser.value("(() => { const pick = document.getElementById('stream'); pick.value = '-1';"
              " pick.dispatchEvent(new Event('change')); })()")
browser.click("#kinds label:nth-child(1) input")
check("frames can be hidden", stage("records") < shown)
browser.click("#kinds label:nth-child(1) input")
found("filters by host, stream and kind")

browser.place("#stage")
left, top, width, height = browser.value(
    "(() => { const box = document.getElementById('stage').getBoundingClientRect();"
    " return [box.left, box.top, box.width, box.height]; })()")
tips = set()
for part in range(20, 100, 2):
    browser.move(left + width * part / 100, top + height * 0.35)
    if browser.value("!document.getElementById('tip').hidden"):
        tips.add(text("#tip"))
check("pointing at records shows them", len(tips) > 5, tips)
check("with host and words", any("client-1" in tip or "node" in tip for tip in tips), tips)
found("shows the record under the pointer")

browser.value("document.getElementById('stage').focus()")
browser.key("Home")
browser.key("ArrowDown")
first = text("#record")
browser.key("ArrowDown")
check("↓ steps on", first != text("#record") and stage("focus") >= 0, first)
browser.key("ArrowUp")
check("↑ steps back", first == text("#record"), text("#record"))
nameless = browser.value(
    "[...document.querySelectorAll('button, select, input, [tabindex]')].filter((one) => "
    "!(one.getAttribute('aria-label') || one.textContent.trim() || one.closest('label')?.textContent.trim())).length")
check("everything that can be reached has a name", nameless == 0, nameless)
found("steps through records by keys, and tells them")

browser.key("b")
check("b shows where it broke", "evidence" in text("#record"), text("#record"))
broke = float(browser.value("JSON.parse(document.getElementById('data').textContent).evidence[0].at"))
check("the break is in view", view()[0] <= broke <= view()[1], (view(), broke))
at = float(browser.value("document.querySelector('.story button.when:last-of-type').dataset.at"))
browser.click(".story button.when")
check("a line of the story leads there", view()[0] <= at <= view()[1], (view(), at))
browser.click(".listing summary")
check("the records in view are listed", browser.value("document.querySelectorAll('#listing button').length") > 5)
browser.click("#listing li:nth-child(3) button")
check("and lead to the timeline", stage("focus") >= 0)
found("leads to where it broke, and lists its records")

background = "getComputedStyle(document.body).backgroundColor"
light = browser.value(background)
browser.click("#theme")
dark = browser.value(background)
check("the switch makes it dark", dark != light and sum(map(int, dark[4:-1].split(","))) < 150, dark)
browser.value("localStorage.clear()")
browser.open(url(broken), dark=True)
check("a dark system has a dark page", browser.value(background) == dark)
browser.click("#copy")
check("the line to play it again is copied or marked", browser.value("getSelection().toString()") == text("#again"))
found("is light and dark, and hands out the line to play it again")

for dark in [False, True]:
    browser.open(url(broken), width=375, height=812, dark=dark, touch=True)
    check("no page scrolls sideways", browser.value("document.documentElement.scrollWidth") <= 375)
    browser.value("document.getElementById('hosts').open = true; document.querySelector('.listing').open = true")
    browser.painted()
    check("nor with all opened", browser.value("document.documentElement.scrollWidth") <= 375)
    wide = browser.value("Math.max(...[...document.querySelectorAll('body *')].map((one) => one.getBoundingClientRect().right))")
    check("nothing sticks out", wide <= 375, wide)
    browser.value("document.getElementById('hosts').open = false")
    x, y = browser.place("#stage")
    before = span()
    browser.pinch(x, y, 80, 240)
    check("a pinch zooms", span() < before * 0.6, (span(), before))
found("fits a phone, and a pinch zooms")

browser.open(url(long))
check("the long one is long", stage("records") >= 10_000, stage("records"))
browser.value("document.getElementById('stage').focus()")
millis = [stage("drawMillis")]
for key in ["+"] * 8 + ["ArrowLeft"] * 6 + ["-"] * 9 + ["ArrowDown"] * 6:
    browser.key(key)
    millis.append(stage("drawMillis"))
check("10,000 records stay fluid", statistics.median(millis) < DRAW_MILLIS_MAX, millis)
found("stays fluid with 10,000 records")

browser.open(url(wicked))
check("a title runs nothing", browser.value("window.wicked === undefined"))
check("and is shown as it is", "</script><script>" in text("h1") and "\\u{202e}" in text("h1"), text("h1"))
check("the data is whole", browser.value("JSON.parse(document.getElementById('data').textContent).records.length") > 10)
found("a wicked title does nothing")
browser.close()
