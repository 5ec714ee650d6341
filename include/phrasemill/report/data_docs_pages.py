"""How Great Expectations' Data Docs look here: its renderers and views, made to escape all and to load nothing.

Its own views put observed values into pages unescaped, and load 14 files and a logo from elsewhere. Ours are named
in the site's configuration, which is how Great Expectations lets them be replaced.
"""

import html
from collections.abc import Mapping
from typing import Any

from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
from great_expectations.render.components import (
    RenderedBootstrapTableContent,
    RenderedBulletListContent,
    RenderedComponentContent,
    RenderedDocumentContent,
    RenderedHeaderContent,
    RenderedSectionContent,
    RenderedStringTemplateContent,
    RenderedTableContent,
    TextContent,
)
from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
from great_expectations.render.view.view import DefaultJinjaPageView
from jinja2 import ChoiceLoader, PackageLoader, pass_context
from markupsafe import Markup, escape

from phrasemill.report.data_docs import CONTENT_POLICY

ICONS = {True: ("fa-check-circle", "text-success"), False: ("fa-times", "text-danger")}
WARNING_ICON = ("fa-exclamation-triangle", "text-warning")
OUTCOMES = {True: "passed", False: "failed"}
SUCCEEDED = {"parent": {"classes": ["hide-succeeded-validation-target-child"]}}
"""The class by which the page's filter finds rows that hold; Great Expectations' own name for it."""


class PageView(DefaultJinjaPageView):
    """Pages of our own template, in which everything is escaped but what these methods made."""

    _template = "page.j2"
    _TRUSTED_HTML_PARAMS = frozenset()

    def __init__(self, custom_styles_directory: None = None, custom_views_directory: None = None) -> None:
        super().__init__(custom_styles_directory, custom_views_directory)
        ours = PackageLoader("phrasemill.report", "data_docs_templates")
        theirs = PackageLoader("great_expectations", "render/view/templates")
        self.env.loader = ChoiceLoader([ours, theirs])
        self.env.autoescape = True
        self.env.globals["content_policy"] = CONTENT_POLICY

    @pass_context
    def render_content_block(
        self,
        jinja_context: Any,  # noqa: ANN401
        content_block: Any,  # noqa: ANN401
        index: Any = None,  # noqa: ANN401
        content_block_id: str | None = None,
        render_to_markdown: bool = False,
    ) -> Any:  # noqa: ANN401
        """A block as HTML; a list as its members, one after the other; plain text escaped."""
        if isinstance(content_block, list):
            parts = (self.render_content_block(jinja_context, part, index, content_block_id) for part in content_block)
            return Markup("").join(parts)
        if not isinstance(content_block, dict):
            return escape("" if content_block is None else content_block)
        return Markup(  # noqa: S704
            super().render_content_block(jinja_context, content_block, index, content_block_id, render_to_markdown)
        )

    def render_string_template(self, template: Any) -> Any:  # noqa: ANN401
        """A template with its parameters; both are escaped, only the tags of its styling are not."""
        if not isinstance(template, dict):
            return template
        # The parent escapes parameters in place: a copy, or a second rendering escapes them twice.
        safe = template | {
            "template": html.escape(template.get("template", ""), quote=False),
            "params": dict(template.get("params", {})),
        }
        return Markup(super().render_string_template(safe))  # type: ignore[no-untyped-call]  # noqa: S704

    @staticmethod
    def _escape_template_param_value(value: Any) -> str:  # noqa: ANN401
        return html.escape(str(value), quote=False)

    def render_styling(self, styling: Mapping[str, Any]) -> Markup:
        """Classes, attributes and styles as attributes of a tag."""
        attributes = {name: escape(value) for name, value in (styling.get("attributes") or {}).items()}
        return Markup(super().render_styling({**styling, "attributes": attributes}))  # noqa: S704

    def attributes_dict_to_html_string(self, attributes_dict: Mapping[str, Any], prefix: str = "") -> Markup:
        """Options as attributes such as data-search="true"."""
        stem = f"{prefix}-" if prefix else ""
        values = {
            name: str(value).lower() if value in (True, False) else value for name, value in attributes_dict.items()
        }
        return Markup(" ").join(Markup('{}{}="{}"').format(stem, name, value) for name, value in values.items())


class VerdictTable:
    """Expectations of one column as a table: whether each holds, what it asks, what was found."""

    @classmethod
    def render(cls, results: list[ExpectationValidationResult], **_: Any) -> RenderedTableContent:  # noqa: ANN401
        """The table of some results; Great Expectations' section renderer calls it."""
        classes = ["ml-2", "mr-2", "mt-0", "mb-0", "table-responsive"]
        if all(result.success for result in results):
            classes.append("hide-succeeded-validations-column-section-target-child")
        return RenderedTableContent(
            table=[[_status(result), _asked(result), result.result["observed"]] for result in results],
            header_row=["Status", "Expectation", "Observed"],
            styling={"classes": classes, "body": {"classes": ["table", "docs-verdict"]}},
        )


