"""HdrHistogram's formats, read by their description and without the code under test."""
import base64
import struct
import zlib


def numbers(data):
    """ZigZag LEB128, nine bytes at most."""
    at = 0
    while at < len(data):
        raw = shift = 0
        while True:
            byte = data[at]
            at += 1
            if shift == 56:
                raw |= byte << shift
                break
            raw |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
        yield (raw >> 1) ^ -(raw & 1)


def decode(text):
    """A compressed histogram as a list of (lowest value, highest value, count), ascending."""
    packed = base64.b64decode(text, validate=True)
    cookie, length = struct.unpack(">II", packed[:8])
    assert cookie == 0x1C849314 and length == len(packed) - 8, (hex(cookie), length)
    plain = zlib.decompress(packed[8:])
    cookie, length, offset, digits, lowest, highest, ratio = struct.unpack(">IIIIQQd", plain[:40])
    assert cookie == 0x1C849313 and length == len(plain) - 40 and offset == 0 and ratio == 1.0
    assert lowest == 1 and digits == 3 and highest == 3_600_000_000_000
    half = 1 << ((2 * 10 ** digits - 1).bit_length() - 1)
    result = []
    index = 0
    for number in numbers(plain[40:]):
        if number < 0:
            index -= number
            continue
        if number > 0:
            shift = max(index // half - 1, 0)
            base = index if index < 2 * half else index % half + half
            result.append((base << shift, ((base + 1) << shift) - 1, number))
        index += 1
    return result


def count(buckets):
    return sum(bucket[2] for bucket in buckets)


def above(buckets, value):
    """How many values are at least that large."""
    return sum(bucket[2] for bucket in buckets if bucket[0] >= value)


def quantile(buckets, share):
    wanted = max(1, -(-round(share * count(buckets) * 1e6) // 1_000_000))
    seen = 0
    for _, highest, number in buckets:
        seen += number
        if seen >= wanted:
            return highest
    return None


def read_log(path):
    """A log as {tag: [(start, length, buckets)]}."""
    rows = {}
    with open(path, encoding="ascii") as file:
        lines = file.read().splitlines()
    assert lines[1] == "#[Histogram log format version 1.3]", lines[1]
    for line in lines:
        if line.startswith(("#", '"')):
            continue
        tag = ""
        if line.startswith("Tag="):
            tag, line = line[4:].split(",", 1)
        start, length, largest, text = line.split(",")
        buckets = decode(text)
        assert abs(buckets[-1][1] / 1e6 - float(largest)) <= float(largest) * 0.002 + 0.001
        rows.setdefault(tag, []).append((float(start), float(length), buckets))
    return rows
