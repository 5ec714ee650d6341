"""Figures drawn by matplotlib -> SVG that can stand inside a page whose policy forbids style attributes.

What matplotlib writes is turned into plain shapes: style attributes become presentation attributes, references
become the shapes they refer to, identifiers go, and each of our colours becomes a class, so that the page's style
sheet gives it its shade in the light, in the dark and on paper. The same figure always gives the same text.
"""

import io
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET  # reads what matplotlib has written, nothing from outside

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SVG, XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
COLOURS = {
    "ink": "#010101",
    "soft": "#020202",
    "line": "#030303",
    "accent": "#040404",
    "wash": "#050505",
    "second": "#060606",
}
"""Names of colours, each with the value that stands for it until the style sheet decides."""
CLASSES = {value: name for name, value in COLOURS.items()}
KEPT = {
    "fill",
    "fill-opacity",
    "font-size",
    "font-weight",
    "opacity",
    "stroke",
    "stroke-dasharray",
    "stroke-linecap",
    "stroke-linejoin",
    "stroke-opacity",
    "stroke-width",
    "text-anchor",
}
NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


def svg_of(figure: "Figure", *, title: str, description: str, css_class: str) -> str:
    """The figure as one <svg> element with a title and a description for those who cannot see it."""
    written = io.BytesIO()
    figure.savefig(written, format="svg", metadata=NO_METADATA)
    source = ET.fromstring(written.getvalue())  # noqa: S314
    shapes = {shape.get("id"): shape for shape in source.iter(f"{SVG}path") if shape.get("id")}
    drawing = ET.Element(
        "svg",
        {
            "class": css_class,
            "viewBox": source.get("viewBox", ""),
            "role": "img",
            "aria-label": f"{title}. {description}",
            "stroke-linejoin": "round",
        },
    )
    for child in source:
        drawing.extend(_plain(child, shapes))
    return ET.tostring(drawing, encoding="unicode")


def _plain(element: ET.Element, shapes: dict[str | None, ET.Element]) -> list[ET.Element]:
    """An element in plain form; groups that say nothing are dissolved into their content."""
    tag = element.tag.removeprefix(SVG)
    if tag in {"defs", "metadata", "style"}:
        return []
    if tag == "g":
        content = [plain for child in element for plain in _plain(child, shapes)]
        attributes = _attributes(element)
        if not attributes:
            return content
        group = ET.Element("g", attributes)
        group.extend(content)
        return [group]
    if tag == "use":
        shape = ET.Element("path", _attributes(element) | {"d": _path(shapes[element.get(f"{XLINK}href", "#")[1:]])})
        shape.set("transform", f"translate({element.get('x')} {element.get('y')})")
        return [shape]
    if tag == "path":
        return [ET.Element("path", _attributes(element) | {"d": _path(element)})]
    if tag == "text":
        text = ET.Element("text", _attributes(element))
        text.text = element.text
        return [text]
    raise ValueError(f"matplotlib wrote <{tag}>, which no plot of ours is made of; draw the plot without it")


def _attributes(element: ET.Element) -> dict[str, str]:
    style = dict(part.split(": ", 1) for part in element.get("style", "").split("; ") if part)
    found = {name: value for name, value in style.items() if name in KEPT}
    found |= {name: value for name in ("x", "y", "transform") if (value := element.get(name)) is not None}
    if found.get("transform", "").startswith("rotate(-0 "):
        del found["transform"]
    if element.tag in {f"{SVG}path", f"{SVG}text", f"{SVG}use"}:
        classes = [f"{part}-{CLASSES[found.pop(part)]}" for part in ("fill", "stroke") if found.get(part) in CLASSES]
        if classes:
            found["class"] = " ".join(classes)
    if element.tag == f"{SVG}use":
        del found["x"], found["y"]
    return found


def _path(element: ET.Element) -> str:
    return " ".join(element.get("d", "").split())
