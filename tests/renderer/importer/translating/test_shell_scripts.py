"""Scripts of containers, as the importer follows them: what they load, and what it cannot carry over."""

from __future__ import annotations

import time

import pytest

from kmodgate.renderer.importer.translating.commands.load_commands import Loading, read_loading
from kmodgate.renderer.importer.translating.commands.shell_commands import commands_of


def loading(script: str, *arguments: str) -> Loading:
    """What a container loads whose command is the script, as a file that it mounts."""
    files = {"/scripts/run.sh": script}
    return read_loading(commands_of(["/scripts/run.sh", *arguments], {}, files), [])


IN_FUNCTIONS = """
unload() { rmmod ice acme_nic || true; umount /acme; }
function load {
    local name=$1 dir
    shift
    if [ -n "$name" ]; then
        insmod "/opt/lib/modules/$(uname -r)/${name}.ko" "$@" || { echo failed; exit 1; }
    fi
}
load_all()
{
    for m in acme_core acme_nic; do load "$m" debug=1; done
}
trap unload EXIT
load_all
sleep infinity & wait $!
"""


def test_functions_run_where_they_are_called() -> None:
    result = loading(IN_FUNCTIONS)
    assert (result.modules, result.parameters["acme_nic"]) == (["acme_core", "acme_nic"], ["debug=1"])
    assert (result.removed, result.unloaded) == ([], ["ice", "acme_nic"])
    assert (result.besides, result.besides_at_end) == ([], ["umount /acme"])


def test_functions_that_nothing_calls_by_name_are_read_last() -> None:
    result = loading('start() { modprobe -d /opt acme_nic; }\nstop() { modprobe -r acme_nic; }\n"$ACTION"\n')
    assert (result.modules, result.unloaded) == (["acme_nic"], ["acme_nic"])


DISPATCH = """
case "$1" in
start|"")
    modprobe -d /opt acme_nic
    ;;
(stop) modprobe -r acme_nic; umount /acme;;
*) echo "usage: $0"; exit 1
esac
"""


@pytest.mark.parametrize(("argument", "loaded", "removed"), [("start", ["acme_nic"], []), ("stop", [], ["acme_nic"])])
def test_a_case_takes_the_branch_of_its_word(argument: str, loaded: list[str], removed: list[str]) -> None:
    result = read_loading(commands_of(["sh", "/scripts/run.sh", argument], {}, {"/scripts/run.sh": DISPATCH}), [])
    assert (result.modules or result.removed) == (loaded or removed)
    assert result.besides == (["umount /acme"] if removed else [])


def test_a_case_that_only_the_node_decides_takes_all_branches() -> None:
    result = loading("case $(uname -r) in 5.*) modprobe -d /opt/el9 acme;; 4.18.*) modprobe -d /opt/el8 acme;; esac\n")
    assert (result.modules, result.directory, result.other_directories) == (["acme"], "/opt/el9", ["/opt/el8"])
    assert not result.besides


def test_here_documents_are_no_commands() -> None:
    result = loading(
        "cat > /tmp/note <<'EOF'\nmodprobe not_this isn't\nEOF\n"
        "modprobe -d /opt acme_nic\ncat <<-END\n\trmmod nor_this\n\tEND\nsleep infinity\n"
    )
    assert (result.modules, result.unloaded, result.besides) == (["acme_nic"], [], [])


def test_here_documents_of_a_shell_are_its_script() -> None:
    result = loading("chroot /host /bin/bash -e <<EOF\nmodprobe acme_nic\nEOF\n")
    assert (result.modules, result.on_node) == (["acme_nic"], True)


def test_arrays_are_their_elements() -> None:
    result = loading(
        'MODULES=(acme_core # the bus\n  "acme_nic")\nMODULES+=(acme_rdma)\n'
        'for m in "${MODULES[@]}"; do modprobe -d /opt "$m"; done\n'
    )
    assert result.modules == ["acme_core", "acme_nic", "acme_rdma"]


SETTINGS = {
    "a file for modprobe": 'echo "options acme_nic debug=1" > /etc/modprobe.d/acme.conf',
    "the same with tee": "echo options acme_nic debug=1 | tee -a /host/etc/modprobe.d/acme.conf",
    "a setting of the kernel": "echo 4 >/sys/class/net/acme0/device/sriov_numvfs",
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_settings_that_are_written_are_listed(setting: str) -> None:
    assert loading(f"{SETTINGS[setting]}\nmodprobe -d /opt acme_nic\n").besides
    assert not loading("echo ready > /tmp/ready; echo x >&2; modprobe -d /opt acme_nic > /proc/1/fd/1\n").besides


def test_options_with_a_value_stay() -> None:
    assert loading("modprobe -S 5.14.0 -C /opt/etc -d /opt acme_nic").options == [
        "--set-version=5.14.0",
        "--config=/opt/etc",
    ]
    assert loading('modprobe -S "$(uname -r)" -qd /opt acme_nic').options == []


@pytest.mark.parametrize(
    "script",
    [
        "f() { f; f; }; f",
        "".join(f"f{n}() {{ {'f' + str(n + 1) + '; '} {('f' + str(n + 1) + ';') * 200} }}\n" for n in range(9)) + "f0",
        "case x in " * 3000,
        "f() {" * 3000,
        "f() {\n" + "case a in b) " * 500 + "}\n" * 500,
        "a=(" * 20000,
        "cat <<E\n" * 20000,
        "sh <<E\n" * 2000,
        "for a in 1 2 3 4 5 6 7 8; do g $a $a; done; " * 50 + "g() { for b in 1 2 3 4 5 6 7 8; do g $b; done; }",
    ],
)
def test_no_script_takes_long(script: str) -> None:
    began = time.process_time()
    loading(script)
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "script",
    [
        "}",
        "esac",
        "f()",
        "f() {",
        "case",
        "case x",
        "case x in",
        "case x in a",
        ";;",
        "f() { } }; modprobe a",
    ],
)
def test_broken_scripts_are_read_as_far_as_they_go(script: str) -> None:
    loading(script)
