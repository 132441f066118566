"""Recipe flags over the API of IMS: what is set, what is asked again, and what ends a run."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from kmodgate.renderer.ims.recipe_sync import Failed, Outcome, Service, parse_flags, synchronise
from tests.renderer.ims import fake_ims
from tests.renderer.ims.fake_ims import FakeIms, Fault

pytestmark = pytest.mark.timing

GPU = {"flags": [{"pattern": "*-gpu-*", "requireDkms": True}], "default": {"requireDkms": False}}


@dataclass
class Clock:
    """Time that only passes in sleeps."""

    now: float = 0.0
    pauses: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def service(ims: FakeIms, token: str = "", path: str = "/apis/ims", clock: Clock | None = None) -> Service:
    clock = clock or Clock()
    return Service(ims.url + path, token, clock=clock, sleep=clock.sleep)


def sync(ims: FakeIms, value: dict[str, Any] = GPU, mode: str = "set", **settings: Any) -> Outcome:
    return synchronise(service(ims, **settings), parse_flags(json.dumps(value), "flags.json"), mode)


def states(outcome: Outcome) -> list[str]:
    return [row.state for row in outcome.rows]


def test_what_differs_is_set_with_a_boolean_and_nothing_else_is_asked_for(ims: FakeIms) -> None:
    gpu, plain = ims.add("cos-gpu-2.6", False), ims.add("cos-2.6", False)
    outcome = sync(ims)
    assert ims.patches == [(gpu, {"require_dkms": True})]
    assert (ims.flag(gpu), ims.flag(plain)) == (True, False)
    assert states(outcome) == ["in step", "put in step"]
    assert outcome.code(strict=True) == 0
    assert [method for method, *_ in ims.seen] == ["GET", "PATCH", "GET"]


def test_a_second_run_sets_nothing(ims: FakeIms) -> None:
    ims.add("cos-gpu-2.6", False)
    sync(ims)
    ims.seen.clear()
    assert states(sync(ims)) == ["in step"]
    assert [method for method, *_ in ims.seen] == ["GET"]


def test_check_only_compares(ims: FakeIms) -> None:
    ims.add("cos-gpu-2.6", False)
    outcome = sync(ims, mode="check")
    assert (states(outcome), outcome.code(strict=False), ims.patches) == (["differs"], 1, [])


def test_a_text_that_looks_false_is_healed_by_assert_only(ims: FakeIms) -> None:
    plain = ims.add("cos-2.6", "false")
    assert states(sync(ims)) == ["in step"]
    assert ims.flag(plain) == "false"
    assert states(sync(ims, mode="assert")) == ["asserted"]
    assert ims.flag(plain) is False


@pytest.mark.parametrize(("path", "asked"), [
    ("", "/v3/recipes"), ("/", "/v3/recipes"), ("/v2", "/v2/recipes"), ("/apis/ims/v3/", "/apis/ims/v3/recipes"),
    ("/apis/ims", "/apis/ims/v3/recipes"), ("/apis/ims/v3/recipes", "/apis/ims/v3/recipes"),
])  # fmt: skip
def test_the_address_may_name_a_version_of_the_api(ims: FakeIms, path: str, asked: str) -> None:
    sync(ims, path=path)
    assert ims.seen[0][1] == asked


@pytest.mark.parametrize("fault", [
    fake_ims.status(502), fake_ims.status(503), fake_ims.status(504), fake_ims.status(500), fake_ims.html(200), fake_ims.html(503),
    fake_ims.reset, fake_ims.cut_short, fake_ims.reset_in_reply, fake_ims.sends(b'[{"id": '), fake_ims.sends(b""),
])  # fmt: skip
def test_what_passes_is_waited_for(ims: FakeIms, fault: Fault) -> None:
    gpu, clock = ims.add("cos-gpu-2.6", False), Clock()
    ims.faults.extend([fault, fault, None, None, None])
    assert states(sync(ims, clock=clock)) == ["put in step"]
    assert ims.flag(gpu) is True
    assert clock.pauses == [0.5, 1.0]


@pytest.mark.parametrize("fault", [fake_ims.status(503), fake_ims.reset, fake_ims.reset_in_reply])
def test_a_flag_whose_answer_is_lost_is_set_again(ims: FakeIms, fault: Fault) -> None:
    gpu = ims.add("cos-gpu-2.6", False)
    ims.faults.extend([None, fault])
    assert states(sync(ims)) == ["put in step"]
    assert ims.patches == [(gpu, {"require_dkms": True})] * 2


def test_a_service_that_stays_away_ends_the_run_in_bounded_time(ims: FakeIms) -> None:
    clock = Clock()
    ims.faults.extend([fake_ims.html(200)] * 100)
    with pytest.raises(
        Failed, match=r"http://127\.0\.0\.1:\d+\S*/v3/recipes: GET: 200: a page of HTML; asked for 30 seconds$"
    ) as caught:
        sync(ims, clock=clock)
    assert caught.value.code == 3
    assert caught.value.fix.startswith("look at --url: such a page comes from a login")
    assert clock.pauses == [0.5, 1, 2, 4, 8, 8]


def test_a_refused_connection_is_waited_for(ims: FakeIms) -> None:
    clock = Clock()
    gone = Service("http://127.0.0.1:1", clock=clock, sleep=clock.sleep)
    with pytest.raises(Failed, match="Connection refused") as caught:
        gone.recipes()
    assert (caught.value.code, len(clock.pauses)) == (3, 6)


@pytest.mark.parametrize("is_dripping", [False, True])
def test_an_answer_that_does_not_come_or_comes_drop_by_drop_is_given_up(ims: FakeIms, is_dripping: bool) -> None:
    def slow(handler: fake_ims.Handler) -> None:
        handler.send(200, b"[", "application/json", length=10_000)
        for _ in range(200):
            ims.stop.wait(0.02)
            if is_dripping and not ims.stop.is_set():
                handler.wfile.write(b" ")

    ims.faults.append(slow)
    with pytest.raises(Failed, match=r"asked for 0\.3 seconds"):
        Service(ims.url, wait=0.3).recipes()


def test_a_run_that_takes_too_long_ends(ims: FakeIms) -> None:
    clock = Clock()
    asked = service(ims, clock=clock)
    clock.now = 3601
    with pytest.raises(Failed, match="took longer than 3600 seconds"):
        asked.recipes()


@pytest.mark.parametrize(("fault", "says"), [
    (fake_ims.status(401), "GET: 401"), (fake_ims.status(403), "GET: 403"), (fake_ims.html(401), "GET: 401"),
    (fake_ims.status(404, "no such path"), r"//127\.0\.0\.1:\d+\S*/v3/recipes: GET: 404 no such path"), (fake_ims.sends(b"", 302, Location="http://elsewhere.example"), "redirect"),
    (fake_ims.sends(b'{"a": 1}'), "no list of recipes"), (fake_ims.sends(b'[{"name": "a"}]'), "recipe 0 of the answer"),
])  # fmt: skip
def test_an_answer_that_will_not_change_ends_the_run_at_once_and_sets_nothing(
    ims: FakeIms, fault: Fault, says: str
) -> None:
    ims.add("cos-gpu-2.6", False)
    ims.faults.append(fault)
    with pytest.raises(Failed, match=says) as caught:
        sync(ims)
    assert (caught.value.code, len(ims.seen)) == (3, 1)


@pytest.mark.parametrize("number", [409, 422, 500])
def test_a_recipe_that_the_service_refuses_is_told_and_the_others_are_set(ims: FakeIms, number: int) -> None:
    first, second = ims.add("a-gpu-1", False), ims.add("b-gpu-1", False)
    ims.faults.extend([None, *[fake_ims.status(number, "so it is")] * (3 if number == 500 else 1)])
    outcome = sync(ims)
    assert [(row.state, row.note) for row in outcome.rows] == [("refused", f"{number} so it is"), ("put in step", "")]
    assert (ims.flag(first), ims.flag(second), outcome.code(strict=False)) == (False, True, 1)


def test_a_recipe_that_goes_meanwhile_is_drift(ims: FakeIms) -> None:
    ims.add("a-gpu-1", False)

    def gone(handler: fake_ims.Handler) -> None:
        ims.recipes.clear()
        handler.serve()

    ims.faults.extend([None, gone])
    outcome = sync(ims)
    assert [(row.state, row.note[:3]) for row in outcome.rows] == [("gone", "404")]
    assert outcome.code(strict=False) == 1


def test_a_flag_that_is_not_what_was_set_differs(ims: FakeIms) -> None:
    ims.add("a-gpu-1", False)
    ims.faults.extend([None, fake_ims.sends(b"{}")])
    outcome = sync(ims)
    assert [(row.state, row.note) for row in outcome.rows] == [("differs", "it was set, and now shows false")]


def test_a_recipe_that_comes_meanwhile_and_differs_is_told(ims: FakeIms) -> None:
    ims.add("a-gpu-1", False)

    def imports(handler: fake_ims.Handler) -> None:
        ims.add("b-gpu-1", False)
        handler.serve()

    ims.faults.extend([None, imports])
    assert states(sync(ims)) == ["put in step", "differs"]


def test_a_run_that_ends_halfway_says_how_far_it_came(ims: FakeIms) -> None:
    for number in range(3):
        ims.add(f"{number}-gpu-1", False)
    ims.faults.extend([None, None, fake_ims.status(401)])
    with pytest.raises(Failed) as caught:
        sync(ims)
    assert caught.value.message.endswith("PATCH: 401; 1 of 3 flags had been set")


def test_flags_that_disagree_set_nothing(ims: FakeIms) -> None:
    ims.add("a-gpu-1", False)
    both = [{"pattern": "*", "requireDkms": True}, {"pattern": "a-*", "requireDkms": False}]
    with pytest.raises(Failed) as caught:
        sync(ims, {"flags": both})
    assert (caught.value.code, ims.patches) == (2, [])


def test_ten_thousand_recipes_are_compared_in_one_request(ims: FakeIms) -> None:
    ids = [ims.add(f"r{number}-{'gpu-' if number % 5000 == 0 else ''}1", False) for number in range(10_000)]
    outcome = sync(ims)
    assert [id for id, _ in ims.patches] == [ids[0], ids[5000]]
    assert (len(outcome.rows), outcome.code(strict=True)) == (10_000, 0)


def test_ids_are_escaped_in_paths(ims: FakeIms) -> None:
    ims.add("a-gpu-1", False, id="../jobs?x=1#y")
    sync(ims)
    assert ims.seen[1][1] == "/apis/ims/v3/recipes/..%2Fjobs%3Fx%3D1%23y"


def test_the_token_goes_with_every_request_and_into_no_message(ims: FakeIms) -> None:
    ims.add("a-gpu-1", False)
    ims.faults.extend([None, fake_ims.status(409, "Bearer s3cret-t0ken is odd")])
    outcome = sync(ims, token="s3cret-t0ken")
    assert set(ims.tokens) == {"Bearer s3cret-t0ken"}
    assert outcome.rows[0].note == "409 Bearer [token] is odd"
    assert "s3cret" not in outcome.report("json") + outcome.report("text")
    ims.faults.append(fake_ims.sends(b'{"headers": {"Authorization": "Bearer s3cret-t0ken"}}'))
    with pytest.raises(Failed) as caught:
        sync(ims, token="s3cret-t0ken")
    assert "s3cret" not in caught.value.message


def test_no_proxy_is_asked(ims: FakeIms, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    ims.add("a-gpu-1", True)
    assert states(sync(ims, token="t")) == ["in step"]


@pytest.mark.parametrize(
    ("data", "note"),
    [
        (b'{"status": 409, "title": "Conflict", "detail": "it is in use"}', "409 Conflict: it is in use"),
        (b'{"status": 409, "title": "Conflict"}', "409 Conflict"),
        (b"RBAC: access denied\n", "409 RBAC: access denied"),
        (b"<html>Conflict</html>", "409 a page of HTML"),
        (b'["x"]', "409"),
    ],
)
def test_a_refusal_is_shown_with_what_the_service_said(ims: FakeIms, data: bytes, note: str) -> None:
    ims.add("a-gpu-1", False)
    ims.faults.extend([None, fake_ims.sends(data, 409)])
    assert [row.note for row in sync(ims).rows] == [note]


def test_a_second_is_no_seconds(ims: FakeIms) -> None:
    clock = Clock()
    ims.faults.extend([fake_ims.status(503)] * 10)
    with pytest.raises(Failed, match=r"asked for 1 second$"):
        Service(ims.url, wait=1, clock=clock, sleep=clock.sleep).recipes()


def test_flags_that_are_for_no_recipe_say_how_many_there_are(ims: FakeIms) -> None:
    for number in range(4):
        ims.add(f"uan-{number}", True)
    outcome = synchronise(
        service(ims), parse_flags('{"flags": [{"pattern": "cos-*", "requireDkms": true}]}', "f"), "check"
    )
    assert outcome.report("text") == "no flag is for any recipe of the service, which has 4\n"
