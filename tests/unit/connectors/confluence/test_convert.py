"""From the storage format to Markdown."""

from __future__ import annotations

import time
from xml.sax.saxutils import escape as quoted

import pytest
from markdown_it import MarkdownIt

from connectors.confluence.convert import MAX_CHARS, mentioned, to_markdown
from core.errors import DocumentError
from core.indexing.blocks import Block
from core.indexing.readers.dispatch import read


def macro(name: str, body: str = "", *, plain: str | None = None, **parameters: str) -> str:
    settings = "".join(f'<ac:parameter ac:name="{key}">{value}</ac:parameter>' for key, value in parameters.items())
    content = f"<ac:rich-text-body>{body}</ac:rich-text-body>" if body else ""
    content += f"<ac:plain-text-body><![CDATA[{plain}]]></ac:plain-text-body>" if plain is not None else ""
    return f'<ac:structured-macro ac:name="{name}" ac:schema-version="1">{settings}{content}</ac:structured-macro>'


def markdown(storage: str, **names: str) -> str:
    return to_markdown(storage, names)


def blocks(storage: str) -> list[Block]:
    """As the parser understands what comes out."""
    return read(markdown(storage).encode(), "text/markdown")


def rendered(storage: str) -> str:
    """What is meant by what comes out."""
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown(storage)).strip()


class TestText:
    def test_paragraphs_stand_apart_and_white_space_is_one_space(self):
        assert markdown("<p>Thirty\n   days.</p><p>Per&nbsp;year.</p>") == "Thirty days.\n\nPer year."

    def test_headings_keep_their_level(self):
        assert markdown("<h1>Leave</h1><h3>How <em>much</em></h3>") == "# Leave\n\n### How much"

    def test_an_empty_page_is_empty(self):
        assert markdown("") == markdown("<p> </p><h2></h2><ul><li/></ul>") == ""

    def test_entities_are_what_they_stand_for(self):
        assert markdown("<p>Caf&eacute; &ndash; 5&#8239;&euro; &amp; more&hellip;</p>") == "Café – 5 € \\& more…"

    @pytest.mark.parametrize(
        "text",
        [
            "# no heading",
            "- no item",
            "1. no item",
            "> no quote",
            "---",
            "===",
            "*a* _b_ `c`",
            "[x](y)",
            "a | b",
            "~~x~~",
            "&amp; <b> </p>",
        ],
    )
    def test_signs_of_markdown_are_plain_text(self, text):
        assert rendered(f"<p>{quoted(text)}</p>") == f"<p>{quoted(text)}</p>"

    def test_a_line_break_begins_no_list(self):
        assert rendered("<p>first<br/>- second<br/>2) third</p>") == "<p>first\n- second\n2) third</p>"

    def test_formatting_is_dropped_and_inline_code_is_kept(self):
        assert markdown("<p>a <strong>b</strong><u>c</u> <code>x*y`z</code></p>") == "a bc `` x*y`z ``"

    def test_what_nobody_sees_is_not_there(self):
        hidden = '<script>alert(1)</script><style>p {}</style><!-- note --><p style="display: none">secret</p><del>old</del>'
        assert markdown(hidden + "<ac:placeholder>Write here</ac:placeholder><p>seen</p>") == "seen"

    def test_links_keep_their_text_and_their_address(self):
        assert (
            markdown('<p>See <a href="https://acme.com/?a=1&amp;b=(2)">the site</a>.</p>')
            == "See [the site](<https://acme.com/?a=1&b=(2)>)."
        )
        assert markdown('<p><a href="javascript:alert(1)">click</a></p>') == "click"

    def test_quotations_are_quotations(self):
        assert markdown("<blockquote><p>one</p><p>two</p></blockquote>") == "> one\n>\n> two"

    def test_dates_are_their_day(self):
        assert markdown('<p>Due <time datetime="2026-11-30" />.</p>') == "Due 2026-11-30."


