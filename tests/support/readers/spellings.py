"""JSON texts that a reader may take for something else than another reader: of times, amounts, ids, integers, texts."""

import random
from collections.abc import Callable

import orjson


def _strings(*texts: str) -> list[bytes]:
    return [orjson.dumps(one) for one in texts]


_DAY = "2026-01-31"
_NOON = f"{_DAY}T12:00:00"
TIMES = [
    *_strings(*(_NOON + offset for offset in ("Z", "z", "+00:00", "-00:00", "+02:00", "-11:30", "+0200", "+02", "+2:00", "+23:59"))),
    *_strings(
        *(_NOON + offset for offset in ("+24:00", "-24:00", "+25:00", "+99:99", "+12:60", "", " Z", "Z ", " +02:00", "UTC", "GMT", "ZZ"))
    ),
    *_strings(
        *(_NOON + offset for offset in ("+02:00:00", "+02:00:30", "+02:00[Europe/Berlin]", "−02:00", "[UTC]", "Z\n", "+020", "+020000"))
    ),
    *_strings(*(f"{_NOON}.{'123456789012'[:digits]}Z" for digits in range(13))),
    *_strings(*(f"{_NOON}.{digits}Z" for digits in ("0000005", "9999995", "9999994", "999999999", "000000", "1234565", "1234575"))),
    *_strings(f"{_NOON},5Z", f"{_NOON}.5", f"{_NOON}.5+02:00", f"{_NOON}.-5Z", f"{_NOON}.٣Z", f"{_DAY}T12:00:00.5z"),
    *_strings(
        f"{_DAY}t12:00:00z", f"{_DAY}t12:00:00Z", f"{_DAY} 12:00:00Z", f"{_DAY}_12:00:00Z", f"{_DAY}  12:00:00Z", f"{_DAY}\t12:00:00Z"
    ),
    *_strings(
        f"{_DAY}T12:00Z", f"{_DAY}T12Z", f"{_DAY}T1200Z", f"{_DAY}T120000Z", f"{_DAY}T12:00+02:00", f"{_DAY}T12:00", f"{_DAY}T1:00:00Z"
    ),
    *_strings(f"{_DAY}T24:00:00Z", f"{_DAY}T24:00Z", f"{_DAY}T25:00:00Z", f"{_DAY}T23:59:60Z", f"{_DAY}T23:59:61Z", f"{_DAY}T12:60:00Z"),
    *_strings("2016-12-31T23:59:60Z", "2026-02-29T00:00:00Z", "2024-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-10T00:00:00Z"),
    *_strings("0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:01", "0001-01-01T00:00:00-00:01"),
    *_strings("9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59-00:01"),
    *_strings("10000-01-01T00:00:00Z", "-2026-01-01T00:00:00Z", "+2026-01-31T12:00:00Z", "026-01-31T12:00:00Z", "26-01-31T12:00:00Z"),
    *_strings(
        "20260131T120000Z",
        "20260131T12:00:00Z",
        "2026-031T12:00:00Z",
        "2026-W05-6T12:00:00Z",
        "2026-1-31T12:00:00Z",
        "2026/01/31T12:00:00Z",
    ),
    *_strings(
        _DAY,
        "",
        "T",
        "t",
        "now",
        "today",
        "yesterday",
        " " + _NOON + "Z",
        "1769860800",
        "1769860800T",
        "1e9",
        "nan",
        "T12:00:00Z",
        "٢026-01-31T12:00:00Z",
    ),
    *(b"1769860800", b"1769860800.5", b"1769860800000", b"-1", b"1e9", b"0"),
]
AMOUNTS = [
    *_strings(
        "NaN", "nan", "sNaN", "Infinity", "-Infinity", "inf", "1e5", "1E5", "1E+999999", "1e-4", "+1", "-0", "-1", "--1", " 1", "1 ", "1\n"
    ),
    *_strings(
        "1_000",
        "1,000",
        "1,5",
        "٣",
        "１",
        "1.٣",
        "²",
        "½",
        "00012.50",
        "0",
        "00",
        "0.0",
        "0.0000",
        "00.00",
        ".5",
        "5.",
        "1.",
        ".",
        "",
        "1.2.3",
    ),
    *_strings(
        "0x10", "0b1", "1d", "1f", "abc", "1\u0000", "1 000", "$1", "1%", "9" * 9, "9" * 10, "1000000000", "1000000000.0000", "0999999999"
    ),
    *_strings(
        "1000000000.0001", "1000000001", "01000000000", "00000000001", "9" * 16, "9" * 17, "9" * 18, "0" * 17, "0" * 18, "9" * 17 + ".9999"
    ),
    *_strings(
        "1.2", "1.23", "1.234", "1.2345", "1.23456", "0.00001", "1.00000", "9" * 9 + ".9999", "9" * 10 + ".9999", "12.340", "9" * 400
    ),
    *(b"1", b"0", b"1.5", b"1e5", b"-0", b"-0.0", b"1.0", b"12345678901234567890", b"9.99", b"0.1"),
]
INTEGERS = [
    *(b"%d" % (base + more) for base in (0, 1, 100_000, 10_000_000, 2**31, 2**32, 2**53, 2**63, 2**64, 10**30) for more in (-1, 0, 1)),
    *(b"-%d" % (2**power) for power in (31, 53, 63, 64)),
    *(b"1.0", b"1.5", b"0.0", b"-0", b"-0.0", b"1e0", b"1e2", b"1E5", b"1e400", b"5e-1", b"true", b"false", b"null", b"01", b"+1", b"0x1"),
    *_strings("1", "0", "2", "-1", "1.0", " 1", "1 ", "+1", "1_000", "٣", "", "true", "0x1", "1e2", "00"),
]
VERSIONS = [b"1", b"2", b"3", b"4", b"9", b"0", b"-1", *INTEGERS]
_ID = "6f1c2e6a-3f0e-4c56-9a53-0d6f6f1f2a01"
_BARE = _ID.replace("-", "")
IDS = [
    *_strings(
        _ID,
        _ID.upper(),
        _ID.title(),
        _BARE,
        _BARE.upper(),
        "{" + _ID + "}",
        "urn:uuid:" + _ID,
        f" {_ID}",
        f"{_ID} ",
        f"{_ID}\n",
        f"{_ID}\u0000",
    ),
    *_strings(
        "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "0" * 32, "0" * 36, _ID[:-1], _ID + "0", "", "1"
    ),
    *_strings(
        "g" + _ID[1:],
        _ID.replace("-", "_"),
        "6f1c2e6a3-f0e-4c56-9a53-0d6f6f1f2a01",
        _BARE[:4] + "-" * 4 + _BARE[4:],
        "-" * 36,
        "6f1c2e6a-3f0e-1c56-0a53-0d6f6f1f2a01",
    ),
    *_strings("６f1c2e6a-3f0e-4c56-9a53-0d6f6f1f2a01", _BARE[:-1] + "A", "0x" + _BARE, _BARE + "    ", "    " + _BARE),
    *(b'"\\u0036f1c2e6a-3f0e-4c56-9a53-0d6f6f1f2a01"', b"1", b"null", b"12345678901234567890123456789012"),
]
CODES = _strings(
    *("EUR", "USD", "JPY", "BGN", "HRK", "ANG", "SLL", "ZWL", "CUC", "DEM", "ITL", "TRL", "XXX", "XTS", "XAU", "ZZZ", "QQQ", "AAA"),
    *("eur", "Eur", "EU", "EURO", "", " EUR", "EUR ", "EUR\n", "E1R", "€", "ÉUR", "ＥＵＲ", "EU\u0000", "123"),
)
TYPES = [
    *_strings("CreateOrder", "ShipOrder", "CancelOrder", "OrderCreated", "OrderShipped", "OrderCancelled", "CommandRejected"),
    *_strings(
        "ReturnOrder",
        "OrderReturned",
        "DropOrder",
        "createorder",
        "CreateOrder ",
        "",
        "x" * 61,
        "x" * 201,
        "x" * 5000,
        "a\u0000b",
        "\u2028",
        "\x1b[2J",
    ),
    *(b"null", b"1", b"true", b"[]", b"{}", b'["CreateOrder"]', b'"Create\\u004frder"', b'"\\ud800"', b'"' + "☕".encode() + b'"'),
]
ANYTHING = [
    *(
        b"null",
        b"true",
        b"false",
        b"0",
        b"1",
        b"-1",
        b"-0",
        b"1.5",
        b"1e3",
        b"1e308",
        b"1e309",
        b"-1e400",
        b"1e-400",
        b"NaN",
        b"Infinity",
        b"-Infinity",
    ),
    *(
        b"[]",
        b"{}",
        b"[1]",
        b'{"a":1}',
        b'[""]',
        b"[null]",
        b"[[]]",
        b"[{}]",
        b'{"customer_id":"ada"}',
        b"[1,]",
        b"{,}",
        b"01",
        b"'a'",
        b"tru",
        b"",
    ),
    *(
        b'""',
        b'" "',
        b'"a"',
        b'"/"',
        b'"a/b"',
        b'"unknown"',
        b'"web"',
        b'"Web"',
        b'"-web"',
        b'"' + b"w" * 33 + b'"',
        b'"1"',
        b'"true"',
        b'"null"',
    ),
    *(
        b'"\\ud800"',
        b'"\\udc00"',
        b'"\\ud83d\\ude00"',
        b'"\\ud83d\\ud83d"',
        b'"\\udc00\\ud800"',
        b'"\\u0000"',
        b'"\\u0085"',
        b'"\\u007f"',
        b'"\x7f"',
    ),
    *(
        b'"\x01"',
        b'"\n"',
        b'"\\n"',
        b'"\\x41"',
        b'"\\u00"',
        b'"\\/"',
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'"\xf4\x90\x80\x80"',
        b'"\xc2\x85"',
        b'"\xe2\x80\xa8"',
    ),
    *(b"%d" % number for number in (2**31 - 1, 2**31, 2**53, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**30)),
    *(
        b'"' + b"0123456789abcdef" * 4 + b'"',
        b'"' + b"0123456789ABCDEF" * 4 + b'"',
        b'"' + b"0123456789abcdef" * 4 + b'\\n"',
        b'"' + b"a" * 63 + b'"',
    ),
]
_CHARACTERS = (
    *"aZ09 /\\\"'<>&;-_.é☕ßĀ",
    *("\x00", "\x01", "\t", "\n", "\r", "\x1b", "\x1f", "\x7f", "\x80", "\x85", "\x9f", "\xa0", "\xad"),
    *("\u200b", "\u200d", "\u202e", "\u2028", "\u2029", "\ufeff", "\ufffd", "\ufffe", "\uffff", "\ue000", "\ud7ff", "\u0378", "\u0301"),
    *("😀", "👩‍👩‍👧", "\U0001f1e9\U0001f1ea", "\U00010000", "\U0010ffff", "\U000e0001", "٣"),
)
_LENGTHS = (0, 1, 1, 1, 2, 3, 5, 10, 32, 33, 60, 61, 199, 200, 201, 300, 301, 2000, 2001)


