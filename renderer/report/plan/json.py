"""A plan as JSON: every cell, and what follows from them; docs/plan.md describes each field."""

from __future__ import annotations

import json
from typing import Any

from kmodgate.renderer.plan.coverage import Cell
from kmodgate.renderer.plan.kmm_upgrade import Upgrade
from kmodgate.renderer.plan.plan import Plan
from kmodgate.renderer.report.findings.json import as_json


def write(plan: Plan, base: str) -> str:
    """One object; `base` is put before the files of specs."""
    document = {
        "version": 1,
        "clusters": [cluster.name for cluster in plan.clusters],
        "against": plan.against,
        "lost": [{"today": _cell(loss.before), "next": _cell(loss.after), "old": loss.is_old} for loss in plan.lost],
        "images": _images(plan),
        "bootImages": [
            {
                "image": item.image,
                "kernel": item.kernel,
                "driver": item.driver,
                "clusters": sorted(item.clusters),
                "nodes": item.nodes,
                "possible": item.is_possible,
                "late": plan.is_too_late(item),
            }
            for item in plan.boot_images
        ],
        "unusedMappings": _unused(plan, base),
        "unknownKernels": plan.blind,
        "noNextKernels": [{"cluster": name, "nodes": names} for name, names in plan.without_next.items()],
        "paused": [
            {"cluster": group.cluster.name, "nodes": list(group.names), "count": group.count, "kernels": group.kernels}
            for group in plan.paused
        ],
        "findings": [as_json(finding) for finding in plan.findings],
        "kmm": plan.upgrade and _upgrade(plan.upgrade),
    }
    # one line a cell: there may be hundreds of thousands
    cells = ",\n  ".join(json.dumps(_cell(cell), ensure_ascii=False) for cell in plan.cells)
    head = json.dumps(document, indent=1, ensure_ascii=False).removesuffix("\n}")
    return f'{head},\n "cells": [\n  {cells}\n ]\n}}\n'


def _images(plan: Plan) -> list[dict[str, Any]]:
    return [
        {
            "image": cell.resolution.image,
            "work": cell.work,
            "kernel": cell.kernel,
            "module": cell.module.name,
            "clusters": plan.clusters_of(cell),
        }
        for cell in plan.to_build
        if cell.resolution
    ]


def _unused(plan: Plan, base: str) -> list[dict[str, Any]]:
    return [
        {
            "module": item.module.name,
            "mapping": item.module.mappings[item.mapping],
            "why": item.why,
            "file": f"{base}{origin.file}",
            "line": origin.line,
        }
        for item in plan.unused
        for origin in [item.module.origin(item.mapping)]
    ]


def _upgrade(upgrade: Upgrade) -> dict[str, Any]:
    return {
        "version": upgrade.version,
        "findings": [as_json(finding) for finding in upgrade.findings],
        "gone": [as_json(finding) for finding in upgrade.gone],
        "changes": [
            {"what": item.text, "modules": list(item.modules), "clusters": list(item.clusters)}
            for item in upgrade.changes
        ],
        "notLookedAt": upgrade.current,
    }


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        "cluster": cell.group.cluster.name,
        "nodes": list(cell.group.names),
        "count": cell.group.count,
        "module": cell.module.name,
        "driver": cell.module.driver,
        "kernel": cell.kernel,
        "phase": cell.phase,
        "loads": cell.loads,
        "mapping": cell.mapping,
        "image": cell.resolution.image if cell.resolution else "",
        "work": cell.work,
        "reason": cell.reason,
        "waitsFor": cell.waits_for,
    }
