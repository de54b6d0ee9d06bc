#!/usr/bin/env python3
"""Checks a proof of `trail prove` with nothing of trail: the form is that of docs/evidence.md, the tree
that of RFC 6962 and RFC 9162, the checkpoint a C2SP signed note, the signature Ed25519 (RFC 8032).

usage: check_proof.py PROOF [PUBLIC_KEY_FILE]
"""
import base64
import hashlib
import hmac
import json
import sys


def fail(reason):
    print("does not hold:", reason)
    sys.exit(2)


def sha256(data):
    return hashlib.sha256(data).digest()


# RFC 8032, section 5.1, in its plain form: slow, short, and written without any library.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def add(a, b):
    (x1, y1), (x2, y2) = a, b
    k = D * x1 * x2 * y1 * y2
    x = (x1 * y2 + x2 * y1) * pow(1 + k, P - 2, P)
    y = (y1 * y2 + x1 * x2) * pow(1 - k, P - 2, P)
    return x % P, y % P


def times(n, point):
    result = (0, 1)
    while n:
        if n & 1:
            result = add(result, point)
        point = add(point, point)
        n >>= 1
    return result


def decompress(data):
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if (x * x - square) % P or y >= P:
        fail("no point of the curve")
    return (P - x if x & 1 != sign else x), y


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE = decompress(BASE_Y.to_bytes(32, "little"))


def signed(key, message, signature):
    r, s = decompress(signature[:32]), int.from_bytes(signature[32:], "little")
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    return s < L and times(s, BASE) == add(r, times(challenge, decompress(key)))


def root_from(leaf, index, size, way):
    """RFC 9162, section 2.1.3.2."""
    node, last, result = index, size - 1, sha256(b"\0" + leaf)
    for hash in way:
        if last == 0:
            fail("too many hashes")
        if node & 1 or node == last:
            result = sha256(b"\1" + hash + result)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            result = sha256(b"\1" + result + hash)
        node, last = node >> 1, last >> 1
    if last:
        fail("too few hashes")
    return result


def checkpoint(text, key_file):
    body, _, signatures = text.partition("\n\n")
    body += "\n"
    origin, size, root = body.split("\n")[:3]
    if key_file:
        name, identity, data = open(key_file).read().strip().split("+", 2)
        data = base64.b64decode(data)
        if data[0] != 1 or sha256(name.encode() + b"\n" + data)[:4].hex() != identity:
            fail("the public key")
        for line in signatures.splitlines():
            dash, signer, signature = line.split(" ")
            signature = base64.b64decode(signature)
            if signer == name and signature[:4].hex() == identity:
                if not signed(data[1:], body.encode(), signature[4:]):
                    fail("the signature")
                print("signed by", name)
                break
        else:
            fail("no signature of " + name)
    return int(size), base64.b64decode(root)


def included(proven, size, root):
    leaf = base64.b64decode(proven["leaf"])
    way = [base64.b64decode(hash) for hash in proven["inclusion"]]
    if root_from(leaf, proven["index"], size, way) != root:
        fail("leaf %d is not in the tree" % proven["index"])
    return leaf


def main():
    proof = json.load(open(sys.argv[1]))
    key_file = sys.argv[2] if len(sys.argv) > 2 else None
    if proof["trail_proof"] != "records/v1":
        fail("this script knows proofs of records only")
    size, root = checkpoint(proof["checkpoint"], key_file)
    manifests = {}
    for name, proven in proof["batches"].items():
        leaf = included(proven, size, root)
        head, _, manifest = leaf.partition(b"\n")
        if head != b"trail/batch/v1":
            fail("no manifest")
        manifests[name] = proven["index"], json.loads(manifest)
    for record in proof["records"]:
        leaf = included(record["leaf"], size, root)
        head, rest = leaf[:16], leaf[16:]
        if head != b"trail/record/v1\n":
            fail("no record")
        file, ordinal = int.from_bytes(rest[:4], "little"), int.from_bytes(rest[4:12], "little")
        content, count = rest[12:44], int.from_bytes(rest[44:48], "little")
        digests = [rest[48 + 32 * n : 80 + 32 * n] for n in range(count)]
        if [sha256(base64.b64decode(row)) for row in record["rows"]] != digests:
            fail("the events of record %d" % ordinal)
        index, manifest = manifests[record["batch"]]
        counts = manifest["leaves"]
        first = index - counts["rejects"] - counts["records"]
        if not first <= record["leaf"]["index"] < first + counts["records"]:
            fail("record %d is not of its batch" % ordinal)
        dump = manifest["files"][file]
        if "content" in record:
            salt, data = (base64.b64decode(record["content"][part]) for part in ("salt", "bytes"))
            digest = sha256(dump["reader"].encode() + b"\0" + data)
            if not hmac.compare_digest(sha256(salt + digest), content):
                fail("the text of record %d" % ordinal)
            print("text:", data.decode("utf-8", "replace"))
        print("record %d of %s, SHA-256 %s, %d events" % (ordinal, dump["path"], dump["sha256"], count))


main()
