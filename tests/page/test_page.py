"""The page of a node in a real browser: what it offers, to whom, and that nothing on it is dangerous.

  test_page.py --mutirao BINARY TEST...     runs those tests
  test_page.py --list                       names all, one a line
With MUTIRAO_SCREENSHOTS=FOLDER it leaves pictures there.
"""

import hashlib
import os
import pathlib
import random
import sys
import unittest
import urllib.parse
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))
import lab  # noqa: E402
from lab import Lab, Mutirao  # noqa: E402
from webdriver import Browser  # noqa: E402

TAB = "\ue004"
ENTER = "\ue007"
# Names that would be something else if the page took them for more than text.
NASTY = ["<script>document.title='broken'<script>.bin", "\"><img src=x onerror=\"document.title='broken'\">.bin",
         "' onmouseover='document.title=1.bin", "&lt;b&gt;&amp;.bin", "javascript:alert(1).bin", "%3Cscript%3E %2F.bin", "?a=b#c.bin",
         "日本語 ação 😀.bin", "\u202egnp.exe.bin"]

# Every element with text of its own: its contrast with what is behind it, where that is too low.
LOW_CONTRAST = r"""
const channels = (text) => text.match(/[\d.]+/g).map(Number);
const over = (front, back) => {
  const alpha = front.length > 3 ? front[3] : 1;
  return [0, 1, 2].map((i) => front[i] * alpha + back[i] * (1 - alpha));
};
const behind = (element) => {
  if (!element) return [255, 255, 255];
  const own = channels(getComputedStyle(element).backgroundColor);
  return own.length === 3 || own[3] === 1 ? own.slice(0, 3) : over(own, behind(element.parentElement));
};
const light = (colour) => {
  const [r, g, b] = colour.map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const low = [];
let looked = 0;
for (const element of document.querySelectorAll("body *")) {
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  if (!own || !element.checkVisibility() || element.closest("svg, noscript, script")) continue;
  const style = getComputedStyle(element);
  const ground = behind(element);
  const a = light(over(channels(style.color), ground)), b = light(ground);
  const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
  ++looked;
  if (contrast < (large ? 3 : 4.5)) low.push(`${element.tagName}.${element.className} ${contrast.toFixed(2)} "${element.textContent.trim().slice(0, 40)}"`);
}
return {low, looked};
"""


