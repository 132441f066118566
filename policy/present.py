"""The parts of a Module without which the rules about them find nothing: each is a `needs` of rules."""

from __future__ import annotations

from operator import attrgetter

ARGUMENTS = attrgetter("module.arguments")
BUILDS = attrgetter("module.builds")
BUILD_ARGUMENTS = attrgetter("module.build_arguments")
DRA = attrgetter("module.dra")
LITERALS = attrgetter("module.literals")
MADE = attrgetter("module.is_made")
PARAMETERS = attrgetter("module.parameters")
PLUGINS = attrgetter("module.plugins")
REGISTRIES = attrgetter("module.registries")
REMOVALS = attrgetter("module.to_remove")
SECRETS = attrgetter("module.secrets")
SIGNS = attrgetter("module.signs")
TOLERATIONS = attrgetter("module.tolerations")
VERSION = attrgetter("module.version")
