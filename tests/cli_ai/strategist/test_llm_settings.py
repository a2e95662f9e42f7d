"""Where the model is and what opens it: half settings, open keys and odd addresses are refused."""

from __future__ import annotations

import os
import stat

import pytest

from cli_ai.strategist.llm_errors import SettingsError
from cli_ai.strategist.llm_settings import find_settings, read_key

LOCAL = "http://127.0.0.1:11434/v1"


def found(url="", model="", key_file="", home=None, **environment):
    return find_settings(url, model, key_file, environment=environment, home=home)


def test_nothing_set_up_is_no_model(tmp_path):
    assert found(home=tmp_path) is None


def test_options_come_before_environment_before_file(tmp_path):
    (tmp_path / "llm.toml").write_text('url = "http://localhost:1/v1"\nmodel = "f"\ntimeout = 5\n')
    kept = found(home=tmp_path)
    assert (kept.url, kept.model, kept.timeout_s) == ("http://localhost:1/v1", "f", 5.0)
    told = found(home=tmp_path, TACTICIAN_LLM=LOCAL, TACTICIAN_LLM_MODEL="e")
    assert (told.url, told.model) == (LOCAL, "e")
    assert found(model="o", home=tmp_path, TACTICIAN_LLM_MODEL="e").model == "o"


@pytest.mark.parametrize(
    ("url", "model", "words"),
    [
        (LOCAL, "", "--model NAME is missing"),
        ("", "m", "--llm URL is missing"),
        ("ftp://x/v1", "m", "no address"),
        ("localhost:11434", "m", "no address"),
        ("http://", "m", "no address"),
        ("http://[::1", "m", "no address"),
        ("http://h:99999/v1", "m", "no address"),
        ("http://me:secret@h/v1", "m", "must not hold a password"),
    ],
)
def test_half_a_setting_says_which_half(tmp_path, url, model, words):
    with pytest.raises(SettingsError, match=words) as caught:
        found(url, model, home=tmp_path)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["url = ", "[x]\n", 'key = "k"\n', "timeout = 0\n", "\xff"])
def test_a_broken_file_is_named(tmp_path, text):
    (tmp_path / "llm.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsError, match=r"llm\.toml"):
        found(LOCAL, "m", home=tmp_path)


def key_file(tmp_path, text="sk-1\n", mode=0o600):
    path = tmp_path / "key"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_key_comes_from_a_private_file(tmp_path):
    path = key_file(tmp_path)
    assert read_key(path) == "sk-1"
    assert found(LOCAL, "m", str(path), home=tmp_path).key == "sk-1"
    assert found(LOCAL, "m", home=tmp_path, TACTICIAN_LLM_KEY_FILE=str(path)).key == "sk-1"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o777])
def test_a_key_that_others_reach_is_refused(tmp_path, mode):
    path = key_file(tmp_path, mode=mode)
    with pytest.raises(SettingsError, match=f"chmod 600 {path}") as caught:
        read_key(path)
    assert "sk-1" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_of_somebody_else_is_refused(tmp_path):
    path = key_file(tmp_path)
    os.chown(path, 65534, 65534)
    with pytest.raises(SettingsError, match="belongs to somebody else"):
        read_key(path)


@pytest.mark.parametrize("text", ["", "\n\n", "two words", "x" * 5000, "k\x00y", "schlüssel"])
def test_what_is_no_key_is_refused(tmp_path, text):
    with pytest.raises(SettingsError):
        read_key(key_file(tmp_path, text))


def test_a_key_file_must_be_a_file(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo, 0o600)
    with pytest.raises(SettingsError, match="no plain file"):
        read_key(fifo)
    with pytest.raises(SettingsError, match="no plain file"):
        read_key(tmp_path)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_key(tmp_path / "absent")


def test_a_key_is_not_sent_unencrypted(tmp_path):
    with pytest.raises(SettingsError, match="unencrypted"):
        found("http://models.example/v1", "m", home=tmp_path, TACTICIAN_LLM_KEY="k")
    assert found("http://[::1]:8080/v1", "m", home=tmp_path, TACTICIAN_LLM_KEY="k").key == "k"
    assert found("https://models.example/v1", "m", home=tmp_path, TACTICIAN_LLM_KEY="k").key == "k"


def test_the_hosted_key_goes_to_its_own_address_only(tmp_path):
    hosted = {"OPENAI_API_KEY": "sk-hosted"}
    assert found("https://api.openai.com/v1", "m", home=tmp_path, **hosted).key == "sk-hosted"
    for url in (LOCAL, "https://api.openai.com.evil.example/v1", "https://other.example/api.openai.com"):
        assert found(url, "m", home=tmp_path, **hosted).key == ""


def test_a_key_is_never_shown(tmp_path):
    settings = found(LOCAL, "m", home=tmp_path, TACTICIAN_LLM_KEY="sk-hidden")
    assert "sk-hidden" not in repr(settings)
    assert "sk-hidden" not in str(settings)


def test_permissions_are_those_of_the_open_file(tmp_path):
    """A link is followed, and what it leads to must be private."""
    path = key_file(tmp_path, mode=0o644)
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(SettingsError, match="chmod 600"):
        read_key(link)
    path.chmod(stat.S_IRUSR)
    assert read_key(link) == "sk-1"
