"""Parse HTML pages strictly and read them as users see them."""

import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

Element = ET.Element


def parsed(page: bytes | str) -> Element:
    """Parse a page.

    Raises ParseError if elements do not nest or something is not escaped.
    """
    text = page.decode() if isinstance(page, bytes) else page
    text = re.sub(r"^<!DOCTYPE html>", "", text)
    return ET.fromstring(re.sub(r"<(meta|link)([^>]*)>", r"<\1\2/>", text))


def words(element: Element) -> str:
    """Return the text of an element without SVG and style, with white space folded."""
    return re.sub(r" ([,.;])", r"\1", " ".join(" ".join(_texts(element)).split()))


def _texts(element: Element) -> Iterator[str]:
    if element.tag in ("svg", "style"):
        return
    yield element.text or ""
    for child in element:
        # Inline text belongs together; a block stands by itself.
        yield from (words(child),) if child.tag in ("svg", "style") else _texts(child)
        yield child.tail or ""


def all_of(element: Element, tag: str, **attributes: str) -> list[Element]:
    """Return all elements with a tag and attributes in page order.

    `class_` is one of the classes.
    """
    wanted_class = attributes.pop("class_", None)
    return [
        each
        for each in element.iter(tag)
        if (wanted_class is None or wanted_class in (each.get("class") or "").split())
        and all(each.get(name) == value for name, value in attributes.items())
    ]


def one(element: Element, tag: str, **attributes: str) -> Element:
    """Return the only element with a tag and attributes."""
    found = all_of(element, tag, **attributes)
    assert len(found) == 1, f"{len(found)} {tag} with {attributes}"
    return found[0]


def sections(page: Element) -> dict[str, Element]:
    """Return the sections by their level 2 headings."""
    return {words(all_of(each, "h2")[0]): each for each in all_of(page, "section") if all_of(each, "h2")}


def described(element: Element) -> list[tuple[str, list[str]]]:
    """Return the terms of all description lists with their descriptions."""
    return [
        (words(one(group, "dt")), [words(each) for each in all_of(group, "dd")])
        for each in all_of(element, "dl")
        for group in all_of(each, "div")
    ]


def rows(table: Element) -> list[list[str]]:
    """Return the text of all cells of a table by row, head included."""
    return [[words(cell) for cell in row if cell.tag in ("td", "th")] for row in all_of(table, "tr")]