class TestLists:
    def test_they_are_nested_and_numbered(self):
        storage = "<ul><li>one<ul><li><p>two</p></li></ul></li><li>three<ol><li>first</li><li>second</li></ol></li></ul>"
        assert markdown(storage) == "- one\n  - two\n- three\n  1. first\n  2. second"

    def test_an_item_may_hold_a_macro(self):
        assert markdown(f"<ol><li><p>Run:</p>{macro('code', plain='make')}</li></ol>") == "1. Run:\n\n   ```\n   make\n   ```"

    def test_tasks_have_boxes(self):
        storage = (
            "<ac:task-list><ac:task><ac:task-id>1</ac:task-id><ac:task-status>complete</ac:task-status>"
            "<ac:task-body>Book <span>a room</span></ac:task-body></ac:task><ac:task><ac:task-id>2</ac:task-id>"
            "<ac:task-status>incomplete</ac:task-status><ac:task-body>Invite</ac:task-body></ac:task></ac:task-list>"
        )
        assert markdown(storage) == "- [x] Book a room\n- [ ] Invite"


class TestTables:
    def test_the_first_row_of_header_cells_is_the_header(self):
        storage = "<table><tbody><tr><th>Grade</th><th>Days</th></tr><tr><td><p>A</p></td><td><p>30</p></td></tr></tbody></table>"
        assert markdown(storage) == "| Grade | Days |\n| --- | --- |\n| A | 30 |"

    def test_without_header_cells_the_header_is_empty(self):
        assert markdown("<table><tr><td>a</td><td>b</td></tr></table>") == "|  |  |\n| --- | --- |\n| a | b |"

    def test_cells_that_span_stand_in_each_row_and_column(self):
        storage = '<table><tr><th colspan="2">H</th></tr><tr><td rowspan="2">a</td><td>b</td></tr><tr><td>c</td></tr></table>'
        assert markdown(storage) == "| H | H |\n| --- | --- |\n| a | b |\n| a | c |"

    def test_a_cell_is_one_line(self):
        cell = f"<p>one|1</p><ul><li>two</li><li>three</li></ul>{macro('code', plain='a | b')}"
        assert (
            markdown(f"<table><tr><th>H</th></tr><tr><td>{cell}</td></tr></table>").splitlines()[2]
            == "| one\\|1 two; three `a \\| b` |"
        )

    def test_a_table_inside_a_cell_is_text(self):
        inner = "<table><tr><td>x</td><td>y</td></tr></table>"
        assert markdown(f"<table><tr><th>H</th></tr><tr><td>{inner}</td></tr></table>").splitlines()[2] == "| x y |"

    def test_a_table_that_only_arranges_is_taken_apart(self):
        assert markdown("<table><tr><td><h2>Left</h2></td><td><p>right</p></td></tr></table>") == "## Left\n\nright"

    def test_the_parser_sees_the_table_as_one(self):
        [block] = blocks("<table><tr><th>Grade</th></tr><tr><td>A*</td></tr></table>")
        assert block.kind == "table"


