#!/usr/bin/env python3
"""Repeats a preset of the labelled stitching data with new ids, to time stitching on many records.

    python3 benches/repeat.py PRESET_FOLDER OUT_FOLDER COPIES

Each copy begins when the one before has ended. Ids, document numbers and numbers of customers are made anew, of the same length
and letters, so that what agreed within a copy still does, and sizes too; names, words and routes stay.
"""

import datetime as dt, hashlib, os, re, sys

base, out, copies = sys.argv[1], sys.argv[2], int(sys.argv[3])
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
TIME = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d|(?<![\w.])17724\d{5}(?:\d{3}|\d{6}|\d{9})?(?![\w.])"
    r"|(?<!\d)2026030[12]\d{6}(?=\.\d{3})|;2026030[12];\d{6};"
)
WORD = re.compile(r"\\u[0-9a-f]{4}|%[0-9A-F]{2}|[A-Za-z0-9]+")
files = {name: open(f"{base}/logs/{name}", encoding="utf-8-sig").read() for name in sorted(os.listdir(base + "/logs"))}
stamps = sorted(dt.datetime.fromisoformat(t).timestamp() for text in files.values() for t in ISO.findall(text)
                if t.startswith("2026-03-0"))
span = int(stamps[len(stamps) * 999 // 1000] - stamps[len(stamps) // 1000]) + 60


def suffix(id15):
    bits = ["".join("1" if c.isupper() else "0" for c in id15[i : i + 5])[::-1] for i in (0, 5, 10)]
    return "".join("ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"[int(b, 2)] for b in bits)


def renamed(copy, known):
    def digest(word):
        return int.from_bytes(hashlib.sha256(f"{copy}:{word}".encode()).digest() * 2, "big")

    def digest_of(word):
        n, new = digest(word), word[:4]
        for _ in range(len(word) - 4):
            n, at = divmod(n, 62)
            new += BASE62[at]
        return new

    def number(digits):
        core = digits.lstrip("0")
        new = str(10 ** (len(core) - 1) + digest(core) % (9 * 10 ** (len(core) - 1)))
        return digits[: len(digits) - len(core)] + new

    def other(word):
        if word.isdigit():
            return number(word) if len(word.lstrip("0")) >= 5 else word
        if re.fullmatch(r"[0-9a-f]{8,}", word):
            return f"{digest(word):0128x}"[: len(word)]
        if len(word) in (15, 18) and re.match(r"(00|0[14]|a0)", word):
            n, new = digest(word[:15]), word[:5]
            for _ in range(10):
                n, at = divmod(n, 62)
                new += BASE62[at]
            return new + (suffix(new) if len(word) == 18 else "")
        if len(word) >= 12 and any(c.isdigit() for c in word):
            return digest_of(word)
        return re.sub(r"\d{5,}", lambda found: number(found[0]), word)

    def rename(found):
        word = found[0]
        if word[0] in "\\%":
            return word
        if not any(c.isdigit() for c in word):
            # An id may have no digit by chance; no word has as many letters, great and small.
            by_chance = len(word) >= 20 and not (word.islower() or word.isupper())
            return digest_of(word) if by_chance else word
        before = found.string[max(0, found.start() - 1) : found.start()]
        if word.isdigit() and len(word) == 4 and before == "_":
            return f"{digest(word) % 10000:04}"
        if word not in known:
            known[word] = other(word)
        return known[word]

    return rename


def later(seconds):
    def shift(found):
        text = found[0]
        if "T" in text:
            moved = dt.datetime.fromisoformat(text) + dt.timedelta(seconds=seconds)
            return moved.strftime("%Y-%m-%dT%H:%M:%S")
        if text.startswith(";"):
            moved = dt.datetime.strptime(text, ";%Y%m%d;%H%M%S;") + dt.timedelta(seconds=seconds)
            return moved.strftime(";%Y%m%d;%H%M%S;")
        if text.startswith("2026"):
            moved = dt.datetime.strptime(text, "%Y%m%d%H%M%S") + dt.timedelta(seconds=seconds)
            return moved.strftime("%Y%m%d%H%M%S")
        return str(int(text) + seconds * 10 ** (len(text) - 10))

    return shift


os.makedirs(out + "/logs", exist_ok=True)
for name, text in files.items():
    head, rows = ("", text) if name.endswith("jsonl") else text.split("\n", 1)
    with open(f"{out}/logs/{name}", "w", newline="") as handle:
        handle.write(head + "\n" if head else "")
        for copy in range(copies):
            rename, shift, at = renamed(copy, {}), later(copy * span), 0
            for found in TIME.finditer(rows):
                handle.write(WORD.sub(rename, rows[at : found.start()]) + shift(found))
                at = found.end()
            handle.write(WORD.sub(rename, rows[at:]))
