"""axe-core: what of the Web Content Accessibility Guidelines a program can check."""

from playwright.sync_api import Page
from tests.web.browser import AXE

SEVERE = ("serious", "critical")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

_RUN = """async rules => (await axe.run({runOnly: rules})).violations.map(
    ({id, impact, nodes}) => [impact, id, nodes.map(node => node.target.join(" ") + ": " + node.failureSummary)])"""


def severe_violations(page: Page) -> list[tuple[str, list[str]]]:
    """What is serious or critical on the page as it is now: the rule, and the elements that break it."""
    # By the debugger, because the page's policy allows no foreign script.
    page.evaluate(f"window.axe === undefined && (() => {{ {AXE.read_text()} }}).call(window)")
    return [(rule, places) for impact, rule, places in page.evaluate(_RUN, RULES) if impact in SEVERE]
