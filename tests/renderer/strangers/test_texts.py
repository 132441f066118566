"""Texts of a stranger's specs in terminals, logs of pipelines, comments, pages and code scanning: they stay texts."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from tests.fleets import FleetFolder, git

HOSTILE = {
    "colours": '"\\e[31mred\\e[0m"',
    "a title": '"\\e]0;pwned\\a"',
    "C1 controls": '"\\x9b31mred"',
    "the other direction": '"abc\\u202Edef"',
    "new lines": '"a\\r\\n::error file=x::pwned\\n::add-mask::a"',
    "a carriage return": '"a\\r::stop-commands::x"',
    "an old command": "'##[error]pwned ##[add-mask]a ##vso[task.setvariable variable=a]b'",
    "HTML": "'<img src=x onerror=alert(1)><script>alert(1)</script>'",
    "an entity": "'&lt;b&gt; \"quoted\"'",
    "Markdown": "'[click](https://evil.example) @acme/admins **bold** `code` | cell | ~~~'",
    "a fence": '"```\\n</details><h1>pwned</h1>\\n```"',
    "a link": "'](https://evil.example)'",
}


@pytest.fixture(params=HOSTILE)
def hostile(request: pytest.FixtureRequest, fleet: FleetFolder) -> FleetFolder:
    """A committed fleet, and then a change that brings the text wherever specs take one."""
    git(fleet.root, "init", "-q")
    path = fleet.root / "clusters/paris.yaml"
    path.write_text(path.read_text().replace("count: 3", "count: 3, kernels: [5.14.0-1.x86_64]"))
    git(fleet.root, "add", "-A")
    git(fleet.root, "commit", "-qm", "first")
    text = HOSTILE[request.param]
    more = f"attach: [./odd.yaml]\nbuild: {{dockerfile: ./Dockerfile, buildArgs: {{A: {text}}}}}"
    fleet.driver("nic", more)
    spec = fleet.root / "drivers/nic.yaml"
    spec.write_text(
        spec.read_text().replace("{moduleName: acme_dummy}", f"{{moduleName: acme_dummy, parameters: [{text}]}}")
    )
    fleet.driver("ice", f"inTreeModulesToRemove: [{text}]\nimageRepoSecret: {text}")
    fleet.write(
        "drivers/odd.yaml", f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {{{text}: {text}}}\n"
    )
    lines = "\n".join(
        ("FROM scratch", "::error file=x::pwned", "##[error]pwned", "<script>", "```", "\x1b[31m", "RUN b")
    )
    fleet.write("drivers/Dockerfile", lines + "\n")
    return fleet


TEXT = (
    ["check"], ["check", "--format", "text"], ["render", "--check"], ["render"], ["diff"], ["plan"], ["explain", "nic"],
    ["explain", "ConfigMap/a"], ["plan", "--kernel", "5.14.0-2.x86_64"],
)  # fmt: skip
REPORTS = [
    [verb, "--format", form]
    for verb, forms in (
        ("check", ("json", "sarif", "junit", "github", "markdown")),
        ("diff", ("json", "markdown", "html")),
        ("plan", ("json", "markdown", "html")),
    )
    for form in forms
]


def everything(fleet: FleetFolder, *arguments: str, env: dict[str, str] | None = None) -> str:
    result = fleet.run(*arguments, env=env)
    assert result.returncode in (0, 1, 2), result.stderr
    assert "Traceback" not in result.stderr
    return result.stdout + result.stderr


def control_characters(text: str) -> set[str]:
    return {char for char in text if not char.isprintable()} - {"\n", "\t"}


def test_a_terminal_shows_no_control_characters(hostile: FleetFolder) -> None:
    for arguments in TEXT:
        assert control_characters(everything(hostile, *arguments)) <= {"\u200b"}, arguments


@pytest.mark.timing
@pytest.mark.parametrize("variable", ["GITHUB_ACTIONS", "TF_BUILD", "TEAMCITY_VERSION"])
def test_a_pipeline_reads_no_command_in_a_text(fleet: FleetFolder, variable: str) -> None:
    lines = (
        "FROM scratch",
        "::error file=x::pwned",
        " ::add-mask::a",
        "RUN ##[error]b",
        "##vso[task.x]",
        "##teamcity[x]",
    )
    fleet.write("drivers/Dockerfile", "\n".join(lines) + "\n")
    fleet.driver("nic", "build: {dockerfile: ./Dockerfile}")
    git(fleet.root, "init", "-q")
    git(fleet.root, "add", "-A")
    git(fleet.root, "commit", "-qm", "first")
    fleet.render()
    fleet.write("drivers/Dockerfile", "\n".join((*lines, "RUN c")) + "\n")
    for arguments in (["render", "--check"], ["diff"], ["diff", "--format", "json"], ["explain", "ConfigMap/nic"]):
        text = everything(fleet, *arguments, env={variable: "true" if variable == "GITHUB_ACTIONS" else "1"})
        assert not re.search(r"^\s*::|##(\[|vso\[|teamcity\[)", text, re.MULTILINE), (arguments, text)
    told = json.loads(fleet.run("diff", "--format", "json", env={variable: "true"}).stdout)
    assert "##[error]b" in json.dumps(told)


@pytest.mark.timing
def test_an_annotation_is_one_line_of_ours(hostile: FleetFolder) -> None:
    text = hostile.run("check", env={"GITHUB_ACTIONS": "true"}).stdout
    assert text
    for line in text.splitlines():
        assert re.match(r"::(error|warning|notice) [^:]*title=[A-Za-z0-9]+::", line), line
        assert not control_characters(line)


@pytest.mark.parametrize("arguments", REPORTS, ids=" ".join)
def test_a_report_holds_no_control_characters(hostile: FleetFolder, arguments: list[str]) -> None:
    report = hostile.run(*arguments).stdout
    if "json" in arguments:  # what programs read holds the texts as they are, escaped
        json.loads(report)
        assert not set(map(chr, range(32))) & set(report) - {"\n"}
    else:
        assert control_characters(report) <= {"\u200b", "\u00a0"}, control_characters(report)


def test_a_comment_shows_texts_as_they_stand(hostile: FleetFolder) -> None:
    for verb in ("check", "diff", "plan"):
        comment = hostile.run(verb, "--format", "markdown").stdout
        outside = re.sub(r"^(`{3,})\w*\n.*?^\1$", "", comment, flags=re.MULTILINE | re.DOTALL)
        outside = re.sub(r"`[^`\n]*`", "", outside)
        assert not re.search(r"(?<!\\)\]\(|(?<!\\)<(script|img|h1)|(?<!\\)@acme|^::", outside, re.MULTILINE), outside


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {tag, *(f"{tag} {key}" for key, _ in attrs if key.startswith("on"))}


def test_a_page_has_no_tags_but_its_own(hostile: FleetFolder, tmp_path: Path) -> None:
    for verb in ("diff", "plan"):
        page = hostile.run(verb, "--format", "html").stdout
        tags = Tags()
        tags.feed(page)
        assert not {"img", "h6"} & tags.found
        assert not [tag for tag in tags.found if " on" in tag]
        assert page.count("<script") <= 1
        assert "onerror=alert" not in re.sub(r"&lt;.*?&gt;", "", page)


def test_code_scanning_gets_no_link(hostile: FleetFolder) -> None:
    report = json.loads(hostile.run("check", "--format", "sarif").stdout)
    messages = [result["message"]["text"] for result in report["runs"][0]["results"]]
    assert messages
    assert not [text for text in messages if "](" in text or control_characters(text)]


def test_junit_is_xml_whatever_it_quotes(hostile: FleetFolder) -> None:
    assert ET.fromstring(hostile.run("check", "--format", "junit").stdout).tag == "testsuites"


# -- texts that are made to be large ----------------------------------------------------------------

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [*{old}, *{old}, *{old}, *{old}, *{old}, *{old}]\n"
    for old, new in zip("abcdefghijk", "bcdefghijkl", strict=False)
)
MERGE = "a: &a {x: 1}\nb: &b {<<: [*a, *a, *a]}\nc: &c {<<: [*b, *b, *b]}\nd: {<<: [*c, *c, *c]}\n"
BOMBS = {
    "aliases": BOMB,
    "merge keys": MERGE,
    "an alias of itself": "a: &a [*a]\n",
    "depth": "a: " + "[" * 100_000 + "]" * 100_000 + "\n",
    "depth in maps": "a: " + "{a: " * 50_000 + "}" * 50_000 + "\n",
    "digits": f"a: {'9' * 500_000}\n",
    "an exponent": "a: 1e999999999\n",
    "base 60": "a: " + ":".join(["59"] * 10_000) + "\n",
    "a key": f"? {'k' * 900_000}\n: 1\n",
    "many keys": "".join(f"k{number}: 1\n" for number in range(50_000)),
    "a tag": "a: !!python/object/apply:os.system ['touch pwned']\n",
    "a binary": f"a: !!binary {'A' * 400_000}\n",
    "keys of keys": "a: " * 40 + "\n",
    "keys in a list that never ends": "a: [ " + ", a: " * 40 + "\n",
    "braces in a list that never ends": "a: [\n" + "${" * 30_000 + "\n",
    "documents": "---\na: 1\n" * 50_000,
}


PLACES = ("drivers/bomb.yaml", "drivers/attached.yaml", "removals.yaml", "clusters/nodes.json")
VERBS = ("render", "check")


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("place", PLACES)
def test_a_text_that_is_made_to_be_large_is_refused(fleet: FleetFolder, bomb: str, place: str) -> None:
    head = "apiVersion: kmodgate.io/v1alpha1\nkind: KernelDriver\nmetadata: {name: bomb}\nspec:\n"
    text = BOMBS[bomb]
    if place == "drivers/bomb.yaml":
        text = head + "".join(f"  {line}\n" for line in text.splitlines())
    elif place == "drivers/attached.yaml":
        fleet.driver("nic", "attach: [./attached.yaml]")
    elif place == "clusters/nodes.json":
        path = fleet.root / "clusters/paris.yaml"
        path.write_text(path.read_text().split("  nodeGroups")[0] + "  inventory: ./nodes.json\n")
    fleet.write(place, text)
    result = fleet.run(VERBS[(list(BOMBS).index(bomb) + PLACES.index(place)) % 2])  # each bomb and place meets both
    assert result.returncode in (1, 2), result.stderr[-300:]
    assert "Traceback" not in result.stderr
    assert len(result.stdout + result.stderr) < 1_000_000
    assert not (fleet.root / "pwned").exists()


NAMES = (
    "a\n::error file=x::pwned\nb.yaml",
    "\x1b[31mred.yaml",
    "<script>alert(1)<script>.yaml",
    "](https:evil).yaml",
    "a|b`c`@acme.yaml",
    "##[error]x.yaml",
    "\u202eabc.yaml",
)


@pytest.mark.timing
def test_the_name_of_a_file_stays_a_name(fleet: FleetFolder) -> None:
    """Of specs with a warning, in every report, and in what is rendered."""
    git(fleet.root, "init", "-q")
    git(fleet.root, "add", "-A")
    git(fleet.root, "commit", "-qm", "first")
    spec = fleet.root / "drivers/nic.yaml"
    text = spec.read_text().replace("'^5", "'5")
    spec.unlink()
    for index, name in enumerate(NAMES):
        driver = text.replace("nic", f"nic{index}").replace("acme_dummy", f"acme_dummy{index}")
        (fleet.root / "drivers" / name).write_text(driver)
    assert {finding["file"] for finding in json.loads(fleet.run("check", "--format", "json").stdout)["findings"]} >= {
        f"drivers/{name}" for name in NAMES
    }
    for arguments in (*TEXT[:6], *REPORTS):
        report = everything(fleet, *arguments, env={"GITHUB_ACTIONS": "true"})
        assert control_characters(report) <= {"\u200b", "\u00a0"} or "json" in arguments or "sarif" in arguments, (
            arguments
        )
        ours = r"(?!::(error|warning|notice) )" if arguments in (["check"], ["check", "--format", "github"]) else ""
        assert not re.search(rf"^[^\S\n]*{ours}::", report, re.MULTILINE), (arguments, report)
        assert "<script>alert(1)<script>" not in report or "html" not in arguments
    fleet.render()
    for path in (fleet.root / "rendered").rglob("*.yaml"):
        first, rest = path.read_text().split("\n", 1)
        assert first.startswith("# Generated by kmodgate from ")
        assert first.endswith("; do not edit.")
        assert "pwned" not in rest or "kmodgate.io/" in rest
        assert isinstance(yaml.safe_load(path.read_text()), dict)
