"""Reading a page as those see it who get it: well-formed, or it cannot be read at all."""

import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

Element = ET.Element


def parsed(page: bytes | str) -> Element:
    """The page as a tree. Raises ParseError where elements do not nest or something is not escaped."""
    text = page.decode() if isinstance(page, bytes) else page
    text = re.sub(r"^<!DOCTYPE html>", "", text)
    return ET.fromstring(re.sub(r"<(meta|link)([^>]*)>", r"<\1\2/>", text))


def words(element: Element) -> str:
    """What is to be read in an element, white space folded; SVG is for the eye."""
    return re.sub(r" ([,.;])", r"\1", " ".join(" ".join(_texts(element)).split()))


def _texts(element: Element) -> Iterator[str]:
    if element.tag in ("svg", "style"):
        return
    yield element.text or ""
    for child in element:
        # What stands in a line of text belongs together, what is a block of its own does not.
        yield from (words(child),) if child.tag in ("svg", "style") else _texts(child)
        yield child.tail or ""


def all_of(element: Element, tag: str, **attributes: str) -> list[Element]:
    """Every element of this name, with these attributes (`class_` is one of its classes), in the page's order."""
    wanted_class = attributes.pop("class_", None)
    return [
        each
        for each in element.iter(tag)
        if (wanted_class is None or wanted_class in (each.get("class") or "").split())
        and all(each.get(name) == value for name, value in attributes.items())
    ]


def one(element: Element, tag: str, **attributes: str) -> Element:
    """The only such element."""
    found = all_of(element, tag, **attributes)
    assert len(found) == 1, f"{len(found)} {tag} with {attributes}"
    return found[0]


def sections(page: Element) -> dict[str, Element]:
    """The sections with a heading of level 2, by its words."""
    return {words(all_of(each, "h2")[0]): each for each in all_of(page, "section") if all_of(each, "h2")}


def described(element: Element) -> list[tuple[str, list[str]]]:
    """The terms of all description lists, each with what is said of it."""
    return [
        (words(one(group, "dt")), [words(each) for each in all_of(group, "dd")])
        for each in all_of(element, "dl")
        for group in all_of(each, "div")
    ]


def rows(table: Element) -> list[list[str]]:
    """The cells of a table as words, head included."""
    return [[words(cell) for cell in row if cell.tag in ("td", "th")] for row in all_of(table, "tr")]
