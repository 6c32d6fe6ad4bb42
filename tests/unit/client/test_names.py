import pytest

from longshore.client.names import suggested_name


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('attachment; filename="big file.iso"', "big file.iso"),
        ("attachment; filename=plain.csv", "plain.csv"),
        ("attachment; filename=\"_ b.html\"; filename*=UTF-8''%C3%A4%20b.html", "ä b.html"),
        ("attachment; filename*=UTF-8''%C3%A4.iso; filename=\"a.iso\"", "ä.iso"),
        ("attachment; filename*=iso-8859-1''%E4.iso", "ä.iso"),
        ("attachment", ""),
        ("", ""),
        ('attachment; filename=""', ""),
    ],
)
def test_reads_the_name(disposition: str, name: str) -> None:
    assert suggested_name({"content-disposition": disposition}) == name


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("../../etc/passwd", "passwd"),
        ("..%2F..%2Fevil", "evil"),
        ("%5C%5Chost%5Cshare%5Cevil.exe", "evil.exe"),
        ("/etc/cron.d/evil", "evil"),
        ("..", ""),
        (".", ""),
        (".bashrc", "bashrc"),
        ("-rf", "rf"),
        ("evil%00.iso", "evil.iso"),
        ("evil%0A%1B%5B2J.iso", "evil[2J.iso"),
        ("gpj.%E2%80%AEexe", "gpj.exe"),
        ("dots...", "dots"),
        ("a/", ""),
    ],
)
def test_a_name_leads_nowhere_else(given: str, name: str) -> None:
    assert suggested_name({"content-disposition": f"attachment; filename*=UTF-8''{given}"}) == name


def test_a_long_name_keeps_its_extension_and_fits_a_file_system() -> None:
    name = suggested_name({"content-disposition": f"attachment; filename*=UTF-8''{'%C3%A4' * 300}.iso"})

    assert name.endswith("ä.iso")
    assert 195 < len(name.encode()) <= 200
