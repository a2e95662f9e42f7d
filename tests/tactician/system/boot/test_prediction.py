"""The computed boot is the real one: procps and systemd-sysctl run over the same files, in a namespace."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tactician.system.boot.prediction import at_boot, boot_reader, mentions
from tactician.system.boot.sysctl_files import assignments, files, normal

SYSTEMD = Path("/usr/lib/systemd/systemd-sysctl")
FOLDERS = ("etc/sysctl.d", "run/sysctl.d", "usr/local/lib/sysctl.d", "usr/lib/sysctl.d")
PLAIN = ("net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_retries2", "net.ipv4.tcp_keepalive_intvl")
KEYS = (*PLAIN, "net.ipv4.conf.all.medium_id", "net.ipv4.conf.default.medium_id", "net.ipv4.conf.lo.tag")

# The folders of this host disappear behind the generated ones; the network namespace is new, so every
# value that the programs write is nobody's.
SCRIPT = r"""
set -e
mount --bind "$1" /mnt
for folder in run usr/local/lib; do mount -t tmpfs none /$folder; done
for folder in etc run usr/local/lib usr/lib; do
    if [ $folder = run ] || [ $folder = usr/local/lib ]; then mkdir /$folder/sysctl.d; fi
    if [ -d /$folder/sysctl.d ]; then mount --bind "/mnt/$folder/sysctl.d" /$folder/sysctl.d; fi