class VerdictPage(ValidationResultsPageRenderer):
    """The page of one verdict, or of the whole night."""

    @classmethod
    def _render_validation_header(cls, validation_results: Any) -> RenderedHeaderContent:  # noqa: ANN401
        page, passed = validation_results.meta["page"], validation_results.success
        lines = {f"line_{number}": line for number, line in enumerate(page["lines"])}
        return RenderedHeaderContent(
            header=_text(page["heading"], tag="h5", classes=["m-0"]),
            subheader=RenderedStringTemplateContent(
                string_template={
                    "template": "\n".join(["$icon $outcome", *(f"${name}" for name in lines)]),
                    "params": {"icon": "", "outcome": OUTCOMES[passed], **lines},
                    "styling": {"params": {"icon": {"tag": "i", "classes": ["fas", *ICONS[passed]]}}},
                }
            ),
            styling={"classes": ["col-12", "p-0"], "header": {"classes": ["alert", "alert-secondary"]}},
        )

    def _collect_rendered_document_content_sections(
        self,
        validation_results: ExpectationSuiteValidationResult,  # noqa: ARG002
        overview_content_blocks: list[RenderedComponentContent],
        collapse_content_blocks: list[RenderedTableContent],  # noqa: ARG002
        columns: dict[str, list[ExpectationValidationResult]],
    ) -> list[RenderedSectionContent]:
        """A section for each column, in the order of the results: the column with the worst comes first."""
        overview = RenderedSectionContent(section_name="Overview", content_blocks=overview_content_blocks)
        return [overview, *(self._column_section_renderer.render(results) for results in columns.values())]

    def _determine_page_title(self, run_name: str, run_time: str, data_asset_name: str, suite: str) -> str:  # noqa: ARG002
        return f"{data_asset_name}, night {run_name}"


class IndexPage:
    """The index: a line for each verdict, the night's own first."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def render(self, links: Mapping[str, Any]) -> RenderedDocumentContent:
        """The index of these links."""
        blocks = [
            RenderedHeaderContent(
                header=_text(links["site_name"], tag="h5", classes=["m-0"]),
                styling={"classes": ["col-12"], "header": {"classes": ["alert", "alert-secondary"]}},
            ),
            TextContent(text=self._lines, styling={"classes": ["col-12"]}),
            RenderedBootstrapTableContent(
                table_columns=[
                    {"field": "name", "title": "Verdict on", "filter": "input"},
                    {"field": "outcome", "title": "Outcome", "filter": "select"},
                    {"field": "state", "title": "State", "filter": "select"},
                    {"field": "failed", "title": "Expectations that do not hold", "filter": "input"},
                    {"field": "at", "title": "Time (UTC)", "filter": "input"},
                ],
                table_data=[_index_row(link) for link in sorted(links["validations_links"], key=_order)],
                table_options={"search": True, "pagination": True, "page-size": 25, "filter-control": True},
                styling={"classes": ["col-12"]},
            ),
        ]
        section = RenderedSectionContent(section_name=links["site_name"], content_blocks=blocks)
        return RenderedDocumentContent(
            renderer_type="SiteIndexPageRenderer", sections=[section], utm_medium="index-page"
        )


def _order(link: Mapping[str, Any]) -> int:
    order: int = link["batch_spec"]["order"]
    return order


def _index_row(link: Mapping[str, Any]) -> dict[str, Any]:
    spec = link["batch_spec"]
    passed = link["validation_success"]
    return {
        "href": link["filepath"],
        "name": spec["data_asset_name"],
        "outcome": OUTCOMES[passed],
        "state": spec["state"],
        "failed": spec["failed"],
        "at": f"{link['run_time']:%Y-%m-%d %H:%M:%S}",
        "classes": {"outcome": ICONS[passed][1]},
    }


def _status(result: ExpectationValidationResult) -> RenderedStringTemplateContent:
    warns = not result.success and result.meta["severity"] == "warning"
    return _icon(WARNING_ICON if warns else ICONS[bool(result.success)], styling=SUCCEEDED if result.success else None)


def _icon(classes: tuple[str, str], *, styling: dict[str, Any] | None = None) -> RenderedStringTemplateContent:
    words = {"fa-check-circle": "holds", "fa-times": "failed", "fa-exclamation-triangle": "warning"}[classes[0]]
    template = {
        "template": "",
        "tag": "i",
        "styling": {"classes": ["fas", *classes], "attributes": {"role": "img", "aria-label": words, "title": words}},
    }
    return RenderedStringTemplateContent(string_template=template, styling=styling)


def _asked(result: ExpectationValidationResult) -> list[Any]:
    meta = result.meta
    cell: list[Any] = [
        _text(meta["name"], tag="strong"),
        _text(f"limit: {meta['limit']}", tag="div", classes=["docs-limit"]),
        _text(meta["kind"], tag="code", classes=["docs-kind"]),
        _text(meta["severity"], classes=["badge", "badge-light"]),
    ]
    examples = result.result["examples"]
    if examples:
        points = [_example(one) for one in examples]
        cell.append(RenderedBulletListContent(bullet_list=points, styling={"body": {"classes": ["docs-examples"]}}))
    return cell


def _example(example: Mapping[str, str]) -> Any:  # noqa: ANN401
    if "href" in example:
        return _text(example["text"], tag="a", attributes={"href": example["href"]})
    return _text(example["text"], attributes={"dir": "auto"})


def _text(
    text: str, *, tag: str = "span", classes: list[str] | None = None, attributes: dict[str, str] | None = None
) -> RenderedStringTemplateContent:
    """Any text in a tag; as a parameter, because a template's own $ and line ends mean something."""
    styling = {"classes": classes or [], "attributes": attributes or {}}
    return RenderedStringTemplateContent(
        string_template={"template": "$text", "params": {"text": text}, "tag": tag, "styling": styling}
    )
