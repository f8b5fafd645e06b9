"""Looks at the page of a night as a person would, in a real browser, and says what it found, a line each.

Arguments: the browser, then the page.
"""

import sys
from pathlib import Path

from browser import Browser

program, night = sys.argv[1:]
url = Path(night).resolve().as_uri()
browser = Browser(program)
check, found = browser.check, browser.found

browser.open(url)
text = browser.value("document.body.innerText")
for part in ["did not pass, in 1 group", "made small: 1 fault", "Play it again", "Who knew when", "Put to the test"]:
    check(part, part in text, text)
found("tells what broke, what it needs, who knew when, and what was tried")

check("the timeline is folded", not browser.value("document.querySelector('details.timeline').open"))
browser.click("details.timeline > summary")
# It is made when it comes into view: the browser says when, by its own event.
drawn = browser.value(
    "new Promise(resolve => { const frame = document.querySelector('details.timeline iframe');"
    " const look = () => { const stage = frame.contentDocument.getElementById('stage');"
    " if (stage && Number(stage.dataset.drawn) > 0) resolve(Number(stage.dataset.drawn)); else requestAnimationFrame(look); };"
    " frame.scrollIntoView(); look(); })")
check("its records are drawn", drawn > 50, drawn)
zoomed = browser.value(
    "new Promise(resolve => { const inner = document.querySelector('details.timeline iframe').contentDocument;"
    " const stage = inner.getElementById('stage'), before = stage.dataset.to - stage.dataset.from;"
    " stage.focus();"
    " stage.dispatchEvent(new inner.defaultView.KeyboardEvent('keydown', { key: '+', bubbles: true }));"
    " requestAnimationFrame(() => requestAnimationFrame("
    "   () => resolve((stage.dataset.to - stage.dataset.from) / before))); })")
check("it zooms", 0 < zoomed < 1, zoomed)
found("unfolds the timeline of the smallest case, which is alive")

for dark in [False, True]:
    browser.open(url, width=375, height=800, dark=dark, touch=True)
    wide = browser.value("document.documentElement.scrollWidth")
    check("nothing sticks out on a phone", wide <= 375, wide)
found("fits a phone, light and dark")
browser.close()
