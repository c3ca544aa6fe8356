"""No file names a package registry's host or a path of the machine it was written on."""

import re

from tests.support.house import ROOT, texts

# In pieces, so that this file does not contain what it looks for.
_REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pypi", "python", "org"),
        ("pythonhosted", "org"),
        ("repo1", "maven", "org"),
        ("repo", "maven", "apache", "org"),
        ("sonatype", "(com|org)"),
        ("docker", "(io|com)"),
        ("ghcr", "io"),
        ("quay", "io"),
        ("gcr", "io"),
        ("npmjs", "(org|com)"),
        ("crates", "io"),
        ("rubygems", "org"),
        ("anaconda", "(org|com)"),
        ("golang", "org"),
        ("astral", "sh"),
    )
]
_HOST = re.compile(r"\b(" + "|".join(name.replace(".", r"\.") for name in _REGISTRIES) + r")\b", re.IGNORECASE)
_FOLDERS = ("root", "home", "Users", "work", "mnt")
_MACHINE_PATH = re.compile(r"(?<![\w.}*/-])/(" + "|".join(_FOLDERS) + r")/[\w.]+")
_OWN_FOLDER = str(ROOT)


def test_no_file_names_a_registrys_host():
    found = [f"{path}: {match.group()}" for path, text in texts() for match in _HOST.finditer(text)]

    assert not found, "\n".join(found)


def test_no_file_names_a_path_of_this_machine():
    found = [f"{path}: {match.group()}" for path, text in texts() for match in _MACHINE_PATH.finditer(text)]
    if _OWN_FOLDER.count("/") > 1:  # a checkout in a folder such as /app proves nothing
        found += [f"{path}: {_OWN_FOLDER}" for path, text in texts() if _OWN_FOLDER in text]

    assert not found, "\n".join(found)


def test_what_must_not_be_there_would_be_found():
    assert _HOST.search("https://files." + "python" + "hosted.org/x")
    assert _HOST.search("https://repo1." + "maven" + ".org/maven2")
    assert _MACHINE_PATH.search("see /" + "home/ada/x")
    assert not _MACHINE_PATH.search("GET /orders/{id}/home/x")
