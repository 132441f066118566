"""Dockerfiles are read as Docker reads them: stages, continued lines, comments, here-documents, ARG."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kmodgate.policy.formats.dockerfiles import declared, parse_dockerfile, variables
from kmodgate.policy.views.builds.dockerfile import commands

TEXT = """\
# syntax=docker/dockerfile:1
ARG BASE=quay.io/acme/builder:1
ARG EMPTY

from --platform=linux/amd64 ${BASE} as Builder
ARG KERNEL_FULL_VERSION OTHER=2
RUN --mount=type=cache,target=/root make \\
    # a comment between the lines

    -C /src \\
    modules && depmod -b /opt \\
    "${KERNEL_FULL_VERSION}"
RUN <<EOT bash
uname -r
FROM nowhere
EOT
COPY <<-"A" <<B /opt/
\tfirst
\tA
second
B
FROM scratch
COPY --from=builder /opt /opt
"""


def test_stages_have_their_images_names_and_lines() -> None:
    stages = parse_dockerfile(TEXT).stages
    assert [(stage.image, stage.name, stage.line) for stage in stages] == [
        ("${BASE}", "builder", 5),
        ("scratch", "", 22),
    ]
    assert [item.keyword for item in stages[0].instructions] == ["ARG", "RUN", "RUN", "COPY"]


def test_arguments_before_the_first_stage_have_their_defaults() -> None:
    assert parse_dockerfile(TEXT).arguments == {"BASE": "quay.io/acme/builder:1", "EMPTY": ""}


def test_continued_lines_keep_their_numbers() -> None:
    run = parse_dockerfile(TEXT).stages[0].instructions[1]
    assert [line.number for line in run.lines] == [7, 10, 11, 12]
    assert run.text.endswith('modules && depmod -b /opt "${KERNEL_FULL_VERSION}"')


def test_here_documents_belong_to_their_instruction() -> None:
    _, _, run, copy = parse_dockerfile(TEXT).stages[0].instructions
    assert [(line.number, line.text) for line in run.heredocs] == [(14, "uname -r"), (15, "FROM nowhere")]
    assert [line.text for line in copy.heredocs] == ["first", "second"]


def test_the_escape_sign_may_be_another() -> None:
    text = "# escape=`\nFROM a\nRUN one `\n  two\nRUN three\\\nRUN four\n"
    stage = parse_dockerfile(text).stages[0]
    assert [item.text for item in stage.instructions] == ["one two", "three\\", "four"]


def test_line_ends_of_windows_are_line_ends() -> None:
    stage = parse_dockerfile("FROM a AS b\r\nRUN one \\\r\n  two\r\n").stages[0]
    assert (stage.name, stage.instructions[0].text) == ("b", "one two")


def test_names_are_declared_in_every_form() -> None:
    stage = parse_dockerfile("FROM a\nARG A B=1 C=\"two words\"\nENV D=1 E='x y'\nENV F some value\n").stages[0]
    assert [dict(declared(item)) for item in stage.instructions] == [
        {"B": "1", "C": "two words", "A": ""},
        {"D": "1", "E": "x y"},
        {"F": "some value"},
    ]


def test_an_escaped_variable_is_none() -> None:
    found = [(item.name, item.rest) for item in variables(r"$A ${B} ${C:-d} \$E \\$F $$G \${H}")]
    assert found == [("A", ""), ("B", ""), ("C", ":-d"), ("F", ""), ("G", "")]


def test_commands_are_found_wherever_a_shell_finds_them() -> None:
    text = (
        "FROM a\n"
        "RUN set -e; sudo /usr/sbin/depmod -a 5.14 && X=1 make K=$(uname -r) 'uname -r' # uname -r\n"
        'RUN ["depmod", "-b", "/opt"]\n'
        "RUN if true; then uname -m; fi \\\n  || uname -n\n"
    )
    found = [
        (command.program, command.words[1:], command.line)
        for item in parse_dockerfile(text).stages[0].instructions
        for command in commands(item)
        if command.program in ("uname", "depmod")
    ]
    assert found == [
        ("depmod", ("-a", "5.14"), 2),
        ("uname", ("-r",), 2),
        ("depmod", ("-b", "/opt"), 3),
        ("uname", ("-m",), 4),
        ("uname", ("-n",), 5),
    ]


_PIECES = st.sampled_from(
    ["FROM ", "RUN ", "ARG ", "ENV ", "COPY ", "a", " AS b", "\n", "\\\n", "<<EOT", "EOT", "#", "# escape=`\n", "`", "$", "{", "}", "'", '"',
     "$(", ")", "--from=", "=", " ", "\t", "[", "]", ",", "\\", "depmod", "\x0b", "\u2028"]
)  # fmt: skip


@given(st.lists(_PIECES, max_size=60).map("".join))
def test_no_text_makes_the_reader_fail_or_lose_a_line(text: str) -> None:
    lines = text.split("\n")
    for stage in parse_dockerfile(text).stages:
        for item in (stage.opening, *stage.instructions):
            list(declared(item))
            for line in (*item.lines, *item.heredocs):
                assert 1 <= line.number <= len(lines)
                assert line.text.strip() in lines[line.number - 1]
            for command in commands(item):
                assert command.line in {line.number for line in (*item.lines, *item.heredocs)}


def test_a_trigger_stands_in_the_stages_that_begin_with_its_own() -> None:
    text = "FROM a AS base\nONBUILD ARG X\nONBUILD RUN make \\\n  $X\nFROM base\nRUN ls\nFROM scratch\n"
    first, second, third = parse_dockerfile(text).stages
    assert [item.keyword for item in first.instructions] == []
    assert [(item.keyword, item.line) for item in second.instructions] == [("ARG", 2), ("RUN", 3), ("RUN", 6)]
    assert second.instructions[1].text == "make   $X".replace("   ", " ")
    assert third.instructions == []


def test_a_tab_ends_a_keyword() -> None:
    (stage,) = parse_dockerfile("FROM\tscratch\nRUN\tmake\n").stages
    assert stage.image == "scratch"
    assert stage.instructions[0].keyword == "RUN"
