"""Nothing is lost, nothing grows, nobody waits for ever."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.pipeline.threads import EndOfStream, NewestChannel, OrderedChannel


def both(stop=None):
    stop = stop or threading.Event()
    return [OrderedChannel(stop, 2), NewestChannel(stop)]


@pytest.mark.parametrize("kind", [0, 1])
def test_empty_channel_gives_nothing_at_once_and_after_a_while(kind):
    channel = both()[kind]
    assert channel.get(0) is None
    assert channel.get(0.001) is None


@given(st.lists(st.integers(), max_size=30), st.integers(1, 4))
def test_in_order_gives_everything_in_order(items, size):
    channel = OrderedChannel(threading.Event(), size)
    giver = threading.Thread(target=lambda: [channel.put(item) for item in items] and None or channel.close())
    giver.start()
    assert list(channel) == items
    giver.join()


@given(st.lists(st.integers(), min_size=1))
def test_newest_gives_the_last_one(items):
    channel = NewestChannel(threading.Event())
    for item in items:
        assert channel.put(item)
    channel.close()
    assert list(channel) == [items[-1]]


def test_in_order_is_bounded():
    channel, ahead = OrderedChannel(threading.Event(), 2), []

    def give():
        for number in range(9):
            channel.put(number)
            ahead.append(number)

    giver = threading.Thread(target=give)
    giver.start()
    for number in range(9):
        assert channel.get() == number
        assert len(ahead) <= number + 4
    giver.join()
    assert channel._room.qsize() == 2


def test_enlarging_makes_room():
    channel = OrderedChannel(threading.Event(), 1)
    channel.enlarge(2)
    for number in range(3):
        channel.put(number)
    assert channel._room.qsize() == 0


def test_shut_newest_drops():
    channel = NewestChannel(threading.Event())
    channel.shut = True
    assert channel.put(1)
    assert channel.get(0) is None


@pytest.mark.parametrize("kind", [0, 1])
def test_error_comes_after_the_items(kind):
    channel = both()[kind]
    channel.put(7)
    channel.close(ValueError("broken"))
    assert channel.get() == 7
    end = channel.get()
    assert isinstance(end, EndOfStream) and str(end.error) == "broken"
    channel.close(ValueError("broken"))
    with pytest.raises(ValueError, match="broken"):
        list(channel)


@pytest.mark.parametrize("kind", [0, 1])
def test_stop_wakes_the_taker_and_refuses_the_giver(kind):
    stop = threading.Event()
    channel = both(stop)[kind]
    taker = threading.Thread(target=lambda: list(channel))
    taker.start()
    stop.set()
    channel.wake()
    taker.join(5)
    assert not taker.is_alive()
    assert not channel.put(1)


def test_stop_wakes_a_giver_that_waits_for_room():
    stop = threading.Event()
    channel = OrderedChannel(stop, 1)
    channel.put(1)
    answers = []
    giver = threading.Thread(target=lambda: answers.append(channel.put(2)))
    giver.start()
    stop.set()
    channel.wake()
    giver.join(5)
    assert answers == [False]
