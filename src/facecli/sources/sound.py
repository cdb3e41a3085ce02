"""The sound of a clip, copied into another file beside its pictures."""

import logging
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import av.error
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer

from facecli.core.errors import FacecliError
from facecli.sources.clip import ClipSource, open_container, pick_default

log: logging.Logger = logging.getLogger(__name__)

_AAC = "aac"
_COPIED = {
    "mp4": ({"aac", "mp3", "ac3", "eac3", "alac", "opus"}, _AAC),
    "mov": ({"aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be"}, _AAC),
    "matroska": ({"aac", "mp3", "ac3", "eac3", "opus", "vorbis", "flac", "pcm_s16le", "pcm_s24le"}, _AAC),
    "webm": ({"opus", "vorbis"}, "libopus"),
    "avi": (set(), "pcm_s16le"),
}
"""Container -> codecs that players expect in it, and the encoder for what is in another. AVI knows no times
of sound: there it is written without gaps, with silence where nothing is heard."""
_USUAL_BPS, _LEAST_BPS = 64_000, 24_000
"""Bits a second of sound that is encoded anew: of a channel when nothing better is known, and the fewest."""
_SLACK_S = 0.001
_SEEK_FROM_S = 1.0
_NEW_START_S = 0.5
"""A step back of that much is the start of another recording."""


def open_sound(source: ClipSource, start_s: float) -> "ClipSound | None":
    """The sound of what `source` reads; None when it has none, or when it cannot be read a second time.

    Args:
        source: has given a frame.
        start_s: the moment of its pictures that is nought in the new file.
    """
    try:
        container = open_container(source.spec)
    except FacecliError as error:
        log.warning("%s has no sound in the drawn clip: %s", source.name, error)
        return None
    tracks = container.streams.audio
    if not tracks:
        container.close()
        return None
    return ClipSound(source, container, pick_default(tracks), start_s)


