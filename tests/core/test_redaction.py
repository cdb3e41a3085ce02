"""Whatever stands in an address as a login, a password or a token is not shown."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from facecli.core.console import HIDDEN, redacted

PASSWORDS = st.text(min_size=1, max_size=30)
TRICKY = st.text(alphabet="aé1:@/?#&=%;| \\\"'[]~", min_size=1, max_size=12)
NAMES = ("password", "token", "pwd", "api_key", "Signature", "auth", "key")
ENDINGS = ("/live", ":554/live", "/a/b.jpg", "")


@pytest.mark.parametrize(
    "given",
    [
        "", "0", "photo.jpg", "a@b.mp4", "photos/me@home.jpg", "C:/photos/a@2x.jpg", "-", "@list.txt", "://",
        "http://", "rtsp://camera.example:554/live", "https://cdn.example/photo@2x.jpg",
        "https://cdn.example/photo%402x.jpg", "http://example.org/a.jpg?id=3&size=big#part",
        "s3://photos/user=7/session=2/a@2x.jpg", "gs://b/date=2024-01-01/key=1.jpg", "az://c/a.jpg?id=3",
        "hf://datasets/me/faces@main/token=a/1.jpg", "s3://b", "s3://b/a:b@c.jpg",
        "http://example.org/a.jpg?keyword=1&design=x&author=y", "http://[::1]:80/a.jpg",
        "https://e.example/a.jpg?size=%C3%BC%20x&u=https%3A%2F%2Fb.example%2Fphoto%402x.jpg",
    ],
)  # fmt: skip
def test_what_holds_no_secret_is_shown_as_it_is(given):
    assert redacted(given) == given


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("rtsp://user:secret@host:554/x", "rtsp://host:554/x"),
        ("rtsp://:secret@host/x", "rtsp://host/x"),
        ("https://ghp_token@host/x.jpg", "https://host/x.jpg"),
        ("rtsp:/user:secret@host/x", "rtsp:/host/x"),
        ("rtsp://user:p@ss@host/x", "rtsp://host/x"),
        ("rtsp://user:p@ss/word@host/x", "rtsp://***@host/x"),
        ("http://user:8080/word@host/x", "http://***@host/x"),
        ("rtsp://user:secret%40host/x", "rtsp://host/x"),
        ("rtsp://user:token=1@host/x", "rtsp://host/x"),
        ("http://host/a.jpg?id=3&token=abc&x=1", "http://host/a.jpg?id=3&token=***"),
        ("http://host/a.jpg?PASSWORD=a&b#c", "http://host/a.jpg?PASSWORD=***"),
        ("http://host/a?p%61ssword=x", "http://host/a?p%61ssword=***"),
        ("http://host/a#access_token=x", "http://host/a#access_token=***"),
        ("rtsp://host/user=admin_password=x_channel=1", "rtsp://host/user=***"),
        ("http://host/cgi?loginuse=a&loginpas=b", "http://host/cgi?loginuse=***"),
        ("https://s3.example/a.jpg?X-Amz-Signature=x", "https://s3.example/a.jpg?X-Amz-Signature=***"),
        ("https://host/a.jpg?sv=1&sig=x", "https://host/a.jpg?sv=1&sig=***"),
        ("https://proxy/?url=http%3A%2F%2Fu%3Ap%40host%2Fa", "https://proxy/?url=http***"),
        ("https://proxy/a%253Ftoken%253Dabc", "https://proxy/a***"),
        ("https://proxy/http://u:p@host/a", "https://***@host/a"),
        ("http://host:80/a?password=x@z", "http://***"),
        ("s3://AKIA:sec/ret@bucket/a.jpg", "s3://***@bucket/a.jpg"),
        ("s3://AKIA:secret@bucket/a@2x.jpg", "s3://***@2x.jpg"),
        ("s3://token@bucket/a.jpg", "s3://bucket/a.jpg"),
        ("s3://AKIA:secret/a.jpg", "s3://***"),
        ("az://c/user=1/a.jpg?sv=1&sig=x", "az://c/user=1/a.jpg?sv=1&sig=***"),
    ],
)
def test_what_is_left_of_an_address(given, shown):
    assert redacted(given) == shown


@example("a/token=b", "/live", "rtsp")
@given(PASSWORDS | TRICKY, st.sampled_from(ENDINGS), st.sampled_from(["rtsp", "http", "https", "rtmp"]))
def test_no_password_before_a_host_is_shown(password, ending, scheme):
    shown = redacted(f"{scheme}://admin:{password}@camera.example{ending}")
    left = (f"camera.example{ending}", f"{HIDDEN}@camera.example{ending}", HIDDEN)
    assert shown in [f"{scheme}://{one}" for one in left]


@given(PASSWORDS | TRICKY, st.sampled_from(NAMES))
def test_no_secret_in_a_query_is_shown(secret, name):
    """With a ":" and an "@" in it, it might be a login, and nothing is sure to be harmless."""
    shown = redacted(f"http://camera.example/a.jpg?id=3&{name}={secret}")
    assert shown in (f"http://camera.example/a.jpg?id=3&{name}={HIDDEN}", f"http://{HIDDEN}")


@example("a/@2x")
@example("@/:")
@given(PASSWORDS | TRICKY)
def test_no_key_of_storage_is_shown_and_what_is_shown_stays(secret):
    mark = "⚿"
    shown = redacted(f"s3://AKIA:{mark}{secret}{mark}@bucket/a.jpg")
    assert shown == "s3://***@bucket/a.jpg" == redacted(shown)
    assert redacted(redacted(f"s3://{secret}")) == redacted(f"s3://{secret}")


@given(PASSWORDS | TRICKY, PASSWORDS | TRICKY)
def test_with_both_neither_is_shown(password, token):
    mark = "⚿"
    shown = redacted(f"http://admin:{mark}{password}{mark}@camera.example/a.jpg?token={mark}{token}{mark}")
    assert mark not in shown and "admin" not in shown


PIECES = st.sampled_from(["@", ":", "/", "?", "#", "=", "&", "%40", "%2540", "***", "pw", "a"])


@given(st.text() | st.lists(PIECES, max_size=8).map("".join))
def test_what_was_shown_stays_as_it_is(given):
    for address in (given, f"http://{given}"):
        assert redacted(redacted(address)) in (redacted(address), f"http://{HIDDEN}")


def test_a_quoted_login_behind_another_one_is_not_shown():
    assert redacted("http://a@b:secret%40host/x.jpg") == "http://host/x.jpg"
    assert (
        redacted("http://:/@camera/x.jpg") == redacted("http://***@camera/x.jpg") == "http://***@camera/x.jpg"
    )


@pytest.mark.parametrize("piece", ["a", "=", "%25", "@", ":", "a=", "://", "?"])
def test_long_addresses_take_no_time(piece):
    begin = time.process_time()
    redacted("http://host/" + piece * (100_000 // len(piece)))
    assert time.process_time() - begin < 2


@given(
    st.text(alphabet="abc+/=", min_size=80, max_size=200),
    st.sampled_from(["data:", "data:image/png;base64,", "DATA:,"]),
)
def test_of_an_address_that_is_the_content_the_head_is_shown(content, head):
    shown = redacted(head + content)
    assert len(shown) < 80 and shown.startswith(head) and shown.endswith("...") and redacted(shown) == shown


@pytest.mark.parametrize("given", ["data:", "data:x.jpg", "data/a.jpg", "data:image/png;base64,abc="])
def test_what_is_short_is_shown_whole(given):
    assert redacted(given) == given
