"""MAP: kernel mappings that match more, less or later than their author meant."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kmodgate.policy.findings import Problem, Severity, quoted
from kmodgate.policy.formats.regexps.covering import covers
from kmodgate.policy.formats.regexps.go_regexps import BOUND, PatternSet, TooLarge
from kmodgate.policy.formats.regexps.regexp_alternatives import alternatives
from kmodgate.policy.kmm.kernel import trimmed
from kmodgate.policy.kmm.nodes.node_selection import why_never_loaded
from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.memo import kept
from kmodgate.policy.present import LITERALS
from kmodgate.policy.review import Review
from kmodgate.policy.rule import TOO_MANY_EXPRESSIONS, rule
from kmodgate.policy.views.kernel_mapping import KernelMapping
from kmodgate.policy.views.module import IN_KERNEL_NAMES, MOST_CHARACTERS, MOST_EXPRESSIONS

_EVERYTHING = {"^", "$", ".", "^.", ".*", "^.*", ".*$", "^.*$", ".+", "^.+", ".+$", "^.+$", "(.*)", "^(.*)$", "^(.+)$"}
_IMPOSSIBLE = lazy_regex(r"(?<!\\)(?:\\\\)*\\[afnrtv]| (?![?*{])|\\\+\$$|(?<!\\)\\\\(?![\\?*{])|[^\x00-\x7f](?![?*{])")
_CLASS = lazy_regex(r"(?<!\\)((?:\\\\)*+)\[\^?\]?(?:\\.|\[:\w++:\]|[^\[\]\\])*+\]")
"""A class of characters, which may hold one that no kernel has beside others."""

_ODD = lazy_regex(r"[ \u2018-\u201f]")
"""Spaces and quotes of a word processor, which may stand before ^ or behind $."""

_KERNEL = lazy_regex(r"[0-9]+(?:\\?\.[0-9]+){2}[-.](?:\\?[\w.+~-])*")
"""An expression that is the name of one kernel, with its dots escaped or not."""

_VERSION = lazy_regex(r"[0-9]+\\?\.[0-9]+")
_ARCHITECTURE = lazy_regex(r"(?:x86_64|aarch64|ppc64le|s390x|amd64|arm64|generic)$")

_GLOB = lazy_regex(r"(?:[\w+~-]|[.](?![*+?])|(?<![.\])])[*?])+")
"""A pattern of a shell, in which `*` stands for any text."""

_DOT_OF_VERSION = lazy_regex(r"(?<=[0-9])\.(?=[0-9])")
_LOOSE_DOT = lazy_regex(r"(?<![\\\[])[0-9]\.[0-9]")

_PACKAGE = lazy_regex(r"(?:kernel|vmlinuz|linux|initramfs|v)(?:-[a-z]+)*-?(?P<kernel>[0-9]+\.[0-9].*?)(?:\.rpm|\.img)?")
_NO_ARCHITECTURE = lazy_regex(r"\.(?:el[0-9]{1,2}(?:_[0-9]{1,2})?|fc[0-9]{2})\$?$")

_loose_dot = kept(_LOOSE_DOT.search)


@kept
def _impossible(regexp: str) -> re.Match[str] | None:
    return _IMPOSSIBLE.search(_CLASS.sub(r"\1[]", regexp))


@rule("MAP101", needs=LITERALS)
def literal_that_never_matches(review: Review) -> Iterator[Problem]:
    """A literal that ends in `+`.

    KMM cuts one trailing `+` from the kernel version of a node before it compares. modprobe does not: it looks below
    the name with the `+`, where the image has nothing, unless `-S` names the other folder.

    Fix: write the literal without it, and `args: {load: [-S, <kernel without the +>]}` for modprobe.
    Source: internal/controllers/module_reconciler.go of Kernel Module Management.
    """
    for mapping in review.module.literals:
        if mapping.literal.endswith("+"):
            message = f"{quoted(mapping.literal)} matches no kernel: KMM cuts the last +"
            is_expression = mapping.literal.endswith(".+")
            kernel = mapping.literal.rstrip("+")
            way_out = f"write {kernel!r}, and for modprobe args: {{load: [-S, {kernel}]}}"
            fix = as_regexp(mapping.literal) if is_expression else way_out
            yield mapping.part.problem("literal", message, fix)


@rule("MAP102")
def character_no_kernel_has(review: Review) -> Iterator[Problem]:
    """A regexp that asks for what no kernel version has: a control character such as `\\f`, a space, a backslash, `ü`.

    `\\fc37` is a form feed and `c37`: the mapping never matches. Neither does one that wants a `+` at the very end,
    which KMM cuts from the version of a node before it compares, nor one that begins with a word, as the name of a
    package does: `kernel-5.14.0-427.el9.x86_64`. The same goes for a literal. A version of Enterprise Linux or Fedora
    that ends before the architecture is a warning, and so is what stands in an expression of several alternatives.

    Fix: write what `uname -r` prints: the letter without the backslash, no space, no last `+`, no word before it.
    Source: regexp/syntax of Go; internal/controllers/module_reconciler.go of Kernel Module Management; Makefile of
    Linux (KERNELRELEASE).
    """
    for mapping in review.module.mappings:
        yield from _no_release(mapping)
    for mapping in review.module.regexps:
        if found := _impossible(mapping.regexp):
            text = found[0]
            if not text.isascii():
                message = f"{text!r} is no letter of a kernel's version"
                fix = "write it in plain ASCII, or leave it out"
            elif text.isspace():
                message, fix = "a space, and no kernel has one", "leave it out"
            elif text.startswith(r"\+"):
                message, fix = "KMM cuts the last + of a kernel before it compares", r"leave out the last \+"
            elif text == r"\\":
                message = r"\\ is a backslash, and no kernel has one"
                fix = f"""write '{mapping.regexp.replace(text, chr(92))}'"""
            else:
                message, fix = f"{text[-2:]} is a control character, and no kernel has one", f"write {text[-1]} for it"
            severity = Severity.WARNING if "|" in mapping.regexp else None  # another alternative may match
            yield mapping.part.problem("regexp", message, fix)._replace(severity=severity)


def _no_release(mapping: KernelMapping) -> Iterator[Problem]:
    """A literal, or an expression for one, that is more or less than the name of a kernel."""
    text, key = (mapping.literal, "literal") if mapping.literal else (mapping.regexp, "regexp")
    begin = 0 if key == "literal" else 1
    if mapping.literal and not IN_KERNEL_NAMES.fullmatch(text):
        return  # INJ104 tells of the character
    if text[begin : begin + 1].isalpha() and text.startswith("^"[:begin]) and _is_word(text[begin:]):
        package = _PACKAGE.fullmatch(text)
        fix = f"write {package['kernel']}" if package else "write what uname -r prints on the nodes"
        message = f"{quoted(text)} matches no kernel: the name of one begins with its version"
        yield mapping.part.problem(key, message, fix)
    elif text.endswith(".rpm"):
        yield mapping.part.problem(key, f"{quoted(text)} is the name of a file", f"write {text.removesuffix('.rpm')}")
    elif (mapping.literal or text.endswith("$")) and _NO_ARCHITECTURE.search(text):
        message = f"{quoted(text)} ends before the architecture, and no kernel of that distribution does"
        problem = mapping.part.problem(key, message, "append the architecture, as uname -r prints it")
        yield problem._replace(severity=Severity.WARNING)


def _is_word(text: str) -> bool:
    """Whether an expression begins with a letter that has to be there."""
    return text[1:2] not in ("?", "*", "{", "|") and len(alternatives(text)) == 1


@rule("MAP103", kinds=("Module",), facts=True, severity=Severity.WARNING)
def kernel_that_ends_in_plus(review: Review) -> Iterator[Problem]:
    """The Module selects a node whose kernel ends in `+`: KMM 2.x never loads anything there.

    KMM copies the folder of the kernel without the `+`, and modprobe looks for the one with it. A `+` inside, as in
    `…x86_64+rt`, does no harm.

    Fix: build the kernel without a local version that ends in `+` (CONFIG_LOCALVERSION_AUTO), or, where the nodes have
    one kernel, add `args: {load: [-S, <kernel without the +>]}` to modprobe.
    Source: internal/worker and internal/controllers of Kernel Module Management; modprobe(8).
    """
    if review.module.loader is None or review.placement.nodes is None or review.violations:
        return
    for kernel in review.placement.kernels:
        if kernel.endswith("+") and (reason := why_never_loaded(review.object, kernel, review.cluster.release)):
            nodes = review.placement.kernels[kernel]
            fix = f"for this kernel alone add to modprobe: args: {{load: [-S, {trimmed(kernel)}]}}"
            yield review.module.spec.problem("selector", f"{nodes[0].name} and its like: {reason}", fix)


@rule("MAP201", severity=Severity.INFO)
def match_all(review: Review) -> Iterator[Problem]:
    """A mapping that matches every kernel.

    It is also used for kernels that nobody has built or tested the driver for, such as the one after the next upgrade.

    Fix: name the kernels that the image is for, or keep it on purpose.
    Source: kernel mapper of Kernel Module Management.
    """
    for mapping in review.module.regexps:
        if mapping.regexp in _EVERYTHING:
            yield mapping.part.problem("regexp", "matches every kernel", "name the kernels that the image is for")


@rule("MAP202", severity=Severity.WARNING)
def unanchored_regexp(review: Review) -> Iterator[Problem]:
    """A kernel regexp without anchors matches more kernels than it seems to.

    KMM searches the kernel version, it does not match it in full: `4.18` also selects `5.4.180`. The first mapping that
    matches wins, so a loose one also hides the mappings after it.

    Fix: begin with `^` and end with `$`, and write `.*` where anything may stand.
    Source: kernel mapper of Kernel Module Management; Regexp.FindString of Go.
    """
    for mapping in review.module.regexps:
        text = mapping.regexp
        if not _is_anchored(_ODD.sub("", text)) and text not in _EVERYTHING:  # MAP102 tells of those
            message = f"{quoted(text)} is not anchored, and may match more than it seems to"
            yield mapping.part.problem("regexp", message, _anchored(text))


@kept
def _is_anchored(text: str) -> bool:
    """Whether every alternative says where it begins and where it ends."""
    return all(_begins(part) and _ends(part) for part in alternatives(text))


def _begins(text: str) -> bool:
    return text.startswith(("^", r"\A", ".*"))


def _ends(text: str) -> bool:
    return text.endswith(("$", r"\z", ".*", ".+")) and not text.endswith(r"\$")


def _anchored(text: str) -> str:
    """What would say the same with anchors, so that a reader sees what is matched."""
    if len(alternatives(text)) > 1:
        return "begin every alternative with ^ and end it with $"
    if _KERNEL.fullmatch(text):
        whole = re.sub(r"(?<!\\)\.", r"\.", text)
        return f"for this kernel alone write literal: {text.replace(chr(92), '')}, else '^{whole}$'"
    is_whole = (_begins(text) or _VERSION.match(text)) and (_ends(text) or _ARCHITECTURE.search(text))
    if is_whole and not _VERSION.fullmatch(text.strip("^$")):
        return f"write '{'' if _begins(text) else '^'}{text}{'' if _ends(text) else '$'}'"
    return "write the whole kernel between ^ and $: what it begins with, what may vary, and what it ends with"


def as_regexp(literal: str) -> str:
    """Return the fix for a literal that is an expression, or a pattern of a shell."""
    if not any(character.isalnum() for character in literal):
        return "write the name of one kernel, as uname -r prints it, or in its place a regexp for those of the image"
    if _GLOB.fullmatch(literal):
        literal = literal.replace(".", r"\.").replace("*", ".*").replace("?", ".")
    literal = _DOT_OF_VERSION.sub(r"\\.", literal)
    begin, end = "" if _begins(literal) else "^", "" if _ends(literal) else "$"
    return f"a literal is one kernel, letter by letter; in its place write regexp: '{begin}{literal}{end}'"


@rule("MAP203", severity=Severity.INFO)
def unescaped_dot(review: Review) -> Iterator[Problem]:
    """A dot between digits that is not escaped, so that it stands for any character.

    Fix: write `\\.` for a dot.
    Source: RE2 syntax.
    """
    for mapping in review.module.regexps:
        if found := _loose_dot(mapping.regexp):
            wanted = found[0].replace(".", r"\.")
            yield mapping.part.problem("regexp", f"the dot in {found[0]} stands for any character", f"write {wanted}")


@rule("MAP208")
def expression_too_large(review: Review) -> Iterator[Problem]:
    """A regexp that takes more than 64 KiB to be compiled, mostly because something large is repeated.

    KMM compiles every expression again whenever it looks at a node. What such a one matches is not looked at here.

    Fix: repeat less, or name what a kernel version has: `[0-9]+` and not `\\pN{1,100}`.
    Source: internal/module/kernelmapper.go of Kernel Module Management; regexp of Go; re2.h of RE2.
    """
    for mapping in review.module.mappings:
        if isinstance(mapping.pattern, TooLarge):
            message = f"takes more than {BOUND >> 10} KiB to be compiled: {quoted(mapping.regexp)}"
            yield mapping.part.problem(
                "regexp", message, "repeat less, or match what a kernel version has, like [0-9]+"
            )


@rule(TOO_MANY_EXPRESSIONS, needs=lambda review: review.module.has_too_many_expressions)
def too_many_expressions(review: Review) -> Iterator[Problem]:
    """A Module with more than 2,000 different expressions, or more than 256 KiB of them.

    KMM compiles each of them again whenever it looks at a node. Where this refuses a Module, no other rule is asked
    about it, and no expression is compiled.

    Fix: match several kernels with one regexp, or split the Module by nodes.
    Source: internal/module/kernelmapper.go of Kernel Module Management.
    """
    if not review.module.has_too_many_expressions:
        return
    message = f"more than {MOST_EXPRESSIONS} different expressions, or more than {MOST_CHARACTERS >> 10} KiB of them"
    yield review.module.container.problem("kernelMappings", message, "match several kernels with one regexp")


@rule("MAP204", severity=Severity.WARNING)
def unreachable(review: Review) -> Iterator[Problem]:
    """A mapping that never wins: another one before it matches every kernel that it matches.

    Found are equal mappings, mappings after one that matches everything, literals that an earlier regexp matches, and
    regexps that go on where an earlier one takes anything: `^5\\.14\\.0-427.+$` after `^5\\.14\\..+$`.

    Fix: put the more specific mapping first, or remove the one that is never used.
    Source: kernel mapper of Kernel Module Management, which takes the first match.
    """
    seen: dict[tuple[str, str], int] = {}
    everything: int | None = None
    regexps = review.module.regexps[:MOST_TOGETHER] if review.module.literals else []
    together = PatternSet([mapping.regexp for mapping in regexps]) if regexps else None
    for mapping in review.module.mappings:
        key = (mapping.literal, mapping.regexp)
        winner = everything if everything is not None else seen.get(key)
        if winner is None and mapping.literal and together is not None:
            first = together.first(mapping.literal)
            winner = None if first is None or regexps[first].index >= mapping.index else regexps[first].index
        elif winner is None and mapping.regexp:
            before = (item for item in review.module.regexps[:MOST_TOGETHER] if item.index < mapping.index)
            winner = next((item.index for item in before if covers(item.regexp, mapping.regexp)), None)
        if winner is not None:
            same = seen.get(key) == winner
            message = f"never used: mapping {winner} {'is for the same kernels' if same else 'matches first'}"
            fix = "remove one of the two" if same else "put the more specific mapping first, or remove this one"
            yield Problem(mapping.part.path, message, fix)
        seen.setdefault(key, mapping.index)
        if everything is None and mapping.regexp in _EVERYTHING:
            everything = mapping.index


MOST_TOGETHER = 100
"""Expressions in which literals are looked for: more are no work of a person."""
