"""The entry `emptied`: which pull secrets the API server asks about, as base64 has them."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.fleets import FleetFolder
from tests.renderer.registration.reaching import Request
from tests.renderer.registration.registering import LABEL, answer, generated

PULL_SECRETS = [
    ('{"auths":{"registry.internal.example.com:5000":{"auth":"","username":"","password":""}}}', True),
    ('{\n   "auths": {\n      "registry.example.com": {\n         "auth": ""\n      }\n   }\n}', True),
    ('{"auths":{"registry.internal.example.com":{"username":"abc","password":"","email":"a@example.com"}}}', True),
    ('{"auth":{"registry.internal.example.com:5000":{"auth":"YWJjOmRlZg==","username":"abc","password":"def"}}}', True),
    *(
        (f'{{"auths":{{"registry{"y" * count}.internal.example.com:5000":{{"auth":"{auth}"}}}}}}', is_asked)
        for count in range(3)
        for is_asked, texts in (
            (False, ("YWJjOmRlZg==", "YTpi", "Y2VydC1tYW5hZ2VyOnMzY3JldA==", "cm9ib3QkbmljOng=")),
            (True, ("Og==", "Og", "YTo=", "YTo", "YWI6", "YWJjOg==", "YWJjOg", "OnNlY3JldA==", "OnNlY3JldHg=")),
        )
        for auth in texts
    ),
]
"""Pull secrets, and whether the API server asks about one that takes the place of another."""


@pytest.mark.parametrize("place", [{}, {LABEL: ""}])
def test_a_pull_secret_is_asked_about_that_may_give_no_credentials(fleet: FleetFolder, place: dict[str, str]) -> None:
    objects, prefix = generated(fleet), "labelled-" if place else ""
    where: dict[str, Any] = {"namespace": "foreign" if place else "kmm-tests", "place": place}
    for text, is_asked in PULL_SECRETS:
        old, new = (
            {"data": {".dockerconfigjson": base64.b64encode(item.encode()).decode()}} for item in ("a" * 30, text)
        )
        found = answer(objects, Request("UPDATE", "secrets", old={}, old_content=old, content=new, **where))
        assert found == ([(f"{prefix}emptied", "Fail")] if is_asked else []), text
