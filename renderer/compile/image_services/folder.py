"""Where the files of an ImageService lie."""

from __future__ import annotations

FOLDER = "cray-ims"
"""The folder of a service, in the handover of a cluster and in its tree."""
