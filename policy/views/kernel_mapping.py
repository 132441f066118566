"""One kernel mapping of a Module, as rules see it."""

from __future__ import annotations

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.formats.regexps.go_regexps import BadPattern, Pattern, TooLarge, compile_pattern
from kmodgate.policy.lazy import lazy
from kmodgate.policy.views.part import Part


@dataclass(eq=False)
class KernelMapping:
    """One kernel mapping; `image` is the one it ends up with."""

    part: Part
    index: int
    literal: str
    regexp: str
    own_image: str
    image: str

    @lazy
    def pattern(self) -> Pattern | BadPattern | TooLarge | None:
        """The expression, compiled when a rule first asks; None where there is none."""
        return compile_pattern(self.regexp) if self.regexp else None


def mapping_of(index: int, part: Part, common: str) -> KernelMapping:
    """Return the mapping at an index of the list; `common` is the image of the container."""
    regexp, own = part.text("regexp"), part.text("containerImage")
    return KernelMapping(part, index, part.text("literal"), regexp, own, own or common)
