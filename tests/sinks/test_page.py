"""The frame of the page: nothing gets out of a block, nothing is loaded."""

import base64
import hashlib
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.sinks.html import data_block, page_end, page_head

BLOCK = re.compile(r'<script type="application/json" class="row">(.*)</script>\n', re.DOTALL)


def test_an_empty_page_is_whole():
    page = page_head() + page_end()
    assert page.startswith("<!DOCTYPE html>") and page.endswith("</body>\n</html>\n")
    assert page.count("<script>") == 1 and "$" not in page.split("<style>")[0]


def test_policy_allows_what_is_on_the_page_and_nothing_else():
    page = page_head() + page_end()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy and "http" not in policy and "*" not in policy
    for tag, kind in (("script", "script-src"), ("style", "style-src")):
        text = re.search(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy


def test_nothing_is_fetched_from_anywhere():
    page = page_head() + page_end()
    addresses = set(re.findall(r"https?://[^\"'\s)]*", page))
    # The name of a namespace, which nobody fetches.
    assert addresses == {"http://www.w3.org/2000/svg"}
    assert not re.search(
        r"@import|url\(|fetch\(|XMLHttpRequest|innerHTML|insertAdjacentHTML|document\.write|eval\(", page
    )
    assert re.findall(r'(?:href|src)="([^"]*)"', page) == ["data:,", "#results"]


@pytest.mark.parametrize(
    "value",
    [None, {}, [], "</script><script>alert(1)</script>", "<!-- <script", "&lt;", "\u2028\u2029", "\udcff"],
)
def test_any_value_comes_back(value):
    text = BLOCK.fullmatch(data_block("row", value))[1]
    assert json.loads(text) == value
    assert not set("<>&") & set(text) and text.isascii()


@given(st.recursive(st.text() | st.integers() | st.none(), st.lists, max_leaves=5))
def test_no_text_ends_its_block(value):
    block = data_block("row", value)
    assert block.count("<") == 2 and json.loads(BLOCK.fullmatch(block)[1]) == value


def test_what_is_no_json_is_refused():
    with pytest.raises(ValueError):
        data_block("row", float("nan"))