done
if [ -e /etc/sysctl.conf ]; then mount --bind /mnt/conf /etc/sysctl.conf; fi
shift
"$@" 2>&1 || true
for key in $KEYS; do echo "READ $key = $(cat /proc/sys/$(echo $key | tr . /))"; done
"""


def lines():
    """Lines as administrators write them, and some that they should not have written."""
    spelled = st.sampled_from(KEYS).flatmap(lambda key: st.sampled_from([key, normal(key)]))
    patterns = st.sampled_from(
        ["net.ipv4.tcp_*", "net.ipv4.conf.*.medium_id", "net.ipv4.*.lo.tag", "net.*.tcp_retries2",
         "net/ipv4/tcp_[fr]*", "net.ipv4.conf.*", "net.ipv4.tcp_fin_timeou?"]
    )  # fmt: skip
    key = st.one_of(spelled, spelled, patterns)
    blank = st.sampled_from(["", " ", "\t"])
    value = st.sampled_from(["7", "8", "9", "11", "12", "13", ""])
    written = st.builds(
        lambda dash, one, name, two, text, end: f"{one if not dash else ''}{dash}{name}{two}={text}{end}",
        st.sampled_from(["", "", "", "-"]), blank, key, blank, value, blank,
    )  # fmt: skip
    excluded = st.builds("-{}{}".format, key, blank)
    nonsense = st.sampled_from(
        ["", "#net.ipv4.tcp_retries2 = 5", "; c", "net.ipv4.tcp_retries2", "=", "a", "-"]
    )
    return st.one_of(written, written, written, excluded, nonsense)


def trees():
    names = st.sampled_from(
        [
            "10-a.conf",
            "20-b.conf",
            "60-c.conf",
            "99-z.conf",
            "b.conf",
            ".conf",
            ".d.conf",
            "README",
            "e.conf~",
        ]
    )
    content = st.one_of(st.lists(lines(), max_size=4).map("\n".join), st.just(None))
    return st.tuples(
        st.dictionaries(st.tuples(st.sampled_from(FOLDERS), names), content, max_size=6),
        st.lists(lines(), max_size=3).map("\n".join),
        st.booleans(),
    )


def build(root, tree):
    written, conf, linked = tree
    for folder in FOLDERS:
        (root / folder).mkdir(parents=True)
    for (folder, name), content in written.items():
        path = root / folder / name
        if content is None:
            path.symlink_to("/dev/null")
        else:
            path.write_text(content + "\n")
    if Path("/etc/sysctl.conf").exists():
        (root / "conf").write_text(conf + "\n")
        (root / "etc/sysctl.conf").write_text(conf + "\n")
        link = root / "etc/sysctl.d/99-sysctl.conf"
        if linked:
            link.symlink_to("../sysctl.conf")


def truth(root, *command):
    """What a program wrote to each key, by its own words, and what the keys show afterwards."""
    argv = ["unshare", "-rmn", "sh", "-c", SCRIPT, "sh", str(root), *command]
    environment = {**os.environ, "SYSTEMD_LOG_LEVEL": "debug", "KEYS": " ".join(KEYS), "LC_ALL": "C"}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=True, timeout=60)
    said, shown = {}, {}
    for line in done.stdout.splitlines():
        if found := re.match(r"READ (\S+) = (.*)", line):
            shown[found[1]] = found[2]
        elif found := re.match(r"Setting '/proc/sys/(\S+)' to '(.*)'$", line):
            said[found[1].replace("/", ".")] = found[2]
        elif found := re.match(r"(net\.\S+) =(.*)", line):
            said[found[1]] = found[2].strip() or said.get(found[1], "")
    return {key: text for key, text in said.items() if text}, shown


@pytest.mark.needs("userns", "sysctl")
@settings(max_examples=60)
@given(tree=trees())
def test_procps_does_what_was_computed(tmp_path_factory, tree):
    compare(tmp_path_factory.mktemp("root"), tree, "procps", "sysctl", "--system")


@pytest.mark.needs("userns", str(SYSTEMD))
@settings(max_examples=60)
@given(tree=trees())
def test_systemd_does_what_was_computed(tmp_path_factory, tree):
    compare(tmp_path_factory.mktemp("root"), tree, "systemd", str(SYSTEMD))


def compare(root, tree, reader, *command):
    build(root, tree)
    said, shown = truth(root, *command)
    boots = at_boot(KEYS, reader, str(root))
    assert {key: boot.value for key, boot in boots.items() if boot.value} == {
        key: said[key] for key in KEYS if key in said
    }
    for key in PLAIN:  # those that nothing but a write of their own can move
        if boots[key].value:
            assert shown[key] == boots[key].value


@pytest.fixture
def write(tmp_path):
    def written(path, text):
        file = tmp_path / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return str(tmp_path)

    return written


def test_the_deciding_line_is_named_with_its_file(write):
    write("/usr/lib/sysctl.d/50-vendor.conf", "# vendor\nvm.swappiness = 10\n")
    root = write("/etc/sysctl.d/99-local.conf", "vm.swappiness = 1\n")
    boot = at_boot(["vm.swappiness"], "systemd", root)["vm.swappiness"]
    assert (boot.value, boot.decided_by.where) == ("1", "/etc/sysctl.d/99-local.conf:1")
    assert [line.where for line in mentions("vm/swappiness", root)] == [
        "/usr/lib/sysctl.d/50-vendor.conf:2",
        "/etc/sysctl.d/99-local.conf:1",
    ]


def test_a_file_that_is_to_be_written_takes_part_by_its_name(write):
    root = write("/etc/sysctl.d/70-local.conf", "vm.dirty_ratio = 30\n")
    added = {"/etc/sysctl.d/60-tactician-x.conf": "vm.dirty_ratio = 5\nvm.swappiness = 0\n"}
    boots = at_boot(["vm.dirty_ratio", "vm.swappiness", "vm.laptop_mode"], "systemd", root, added)
    assert [boot.value for boot in boots.values()] == ["30", "0", None]
    assert boots["vm.dirty_ratio"].decided_by.where == "/etc/sysctl.d/70-local.conf:1"


def test_only_procps_ends_with_sysctl_conf(write):
    write("/etc/sysctl.d/60-a.conf", "vm.swappiness = 1\n")
    root = write("/etc/sysctl.conf", "vm.swappiness = 2\n")
    values = [
        at_boot(["vm.swappiness"], reader, root)["vm.swappiness"].value for reader in ("systemd", "procps")
    ]
    assert values == ["1", "2"]


def test_a_masked_file_of_the_vendor_sets_nothing(write, tmp_path):
    root = write("/usr/lib/sysctl.d/50-vendor.conf", "vm.swappiness = 10\n")
    (tmp_path / "etc/sysctl.d").mkdir(parents=True)
    (tmp_path / "etc/sysctl.d/50-vendor.conf").symlink_to("/dev/null")
    assert at_boot(["vm.swappiness"], "procps", root)["vm.swappiness"].value is None
    assert files("procps", root) == ["/etc/sysctl.d/50-vendor.conf"]


def test_links_stay_below_the_root(write, tmp_path):
    root = write("/opt/site/net.conf", "vm.swappiness = 3\n")
    (tmp_path / "etc/sysctl.d").mkdir(parents=True)
    (tmp_path / "etc/sysctl.d/30-site.conf").symlink_to("/opt/site/net.conf")
    assert at_boot(["vm.swappiness"], "systemd", root)["vm.swappiness"].value == "3"


def test_the_first_separator_says_what_a_dot_is():
    assert normal("net.ipv4.conf.eth0/100.rp_filter") == "net/ipv4/conf/eth0.100/rp_filter"
    assert normal("net/ipv4/conf/eth0.100/rp_filter") == "net/ipv4/conf/eth0.100/rp_filter"
    assert normal("plain") == "plain"


def test_what_boots_this_host_is_found_by_its_program(write):
    root = write("/etc/os-release", "")
    assert boot_reader(root) == "procps"
    write("/usr/lib/systemd/systemd-sysctl", "")
    assert boot_reader(root) == "systemd"


@given(st.binary(max_size=200), st.sampled_from(["procps", "systemd"]))
def test_any_bytes_are_read(tmp_path_factory, content, reader):
    root = tmp_path_factory.mktemp("root")
    (root / "etc/sysctl.d").mkdir(parents=True)
    (root / "etc/sysctl.d/a.conf").write_bytes(content)
    for line in assignments(reader, str(root)):
        assert line.line <= content.count(b"\n") + 1
    at_boot(["vm.swappiness"], reader, str(root))