def any_text(chance: random.Random) -> str:
    """Text of a length at some bound, sometimes of odd characters."""
    length = chance.choice(_LENGTHS)
    if chance.random() < 0.5:
        return chance.choice("aé☕😀/") * length
    return "".join(chance.choice(_CHARACTERS) if chance.random() < 0.15 else "x" for _ in range(length))


def text(chance: random.Random) -> bytes:
    """The same as JSON, its characters as they are or escaped."""
    made = any_text(chance)
    if chance.random() < 0.5:
        return orjson.dumps(made)
    return b'"' + b"".join(b"\\u%04x" % unit for unit in _units(made)) + b'"'


def _units(made: str) -> list[int]:
    coded = made.encode("utf-16-be")
    return [int.from_bytes(coded[place : place + 2]) for place in range(0, len(coded), 2)]


LARGE: tuple[Callable[[], bytes], ...] = (
    *((lambda depth=depth: b"[" * depth + b"]" * depth) for depth in (900, 1000, 1019, 1020, 1021, 1022, 1023, 1024, 1025, 100_000)),
    *((lambda depth=depth: b'{"a":' * depth + b"1" + b"}" * depth) for depth in (900, 1000, 1021, 1022, 1023, 1024, 1025, 100_000)),
    lambda: b"[" * 100_000,
    lambda: b"9" * 1_000_000,
    lambda: b"-" + b"1" * 1_000_000,
    lambda: b"0." + b"3" * 1_000_000,
    lambda: b'"' + b"9" * 1_000_000 + b'"',
    lambda: b'"' + b"x" * 1_000_000 + b'"',
    lambda: b'"' + "☕".encode() * 100_000 + b'"',
    lambda: b"[" + b"1," * 100_000 + b"1]",
    lambda: b"{" + b",".join(b'"m%d":%d' % (number, number) for number in range(20_000)) + b"}",
    lambda: b" " * 1_000_000 + b"1",
)
"""Made when wanted, because each is up to 1 MB."""
