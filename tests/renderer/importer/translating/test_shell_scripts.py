"""Scripts of containers, as the importer follows them: what they load, and what it cannot carry over."""

from __future__ import annotations

import pytest

from kmodgate.renderer.importer.translating.commands.load_commands import Loading, read_loading
from kmodgate.renderer.importer.translating.commands.shell_commands import commands_of
from tests.policy.work.counting import Counter, counting

MOST_CALLS = 2_500_000
"""Of functions for one script: the most that a small one can be made to take is bounded by the steps that are followed."""


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
    assert (result.modules, result.removed) == (loaded, removed)
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
    "the whole of a group": "{ echo options acme_nic debug=1; echo; } > /etc/modprobe.d/acme.conf",
    "a here-document": "cat >/etc/modprobe.d/acme.conf <<EOF\noptions acme_nic debug=1\nEOF",
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


NO_HERE_DOCUMENTS = [
    "F=$((1<<3))",
    "((x = 1 << 3))",
    "for ((i=1<<3; i<9; i++)); do :; done",
    'echo "a << b"',
    'x="a<<b"',
    "true # cat <<EOF",
    "cat <<EOF",
    "echo 'step # 1'",
    "echo step '#' \"it's\" # it's done",
    'echo "${x#\'}" "$(printf "%s" "\'")"',
    "cat <<A <<B\nmodprobe not_this\nA\nmodprobe nor_this\nB",
    "cat <<\\EOF\nmodprobe not_this\nEOF",
    "cat <<EOF-1\nmodprobe not_this\nEOF-1",
    "cat <<'END OF IT' | grep x\nmodprobe not_this\n# isn't\nEND OF IT",
]


@pytest.mark.parametrize("before", NO_HERE_DOCUMENTS)
def test_what_follows_quotes_comments_and_here_documents_is_read(before: str) -> None:
    result = loading(f"{before}\nmodprobe -d /opt acme\n")
    assert (result.modules, result.directory, result.unread) == (["acme"], "/opt", [])


@pytest.mark.parametrize(
    "shell", ["chroot /host bash", "chroot /host bash -s", "chroot /host bash -o pipefail -e", "nsenter -t 1 -m -- sh"]
)
def test_comments_of_a_here_document_are_comments_of_its_script(shell: str) -> None:
    result = loading(f"{shell} <<EOF\nmodprobe acme # isn't it\n# done\nEOF\nsleep infinity\n")
    assert (result.modules, result.on_node, result.besides) == (["acme"], True, [])


@pytest.mark.parametrize(
    "script",
    [
        "bash -s acme <<'EOF'\nmodprobe -d /opt $1\nEOF",
        "bash <<< 'modprobe -d /opt acme'",
        "out=$(modprobe -d /opt acme 2>&1) || echo $out",
        'load() { modprobe -d /opt "$1"; }\necho "$(load acme | tail -1)" `hostname`',
        "F=$(ls /opt; (modprobe -d /opt acme))",
        "sh < /scripts/other.sh",
        "exec > >(tee /dev/kmsg) 2>&1; modprobe -d /opt acme",
        "echo isn't\nmodprobe -d /opt acme",
        "if ((modprobe -d /opt acme); true); then echo ok; fi",
    ],
)
def test_modules_are_found_wherever_a_command_stands(script: str) -> None:
    files = {"/scripts/run.sh": script, "/scripts/other.sh": "modprobe -d /opt acme"}
    result = read_loading(commands_of(["/scripts/run.sh"], {}, files), [])
    assert (result.modules, result.directory, result.besides, result.unread) == (["acme"], "/opt", [], [])


@pytest.mark.parametrize(
    "script",
    [
        'modprobe() { command modprobe -d /opt "$@"; }; modprobe acme',
        "insmod() { /sbin/insmod /opt/$1.ko; }; insmod acme",
        "modprobe() { sudo modprobe $1; }; if ! modprobe acme; then exit 1; fi",
        "modprobe() { modprobe acme; }; modprobe acme",
    ],
)
def test_a_function_that_is_named_like_its_program_runs_that(script: str) -> None:
    assert loading(script).modules == ["acme"]


