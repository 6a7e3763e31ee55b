#!/usr/bin/python3
"""
Holds the examples of client-lib/PROTOCOL.md against themselves: each ```hex block is one whole
message, and the ```json block below it is that message. In the JSON, {"bin": "..."} stands for
bytes, which JSON does not have.

    tests/support/check_protocol_md.py [FILE]      a line for each example that is wrong; exit 1
    tests/support/check_protocol_md.py --mend      writes the hex of those anew, from their JSON
"""

import json
import pathlib
import re
import sys
from collections import namedtuple

import msgpack

PAGE = pathlib.Path(__file__).resolve().parents[2] / "client-lib" / "PROTOCOL.md"

Example = namedtuple("Example", "line hex json")

HEX = re.compile(r"^```hex\n(?P<hex>.*?)^```\n(?:```json\n(?P<json>.*?)^```\n)?", re.M | re.S)


def examples(text):
    return [Example(text.count("\n", 0, match.start()) + 1, match["hex"], match["json"])
            for match in HEX.finditer(text)]


def as_json(value):
    """A decoded message in the JSON of the page."""
    if isinstance(value, bytes):
        return {"bin": value.decode("latin-1")}
    if isinstance(value, list):
        return [as_json(each) for each in value]
    if isinstance(value, dict):
        return {key: as_json(each) for key, each in value.items()}
    return value


def from_json(value):
    """The other way."""
    if isinstance(value, dict) and list(value) == ["bin"]:
        return value["bin"].encode("latin-1")
    if isinstance(value, list):
        return [from_json(each) for each in value]
    if isinstance(value, dict):
        return {key: from_json(each) for key, each in value.items()}
    return value


def decode(example):
    """The message of the hex block; raises ValueError if it is not exactly one."""
    return msgpack.unpackb(bytes.fromhex(example.hex), raw=False)


def fault(example):
    """What is wrong with an example, or None."""
    if example.json is None:
        return "no JSON block below this hex block"
    try:
        message, shown = as_json(decode(example)), json.loads(example.json)
    except ValueError as error:
        return str(error)
    # As text, so that 1, 1.0 and true differ.
    if json.dumps(message, sort_keys=True) != json.dumps(shown, sort_keys=True):
        return f"the hex block is {json.dumps(message)}"
    return None


def check(path=PAGE):
    """The faults of a page, a line each."""
    found = examples(path.read_text(encoding="utf-8"))
    faults = [f"{path.name}:{each.line}: {reason}" for each in found if (reason := fault(each))]
    return faults if found else [f"{path.name}: there are no examples"]


def as_hex(message):
    """As the page shows it: 32 bytes a line."""
    data = msgpack.packb(from_json(message))
    return "".join(data[at:at + 32].hex(" ") + "\n" for at in range(0, len(data), 32))


def mend(path=PAGE):
    text = path.read_text(encoding="utf-8")

    def mended(match):
        example = Example(0, match["hex"], match["json"])
        if example.json is None or fault(example) is None:
            return match[0]
        return match[0].replace(match["hex"], as_hex(json.loads(example.json)), 1)

    path.write_text(HEX.sub(mended, text), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] == ["--mend"]:
        mend()
        sys.exit()
    complaints = check(pathlib.Path(sys.argv[1])) if len(sys.argv) > 1 else check()
    print("\n".join(complaints), end="\n" if complaints else "")
    sys.exit(bool(complaints))