class TestMacros:
    def test_code_is_fenced_with_its_language_and_never_cut(self):
        code = 'print("```")\nx = a[0] < 1 & 2\n# ]]]]><![CDATA[> &nbsp;'
        assert markdown(macro("code", plain=code, language="py", title="hello.py")) == (
            'hello.py\n\n````py\nprint("```")\nx = a[0] < 1 & 2\n# ]]> &nbsp;\n````'
        )

    @pytest.mark.parametrize("name", ["info", "note", "warning", "tip", "panel", "expand"])
    def test_boxes_keep_their_title_and_their_text(self, name):
        assert markdown(macro(name, "<p>Ask <em>first</em>.</p>", title="Mind", bgColor="#fff")) == "Mind\n\nAsk first."

    def test_panels_of_the_new_editor_are_read_once(self):
        storage = (
            '<ac:adf-extension><ac:adf-node type="panel"><ac:adf-attribute key="panel-type">note</ac:adf-attribute>'
            "<ac:adf-content><p>once</p></ac:adf-content></ac:adf-node><ac:adf-fallback><p>once</p></ac:adf-fallback></ac:adf-extension>"
        )
        assert markdown(storage) == "once"

    def test_a_status_is_its_word(self):
        assert markdown(f"<p>It is {macro('status', title='IN REVIEW', colour='Yellow')}.</p>") == "It is IN REVIEW."

    @pytest.mark.parametrize("name", ["include", "excerpt-include"])
    def test_what_is_included_is_named_and_not_shown(self, name):
        page = '<ac:link><ri:page ri:space-key="HR" ri:content-title="Salaries" /></ac:link>'
        storage = f'<ac:structured-macro ac:name="{name}"><ac:parameter ac:name="">{page}</ac:parameter></ac:structured-macro>'
        assert markdown(storage) == "See Salaries in HR"

    def test_an_unknown_macro_is_its_text_without_its_settings(self):
        assert markdown(macro("roadmap", "<p>Q3: ship</p>", source="internal", title="x", hash="9f")) == "Q3: ship"

    def test_an_own_excerpt_is_text_unless_it_is_hidden(self):
        assert markdown(macro("excerpt", "<p>short</p>")) == "short"
        assert markdown(macro("excerpt", "<p>short</p>", hidden="true")) == ""

    @pytest.mark.parametrize("name", ["toc", "children", "html", "style", "anchor"])
    def test_what_has_nothing_to_read_is_left_out(self, name):
        assert markdown(macro(name, plain="<b>x</b>", maxLevel="3") + "<p>after</p>") == "after"

    def test_layouts_are_read_from_left_to_right(self):
        cells = "<ac:layout-cell><p>left</p></ac:layout-cell><ac:layout-cell><p>right</p></ac:layout-cell>"
        assert (
            markdown(f'<ac:layout><ac:layout-section ac:type="two_equal">{cells}</ac:layout-section></ac:layout>')
            == "left\n\nright"
        )


class TestReferences:
    def test_links_to_pages_keep_title_and_text(self):
        page = '<ri:page ri:space-key="HR" ri:content-title="Leave policy" />'
        body = "<ac:plain-text-link-body><![CDATA[the rules]]></ac:plain-text-link-body>"
        assert markdown(f"<p>See <ac:link>{page}{body}</ac:link>.</p>") == "See the rules (Leave policy in HR)."
        assert markdown('<p><ac:link><ri:page ri:content-title="Leave policy" /></ac:link></p>') == "Leave policy"

    def test_people_are_named(self):
        storage = "<p>Ask {} or {}.</p>".format(
            '<ac:link><ri:user ri:account-id="712020:5b" /></ac:link>', '<ac:link><ri:user ri:userkey="ff80" /></ac:link>'
        )
        assert mentioned(storage) == {"712020:5b", "ff80"}
        assert to_markdown(storage, {"712020:5b": "Ana Lima"}) == "Ask Ana Lima or somebody."

    def test_attachments_are_their_names(self):
        assert markdown('<p><ac:link><ri:attachment ri:filename="plan.pdf" /></ac:link></p>') == "plan.pdf"
        assert (
            markdown(
                '<ac:structured-macro ac:name="view-file"><ac:parameter ac:name="name"><ri:attachment ri:filename="a.docx"/>'
                "</ac:parameter></ac:structured-macro>"
            )
            == "a.docx"
        )

    def test_images_are_what_is_said_of_them(self):
        said = "<ac:caption><p>2nd floor</p></ac:caption>"
        image = f'<ac:image ac:alt="Floor plan"><ri:attachment ri:filename="p.png" />{said}</ac:image>'
        assert markdown(image) == "Floor plan 2nd floor"
        assert markdown('<p>a<ac:image ac:alt="p.png"><ri:attachment ri:filename="p.png" /></ac:image></p>') == "a"

    def test_emoticons_are_characters(self):
        storage = '<p><ac:emoticon ac:name="tick" /> <ac:emoticon ac:name="smile" ac:emoji-fallback="😀" /></p>'
        assert markdown(storage) == "✅ 😀"


