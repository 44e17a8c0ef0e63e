#!/usr/bin/python3
"""Compare the upper-case service with Python's str.upper().

usage: upper_oracle.py FILTER

FILTER is the program built from upper_filter.c; it cuts its input at random places, by a seed.
What it prints must be data.decode('utf-8', 'surrogateescape').upper() encoded likewise, for every
code point and for bytes that are no UTF-8 at all. Exit status 77 (skipped) if this Python knows
another version of Unicode than the 14.0.0 of Python 3.11.
"""

import random
import subprocess
import sys
import unicodedata

MEGABYTE = 1 << 20


def expected(data):
    text = data.decode("utf-8", "surrogateescape")
    return text.upper().encode("utf-8", "surrogateescape")


def every_code_point(rng):
    codes = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    assert len(codes) == 1_112_064
    yield "every code point in order", "".join(map(chr, codes)).encode()
    rng.shuffle(codes)
    yield "every code point shuffled", "".join(map(chr, codes)).encode()


def cased_text(rng, size):
    """Text in which nearly every code point changes, half of it letters that change length."""
    changing = [chr(c) for c in range(0x110000)
                if not 0xD800 <= c < 0xE000 and chr(c).upper() != chr(c)]
    growing = [c for c in changing if len(c.upper().encode()) != len(c.encode())]
    return "".join(rng.choice(rng.choice((changing, growing, "aZ 中ж"))) for _ in range(size)).encode()


def mutated(rng, data, changes):
    """Valid text with bytes replaced, inserted and removed, most of them near UTF-8's edges."""
    edges = bytes.fromhex("007f80818f909fa0bfc0c1c2dfe0e1ecedeeeff0f1f3f4f5f8fcfeff")
    data = bytearray(data)
    for _ in range(changes):
        at = rng.randrange(len(data))
        kind = rng.randrange(3)
        if kind == 0:
            data[at] = rng.choice(edges)
        elif kind == 1:
            data[at:at + rng.randint(1, 3)] = b""
        else:
            data[at:at] = bytes(rng.choices(edges, k=rng.randint(1, 4)))
    return bytes(data)


def short_sequences(rng, size):
    """Sequences of bytes chosen from the edges alone: every kind of ill-formed prefix."""
    edges = bytes.fromhex("61808f909fa0bfc0c2dfe0e1edeff0f1f4f5")
    return bytes(rng.choices(edges, k=size))


def streams(rng):
    yield from every_code_point(rng)
    yield "cased text", cased_text(rng, 300_000)
    yield "random bytes", rng.randbytes(10 * MEGABYTE)
    yield "bytes at the edges", short_sequences(rng, 4 * MEGABYTE)
    # Small pieces: an insertion into a long bytearray moves all that follows.
    text = cased_text(rng, 3 * MEGABYTE // 2)
    pieces = (text[at:at + 2000] for at in range(0, len(text), 2000))
    yield "mutated text", b"".join(mutated(rng, piece, rng.randrange(200)) for piece in pieces)


def check(path, name, data, seed):
    run = subprocess.run([path, str(seed)], input=data, stdout=subprocess.PIPE, check=True)
    want = expected(data)
    if run.stdout == want:
        return True
    at = next((i for i, (a, b) in enumerate(zip(run.stdout, want)) if a != b),
              min(len(run.stdout), len(want)))
    print(f"{name}, seed {seed}: differs at byte {at} of the output "
          f"({len(run.stdout)} bytes, expected {len(want)})")
    print(f"  got      {run.stdout[max(0, at - 8):at + 8].hex(' ')}")
    print(f"  expected {want[max(0, at - 8):at + 8].hex(' ')}")
    return False


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if unicodedata.unidata_version != "14.0.0":
        print(f"skipped: this Python has Unicode {unicodedata.unidata_version}, not 14.0.0")
        return 77
    good = True
    for name, data in streams(random.Random(8888)):
        for seed in range(1, 5):
            good = check(sys.argv[1], name, data, seed) and good
        print(f"{name}: {len(data)} bytes, 4 ways to cut them")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