class ClipSound:
    """Copies one track of sound as it is; what the new container does not hold is encoded anew.

    Nothing else goes along: no title, language, cover picture or subtitle.
    """

    def __init__(
        self, source: ClipSource, container: InputContainer, track: AudioStream, start_s: float
    ) -> None:
        self._source, self._container, self._track, self._start_s = source, container, track, start_s
        self._out: OutputContainer | None = None
        self._to: AudioStream | None = None
        self._resampler: AudioResampler | None = None
        self._packets = self._timed()
        self._end_s = 0.0
        self._waiting: tuple[float, av.Packet[Any]] | None = None
        self._fills_gaps, self._written_s = False, 0.0

    def add_to(self, container: OutputContainer) -> None:
        """Adds a track to a file before anything was written to it."""
        codecs, encoder = _COPIED.get(container.format.name, (set(), _AAC))
        self._out, self._fills_gaps = container, container.format.name == "avi"
        codec = self._track.codec_context
        if codec.name in codecs:
            self._to = container.add_stream_from_template(self._track)
            self._to.metadata.clear()
            return
        rate = _nearest_rate(encoder, codec.rate)
        to = container.add_stream(encoder, rate=rate)
        assert isinstance(to, AudioStream)
        to.codec_context.layout = "mono" if codec.channels == 1 else "stereo"
        if (
            encoder != "pcm_s16le"
            and 0 < (stated := codec.bit_rate or 0) < _USUAL_BPS * to.codec_context.channels
        ):
            # More bits than the source has would add nothing.
            to.codec_context.bit_rate = max(stated, _LEAST_BPS)
        to.codec_context.open(strict=False)
        self._resampler = AudioResampler(
            format=to.codec_context.format,
            layout=to.codec_context.layout,
            rate=rate,
            frame_size=to.codec_context.frame_size or None,
        )
        self._to = to

    def copy_until(self, time_s: float | None) -> None:
        """Writes what is heard before that moment of the new file; None: the rest of what was read whole."""
        end_s = self._source.options.end_s
        last_s = float("inf") if end_s is None else end_s - self._start_s
        if time_s is not None:
            last_s = min(last_s, time_s)
        elif not self._source.ended:
            return
        for heard_s, packet in self._until(last_s):
            self._write(heard_s, packet)

    def close(self) -> None:
        """What an encoder holds is written, and the clip is closed."""
        try:
            if self._resampler is not None and self._to is not None and self._out is not None:
                for frame in self._resampler.resample(None):
                    self._out.mux(self._to.encode(frame))
                self._out.mux(self._to.encode(None))
        finally:
            self._container.close()

    def _until(self, last_s: float) -> Iterator[tuple[float, "av.Packet[Any]"]]:
        """Packets that begin before that moment of the new file, none over another."""
        while True:
            self._waiting = self._waiting or next(self._packets, None)
            if self._waiting is None or self._waiting[0] >= last_s:
                return
            taken, self._waiting = self._waiting, None
            if taken[0] > self._end_s - _SLACK_S:
                yield taken

    def _timed(self) -> Iterator[tuple[float, "av.Packet[Any]"] | None]:
        """Packets from the start on with their moments in the new file; None while nobody can know them."""
        base, origin_s = self._track.time_base or Fraction(1, 1000), self._source.origin_s
        shift_s, last_s, joins = -(origin_s + self._start_s), None, 0
        try:
            if self._start_s > _SEEK_FROM_S:
                self._container.seek(int((origin_s + self._start_s) / base), stream=self._track)
            for packet in self._container.demux(self._track):
                stamp = packet.pts if packet.pts is not None else packet.dts
                if packet.size == 0 or stamp is None:
                    continue
                heard_s = float(stamp * base) + shift_s
                length_s = float((packet.duration or 0) * base)
                if last_s is not None and heard_s < last_s - _NEW_START_S:
                    # Joined recordings: sound moves as their pictures do, once these are known.
                    while (join := self._source.join(joins)) is None and not self._source.ended:
                        yield None
                    joins += 1
                    shift_s = shift_s + last_s - heard_s if join is None else join.shift_s - self._start_s
                    heard_s = float(stamp * base) + shift_s
                last_s = heard_s + length_s
                following = self._source.join(joins)
                over = following is not None and heard_s + self._start_s >= following.time_s
                if heard_s > -_SLACK_S and not over:
                    yield max(0.0, heard_s), packet
        except (av.error.FFmpegError, OSError) as error:
            log.warning("%s: the sound cannot be read on: %s", self._source.name, error)

    def _write(self, heard_s: float, packet: "av.Packet[Any]") -> None:
        assert self._out is not None and self._to is not None
        self._end_s = heard_s + float((packet.duration or 0) * (packet.time_base or 0))
        if self._resampler is None:
            base = packet.time_base or Fraction(1, 1000)
            decoded_later = (
                packet.dts - packet.pts if packet.pts is not None and packet.dts is not None else 0
            )
            packet.pts = round(heard_s / base)
            packet.dts = packet.pts + decoded_later
            packet.stream = self._to
            self._out.mux(packet)
            return
        try:
            frames = packet.decode()
        except av.error.MemoryError:
            raise
        except av.error.FFmpegError:
            return
        for frame in frames:
            assert isinstance(frame, AudioFrame)
            if self._fills_gaps:
                self._fill(heard_s, frame)
            frame.pts, frame.time_base = round(heard_s * frame.sample_rate), Fraction(1, frame.sample_rate)
            heard_s += frame.samples / frame.sample_rate
            self._written_s = heard_s
            for ready in self._resampler.resample(frame):
                self._out.mux(self._to.encode(ready))

    def _fill(self, until_s: float, like: AudioFrame) -> None:
        """Silence up to that moment."""
        assert self._out is not None and self._to is not None and self._resampler is not None
        rate = like.sample_rate
        missing = round((until_s - self._written_s) * rate)
        while missing > _SLACK_S * rate:
            count = min(missing, rate)
            silent = AudioFrame(format=like.format.name, layout=like.layout.name, samples=count)
            for plane in silent.planes:
                plane.update(bytes(plane.buffer_size))
            silent.sample_rate = rate
            silent.pts, silent.time_base = round(self._written_s * rate), Fraction(1, rate)
            self._written_s += count / rate
            missing -= count
            for ready in self._resampler.resample(silent):
                self._out.mux(self._to.encode(ready))


def _nearest_rate(encoder: str, rate: int) -> int:
    """Of those that an encoder knows."""
    known = av.codec.Codec(encoder, "w").audio_rates
    return min(known, key=lambda one: (abs(one - rate), one)) if known else rate