class TestHostileInput:
    def test_nothing_is_lost_behind_broken_markup(self):
        assert markdown("<p>a</b></p></div> b <c:d>c</c:d> 1 < 2 & 3 <p>d") == "a\n\nb c 1 \\< 2 \\& 3\n\nd"

    def test_an_unclosed_cdata_section_is_text(self):
        assert markdown("<p>a <![CDATA[b <i>") == "a b \\<i\\>"

    def test_a_document_type_defines_nothing(self):
        entities = '<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY f SYSTEM "file:///etc/passwd">'
        bomb = f"<!DOCTYPE x [{entities}]><p>&b; &f;</p>"
        assert "aaaaaaaaaaaa" not in markdown(bomb)
        assert "root:" not in markdown(bomb)

    @pytest.mark.parametrize("tag", ["b", "div", "ac:layout", "blockquote", "span"])
    def test_a_hundred_thousand_tags_in_one_another_are_refused_at_once(self, tag):
        began = time.process_time()
        with pytest.raises(DocumentError, match="too deeply"):
            markdown(f"<{tag}>" * 100_000 + "x" + f"</{tag}>" * 100_000)
        assert time.process_time() - began < 3

    def test_two_hundred_lists_in_one_another_are_read(self):
        assert markdown("<ul><li>" * 100 + "deep" + "</li></ul>" * 100).endswith("deep")

    def test_too_long_a_page_is_refused(self):
        with pytest.raises(DocumentError, match="split it"):
            markdown("x" * (MAX_CHARS + 1))

    def test_a_table_cannot_blow_up(self):
        cell = f'<td colspan="9999" rowspan="9999">{"x" * 1000}</td>'
        storage = f"<table>{f'<tr>{cell}</tr>' * 500}</table>"
        assert len(markdown(storage)) < 3 * len(storage)

    def test_control_characters_and_half_characters_are_dropped(self):
        assert markdown("<p>a\x00\x0b\ud800b</p>") == "ab"


NEXT = macro(
    "info",
    '<p>Page the <ac:link ac:card-appearance="inline"><ri:page ri:content-title="Escalation" ri:version-at-save="3" />'
    "<ac:link-body>next in line</ac:link-body></ac:link> after 15&nbsp;minutes.</p>",
)
CRITICAL = macro("status", title="CRITICAL", colour="Red")
RESTART = macro("code", plain="queue drain --all\nqueue restart", language="bash", breakoutMode="wide")
REAL = f"""
<ac:layout><ac:layout-section ac:type="single" ac:breakout-mode="default"><ac:layout-cell>
<ac:structured-macro ac:name="toc" data-layout="default"><ac:parameter ac:name="maxLevel">3</ac:parameter></ac:structured-macro>
<h1>On-call handbook</h1>
<p local-id="c1">Owner: <ac:link><ri:user ri:account-id="557058:1" ri:local-id="x" /></ac:link>&nbsp;&middot; reviewed
<time datetime="2026-10-01" /></p>
{NEXT}
<table data-table-width="760" ac:local-id="t"><colgroup><col style="width: 50%" /><col /></colgroup><tbody>
<tr><th><p><strong>Severity</strong></p></th><th><p><strong>Respond in</strong></p></th></tr>
<tr><td><p>SEV-1 {CRITICAL}</p></td><td><p>5 minutes</p></td></tr></tbody></table>
<ac:structured-macro ac:name="expand"><ac:parameter ac:name="title">Restart the queue</ac:parameter><ac:rich-text-body>
<ol start="1"><li><p>Drain it:</p>{RESTART}</li>
<li><p>Tell <code>#ops</code>.</p></li></ol></ac:rich-text-body></ac:structured-macro>
<hr /><p /></ac:layout-cell></ac:layout-section></ac:layout>"""


def test_a_page_as_the_editor_saves_it():
    assert to_markdown(REAL, {"557058:1": "Ana Lima"}) == (
        "# On-call handbook\n\n"
        "Owner: Ana Lima · reviewed 2026-10-01\n\n"
        "Page the next in line (Escalation) after 15 minutes.\n\n"
        "| Severity | Respond in |\n| --- | --- |\n| SEV-1 CRITICAL | 5 minutes |\n\n"
        "Restart the queue\n\n"
        "1. Drain it:\n\n   ```bash\n   queue drain --all\n   queue restart\n   ```\n2. Tell `#ops`."
    )