@pytest.mark.parametrize(("argument", "loaded"), [("a", ["a_x"]), ("b", ["b"])])
def test_a_case_within_a_case_ends_with_its_branch(argument: str, loaded: list[str]) -> None:
    script = "case $1 in a) case $2 in x) modprobe a_x;; esac;; b) modprobe b;; esac"
    assert loading(script, argument, "x").modules == loaded


def test_functions_of_a_sourced_file_run_where_the_script_calls_them() -> None:
    library = "load() { modprobe -d /opt $1; }\nusage() { apt-get --help; }\n"
    files = {"/run.sh": ". /lib.sh; case $1 in stop) f() { umount /a; };; *) ;; esac; load acme", "/lib.sh": library}
    result = read_loading(commands_of(["/run.sh", "start"], {}, files), [])
    assert (result.modules, result.besides, result.unread) == (["acme"], [], [])


def test_a_variable_that_is_known_calls_the_function_of_its_name() -> None:
    script = 'start() { modprobe -d /opt acme; }\nstop() { modprobe -r acme; }\n"$@"\n'
    assert (loading(script, "start").modules, loading(script, "start").unloaded) == (["acme"], [])


@pytest.mark.parametrize("command", ["modprobe -d /opt", "modprobe -a", "insmod"])
def test_a_module_that_another_command_names_is_told(command: str) -> None:
    assert loading(f"echo acme_nic | xargs -n1 {command}\n").unread == [command]
    assert loading("modprobe --version; kmod list; modprobe -c; modprobe acme_nic\n").unread == []


def test_text_is_added_to_a_variable_without_a_blank() -> None:
    assert loading("P=/opt; P+=/lib; modprobe -d $P acme").directory == "/opt/lib"


@pytest.mark.parametrize(
    "quoted", ["echo 'copying -> /etc/modprobe.d/x'", 'echo "see >/etc/motd" >&2', "tee '>/etc/x'"]
)
def test_quoted_text_is_no_setting(quoted: str) -> None:
    assert not loading(f"{quoted}\nmodprobe -d /opt acme\n").besides


def test_values_of_all_branches_are_carried_over_or_told() -> None:
    result = loading('case "$X" in 1) OPT=a=1; M=acme;; *) OPT=a=2; M=acme_b;; esac; modprobe acme $OPT; modprobe $M')
    assert (result.parameters["acme"], result.conflicts) == (["a=1"], ["a=2"])
    assert result.modules == ["acme", "acme_b"]


@pytest.mark.parametrize(
    "script",
    [
        "f() { f; f; }; f",
        "A='$B'; B='$A'; $A; A=\"$B\"; $B",
        "$(" * 12500,
        "a $(b " * 5000 + ")" * 5000,
        "(" * 25000,
        "((" * 12500 + "))" * 12500,
        "'\"" * 12500,
        "`" * 25001,
        "".join(f"cat <<E{n}\n" for n in range(5000)),
        "case $x in 1) a=1;; *) a=2;; esac; " * 1000,
        "case $x in 1) a=1;; *) b=2;; esac; modprobe $a $b; " * 500,
        "".join(f"f{n}() {{ {'f' + str(n + 1) + '; '} {('f' + str(n + 1) + ';') * 200} }}\n" for n in range(9)) + "f0",
        "case x in " * 3000,
        "f() {" * 3000,
        "f() {\n" + "case a in b) " * 500 + "}\n" * 500,
        "a=(" * 5000,
        "cat <<E\n" * 5000,
        "sh <<E\n" * 2000,
        "for a in 1 2 3 4 5 6 7 8; do g $a $a; done; " * 50 + "g() { for b in 1 2 3 4 5 6 7 8; do g $b; done; }",
    ],
)
def test_no_script_takes_many_steps(script: str) -> None:
    """What single calls take is that of the expressions: `test_linear_expressions.py`."""
    counter = Counter()
    with counting(counter, profiled=True):
        loading(script)
    assert counter.calls < MOST_CALLS


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
        "MODS=; for m in $MODS; do m+=a; modprobe $m; done",
        "if " * 2000 + "a",
        "if a; then " * 2000 + ";; " * 2000,
    ],
)
def test_broken_scripts_are_read_as_far_as_they_go(script: str) -> None:
    loading(script)
