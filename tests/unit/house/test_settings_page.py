"""`docs/settings.md` shows every setting as the code has it."""

from pydantic import SecretStr

from infra.process.settings import Settings
from infra.process.settings_table import settings_page
from tests.support.house import ROOT, table


def test_the_settings_page_is_current():
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")

    assert page == settings_page(), "docs/settings.md is stale: run `python -m infra.process.settings_table > docs/settings.md`"


def test_every_setting_has_a_line_and_every_secret_is_called_one():
    rows = {row[0]: row for row in table(settings_page().replace("\n|", "\n# t\n|", 1), "# t")}

    for field in Settings.model_fields.values():
        _, default, value, meaning = rows.pop(str(field.validation_alias))
        assert meaning
        assert (value == "secret") == (SecretStr in getattr(field.annotation, "__args__", (field.annotation,)))
        assert (default == "") == (field.default is None)
    assert not rows
