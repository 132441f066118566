"""Which remote node takes a job."""

import pytest

from kmodgate.policy.ims.service.remote_nodes import UnusableNodeError, choose_node


def node(xname, jobs=0, uname="x86_64", podman="/usr/bin/podman", **more):
    return {"xname": xname, "uname": uname, "podman": podman, "jobs": jobs, **more}


@pytest.mark.parametrize(
    ("nodes", "chosen"),
    [
        ([], ""),
        ([node("x1", 3), node("x2", 1)], "x2"),
        ([node("x1", 1), node("x2", 1)], "x1"),
        ([node("x1", None)], "x1"),
        ([node("x1", None), node("x2", 9999)], "x2"),
        ([node("x1", 10000), node("x2", None)], "x1"),
        ([node("x1", -1), node("x2", 5)], "x2"),
        ([node("x1", reachable=False), node("x2")], "x2"),
        ([node("x1", podman=None)], ""),
        ([node("x1", podman="/usr/local/bin/podman")], ""),
        ([node("x1", uname="aarch64")], ""),
        ([node("x1", uname="arm64")], ""),
        ([node("x1", " 4 \n")], "x1"),
    ],
)
def test_choice(nodes, chosen):
    assert choose_node(nodes, "x86_64") == chosen


def test_count_that_is_no_number_fails_jobs_of_every_architecture():
    nodes = [node("x1", "Welcome\n3", uname="aarch64"), node("x2")]
    with pytest.raises(UnusableNodeError, match="x1"):
        choose_node(nodes, "x86_64")


def test_count_of_a_node_without_podman_is_not_asked_for():
    assert choose_node([node("x1", "Welcome", podman=None), node("x2")], "x86_64") == "x2"


@pytest.mark.parametrize(
    "nodes",
    [
        [node("x1", podman="/usr/local/bin/podman")],
        [node("x1", None), node("x2", 1)],
        [node("x1", 1), node("x2", None)],
    ],
)
def test_first_releases_with_remote_nodes_fail_every_job_for_some(nodes):
    with pytest.raises(UnusableNodeError, match="x1"):
        choose_node(nodes, "x86_64", is_tolerant=False)


def test_first_releases_take_a_node_alone_and_one_without_podman():
    assert choose_node([node("x1", None), node("x2", podman=None)], "x86_64", is_tolerant=False) == "x1"