def shown(name):
    """What turns the direction of writing could make a program look like a picture: it is made visible."""
    return name.replace("\u202e", "\ufffd")


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def fetched(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read()


class Page(unittest.TestCase):
    def setUp(self):
        self.lab = Lab(self)
        self.source = self.lab.folder("source")
        self.content = {}

    def make(self, name, size, seed=1):
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(random.Random(seed).randbytes(size))
        self.content[name] = sha256(path.read_bytes())
        return path

    def node(self, *arguments):
        return Mutirao(self.lab, "seed", arguments).up()

    def url(self, node):
        return f"http://{node.address}:6881/"

    def three_items(self):
        """A node with a file, a folder and a file with an odd name; and what it is to show of each."""
        node = self.node()
        self.make("disk image.iso", 3 << 20)
        for number in range(25):
            self.make(f"photos/2026/ação {number}.jpg", 1000 * number + 1, number)
        self.make(NASTY[0], 70_000)
        return node, {one: node.share(self.source / one) for one in ("disk image.iso", "photos", NASTY[0])}

    def picture(self, browser, name):
        if "MUTIRAO_SCREENSHOTS" in os.environ:
            browser.screenshot(pathlib.Path(os.environ["MUTIRAO_SCREENSHOTS"]) / f"{name}.png")

    def cards(self, browser):
        return {card.one("h2").text: card for card in browser.all("article")}

    def offers(self, browser, shared):
        """Each item is there, with three ways to get it that lead to the right thing."""
        cards = self.cards(browser)
        self.assertEqual(set(cards), set(shared))
        for name, card in cards.items():
            links = {link.text: link.property("href") for link in card.all(".actions a")}
            self.assertEqual(len(links), 3, links)
            magnet = urllib.parse.parse_qs(urllib.parse.urlsplit(links["Magnet link"]).query)
            self.assertIn(shared[name]["id"], "".join(magnet["xt"]))
            self.assertEqual(magnet["dn"], [name])
            self.assertTrue(magnet["tr"])
            import libtorrent as lt
            info = lt.torrent_info(lt.bdecode(fetched(links["Torrent file"])))
            self.assertEqual(str(info.info_hashes().v2), shared[name]["id"])
            if "Download" in links:
                self.assertEqual(sha256(fetched(links["Download"])), self.content[name])
            else:
                self.assertTrue(links["Browse files"].endswith("/photos/"))

    # --- tests -----------------------------------------------------------------------------------

    def test_lists_every_shared_item_with_magnet_torrent_and_download(self):
        node, shared = self.three_items()
        browser = Browser(self)
        browser.open(self.url(node))
        self.offers(browser, shared)
        self.assertEqual(browser.complaints(), [])
        self.picture(browser, "list-light")

    def test_offers_the_same_without_javascript(self):
        node, shared = self.three_items()
        browser = Browser(self, javascript=False)
        browser.open(self.url(node))
        self.offers(browser, shared)
        self.assertIn("Reload for new ones", browser.one("noscript").text)
        browser.all("article summary")[0].click()
        self.assertEqual(len([one for one in browser.all("article details[open]")]), 1)
        self.picture(browser, "without-javascript")

    def test_figures_change_while_a_transfer_runs_and_nobody_reloads(self):
        node = self.node("--upload-limit", str(4 << 20))
        shared = node.share(self.make("slow.bin", 24 << 20))
        leech = Mutirao(self.lab, "leech").up()
        browsers = {"seed": Browser(self), "leech": Browser(self)}
        browsers["seed"].open(self.url(node))
        browsers["seed"].run("window.untouched = true")
        leech.command("get", shared["magnet"], "-o", self.lab.folder("target"), "--background")
        uploaded = browsers["seed"].one('.totals [data-figure="uploaded"]')
        peers = browsers["seed"].one('.totals [data-figure="peers"]')
        before = uploaded.text
        lab.wait_for(lambda: uploaded.text != before, "the figures of the seed change")
        lab.wait_for(lambda: peers.text == "2", "the seed sees both nodes")
        self.assertTrue(browsers["seed"].run("return window.untouched"), "the page was loaded again")
        self.assertEqual(browsers["seed"].one("[data-live]").text, "Live figures")

        browsers["leech"].open(self.url(leech))
        seen = set()

        def grows():
            seen.add(browsers["leech"].run("return document.querySelector('[data-figure=percent]').textContent"))
            return len(seen) > 3
        lab.wait_for(grows, "the leecher's percent grows")
        self.picture(browsers["leech"], "downloading")
        # When it is whole, the page offers it: it loads itself anew.
        phase = lambda: browsers["leech"].run("return document.querySelector('.phase').textContent")  # noqa: E731
        lab.wait_for(lambda: phase() == "Complete", "the page says that it is complete")
        for browser in browsers.values():
            self.assertEqual(browser.complaints(), [])

    def test_says_so_when_the_node_has_gone(self):
        node, _ = self.three_items()
        browser = Browser(self)
        browser.open(self.url(node))
        lab.wait_for(lambda: browser.one("[data-live]").text == "Live figures", "it is live")
        node.command("stop")
        lab.wait_for(lambda: browser.one("[data-live]").text.startswith("No connection"), "it says that the figures are old")
        node.up()
        lab.wait_for(lambda: browser.one("[data-live]").text == "Live figures", "it is live again")

    def test_names_of_strangers_are_text_and_nothing_else(self):
        node = self.node()
        for number, name in enumerate(NASTY):
            node.share(self.make(name, 1000 + number, number))
            self.make(f"folder/{name}", 2000 + number, 100 + number)
        node.share(self.source / "folder")
        browser = Browser(self)
        browser.open(self.url(node))
        title = browser.run("return document.title")
        names = {shown(name): name for name in NASTY}
        seen = [one.property("textContent") for one in browser.all("article h2")]
        self.assertEqual(set(seen), {*names, "folder"})
        for heading, card in zip(seen, browser.all("article")):
            if heading in names:
                self.assertEqual(sha256(fetched(card.one(".primary").property("href"))), self.content[names[heading]], heading)
        self.assertEqual(len(browser.all("script")), 1)
        self.assertEqual(len(browser.all("img")), 1)
        self.picture(browser, "names")

        browser.open(self.url(node) + "files/folder/")
        links = browser.all("tbody a")
        self.assertEqual({one.property("textContent") for one in links}, set(names))
        for link in links:
            self.assertEqual(sha256(fetched(link.property("href"))), self.content["folder/" + names[link.property("textContent")]])
        self.assertEqual(len(browser.all("script, main img, [onmouseover], [onerror]")), 0)
        self.assertIn("folder", browser.run("return document.title"))
        self.assertNotIn("broken", title)
        self.assertEqual(browser.complaints(), [])
        self.picture(browser, "folder")

    def test_a_download_by_a_click_is_the_file(self):
        node = self.node()
        shared = {name: node.share(self.make(name, 3 << 20, seed)) for seed, name in enumerate(["disk image.iso", "ação 😀.txt"])}
        browser = Browser(self)
        browser.open(self.url(node))
        for name, card in self.cards(browser).items():
            self.assertIn(name, shared)
            card.one(".primary").click()
            copy = browser.downloads / name
            # The browser makes an empty file of that name first.
            lab.wait_for(lambda: copy.exists() and copy.stat().st_size == 3 << 20, f"{name} is downloaded")  # noqa: B023
            self.assertEqual(sha256(copy.read_bytes()), self.content[name])
        self.assertEqual(browser.run("return location.pathname"), "/", "a text is downloaded too, not shown")

    def test_a_shared_page_runs_nothing_in_the_name_of_the_node(self):
        node = self.node()
        (self.source / "evil.html").write_text("<title>evil</title><script>document.title = 'broken'</script>")
        (self.source / "evil.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"><script>document.title = "broken"</script></svg>')
        browser = Browser(self)
        for name in ("evil.html", "evil.svg"):
            node.share(self.source / name)
            browser.open(self.url(node))
            browser.run("location.href = arguments[0]", f"/files/{name}")
            copy = browser.downloads / name
            lab.wait_for(copy.exists, f"{name} is a download, not a page")
            self.assertNotIn("broken", browser.run("return document.title"))

    # --- for everybody ---------------------------------------------------------------------------

    def looks_right(self, browser, where):
        """Contrast in both palettes, no sideways scrolling on a small screen."""
        grounds = {}
        for scheme in ("light", "dark"):
            browser.scheme(scheme)
            browser.run("for (const one of document.querySelectorAll('details')) one.open = true")
            found = browser.run(LOW_CONTRAST)
            self.assertGreater(found["looked"], 5, where)
            self.assertEqual(found["low"], [], f"{where}, {scheme}")
            grounds[scheme] = browser.run("return getComputedStyle(document.body).backgroundColor")
            self.picture(browser, f"{where}-{scheme}")
        self.assertNotEqual(grounds["light"], grounds["dark"])
        browser.scheme("light")
        for width in (320, 768, 1280):
            browser.width(width)
            self.assertLessEqual(browser.run("return document.documentElement.scrollWidth"), width, f"{where} at {width} px")
            self.picture(browser, f"{where}-{width}")

    def test_everybody_can_read_it(self):
        node, _ = self.three_items()
        browser = Browser(self)
        for where, path in (("list", ""), ("folder", "files/photos/2026/"), ("absent", "nothing-here")):
            browser.width(1280)
            browser.open(self.url(node) + path)
            self.looks_right(browser, where)

    def test_everybody_can_find_the_way(self):
        node, _ = self.three_items()
        browser = Browser(self)
        for path in ("", "files/photos/2026/", "nothing-here"):
            browser.open(self.url(node) + path)
            self.assertEqual(browser.one("html").attribute("lang"), "en")
            self.assertTrue(browser.run("return document.title"))
            self.assertEqual([browser.one(css).role for css in ("header", "main", "footer")], ["banner", "main", "contentinfo"])
            levels = [int(one.property("tagName")[1]) for one in browser.all("h1, h2, h3, h4, h5, h6")]
            self.assertEqual((levels[0], levels.count(1)), (1, 1))
            self.assertTrue(all(b <= a + 1 for a, b in zip(levels, levels[1:])), levels)
            browser.run("for (const one of document.querySelectorAll('details')) one.open = true")
            for control in browser.all("a, button, input, select, summary, svg[role]"):
                self.assertTrue(control.label.strip(), control.property("outerHTML"))
            for image in browser.all("img"):
                self.assertIsNotNone(image.attribute("alt"))
            identities = browser.run("return [...document.querySelectorAll('[id]')].map((one) => one.id)")
            self.assertEqual(len(identities), len(set(identities)))
            # Where a link leads must be clear without what stands around it.
            named = [(one.label, one.property("href")) for one in browser.all("article a, main tbody a")]
            self.assertEqual(len(named), len(dict(named)), "two links of one name lead to two places")
        browser.open(self.url(node) + "?lang=pt-BR")
        self.assertEqual(browser.one("html").attribute("lang"), "pt-BR")

    def test_a_keyboard_is_enough(self):
        node, _ = self.three_items()
        browser = Browser(self)
        browser.open(self.url(node))
        wanted = browser.run("return [...document.querySelectorAll('a, button, summary')]"
                             ".filter((one) => one.checkVisibility()).map((one) => one.outerHTML)")
        reached = []
        for _ in wanted:
            browser.press(TAB)
            focused = browser.focused()
            reached.append(focused.property("outerHTML"))
            seen = browser.run("const s = getComputedStyle(arguments[0]); const b = arguments[0].getBoundingClientRect();"
                               "return [s.outlineStyle, parseFloat(s.outlineWidth), b.left >= 0 && b.width > 0]",
                               {"element-6066-11e4-a52e-4f735466cecf": focused.number})
            self.assertEqual((seen[0], seen[1] >= 2, seen[2]), ("solid", True, True), reached[-1])
        self.assertEqual(reached, wanted)
        browser.open(self.url(node))
        browser.press(TAB)
        self.picture(browser, "skip-link")
        browser.press(ENTER)
        self.assertEqual(browser.run("return [location.hash, document.activeElement.id]"), ["#main", "main"])


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        print("\n".join(name for name in dir(Page) if name.startswith("test_")))
        sys.exit(0)
    lab.enter()
    Mutirao.binary = str(pathlib.Path(sys.argv[sys.argv.index("--mutirao") + 1]).resolve())
    tests = [argument for argument in sys.argv[3:] if argument.startswith("test_")]
    unittest.main(argv=[sys.argv[0], "-v", *[f"Page.{test}" for test in tests]])
