"""The engine's JSON: what is read of it, and that nothing in it raises anything else."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from itertools import chain
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from make import ANY, ID, publication

from pytest_exposed.engine.image_records import image_from_record, layers, platform_of, trouble
from pytest_exposed.engine.inspection import Inspected
from pytest_exposed.engine.json_fields import when
from pytest_exposed.engine.records import PUBLICATIONS_UNKNOWN, Listed, RecordError
from pytest_exposed.model import Image
from pytest_exposed.model.ports import Ports

# As Docker Engine 20.10 answers GET /containers/json.
LISTED: dict[str, Any] = {
    "Id": ID,
    "Names": ["/web"],
    "Image": "webapp:1",
    "ImageID": "sha256:" + "1" * 64,
    "Command": "httpd -f",
    "Created": 1763000000,
    "Ports": [
        {"PrivatePort": 53, "Type": "udp"},
        {"IP": ANY, "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
        {"IP": "::", "PrivatePort": 80, "PublicPort": 8081, "Type": "tcp"},
    ],
    "Labels": {"tier": "front"},
    "State": "running",
    "Status": "Up 3 minutes (healthy)",
    "HostConfig": {"NetworkMode": "backend"},
    "NetworkSettings": {
        "Networks": {
            "backend": {"IPAddress": "172.18.0.2", "GlobalIPv6Address": ""},
            "front": {"IPAddress": "172.19.0.2"},
        }
    },
    "Mounts": [],
}

# As it answers GET /containers/ID/json.
INSPECTED: dict[str, Any] = {
    "Id": ID,
    "Path": "httpd",
    "Args": ["-f", "-p", "80"],
    "State": {
        "Status": "running",
        "Running": True,
        "Paused": False,
        "Restarting": False,
        "Pid": 4321,
        "ExitCode": 0,
        "Error": "",
        "StartedAt": "2026-01-02T03:04:05.123456789Z",
        "Health": {"Status": "starting", "FailingStreak": 0, "Log": []},
    },
    "RestartCount": 2,
    "HostConfig": {
        "NetworkMode": "host",
        "Runtime": "runc",
        "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}], "81/tcp": None},
        "Sysctls": {"net.ipv4.ip_local_port_range": "1024 65000"},
    },
    "NetworkSettings": {"SandboxKey": "/var/run/docker/netns/3f2504e04f89"},
    "Config": {"ExposedPorts": {"80/tcp": {}, "53/udp": {}}},
}

IMAGE: dict[str, Any] = {
    "Id": "sha256:" + "1" * 64,
    "Config": {"ExposedPorts": {"80/tcp": {}, "443/TCP": {}, "nonsense": {}}, "Labels": {"a": "b"}},
}

# JSON of any shape, and what its fields can be mistaken for.
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-5, 70000)
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        ["\ud800", "/", "//", "tcp", "Up", "Up 999999999999 hours", ID, "0001-01-01T00:00:00Z"]
    )
)
JSON = st.recursive(
    LEAVES,
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=4), x, max_size=3),
    max_leaves=6,
)


@st.composite
def spoilt(draw: st.DrawFn, record: dict[str, Any], *kept: str) -> dict[str, Any]:
    """Draw a record of which some values, however deep, are something else or missing."""

    def spoil(value: Any, depth: int) -> Any:
        if draw(st.integers(0, 5)) == 0:
            return draw(JSON)
        if isinstance(value, dict):
            return {
                k: v if k in kept and depth == 0 else spoil(v, depth + 1)
                for k, v in value.items()
                if (k in kept and depth == 0) or draw(st.integers(0, 7))
            }
        if isinstance(value, list):
            return [spoil(x, depth + 1) for x in value]
        return value

    spoilt = spoil(record, 0)
    return spoilt if isinstance(spoilt, dict) else {"Id": record["Id"]}


def listed(**changed: Any) -> Listed:
    return Listed.from_record({**LISTED, **changed})


def inspected(**changed: Any) -> Inspected:
    return Inspected.from_record({**INSPECTED, **changed})


def test_what_is_bound_is_published() -> None:
    ports = {
        "81/tcp": [{"HostIp": "127.0.0.1", "HostPort": "28092"}],
        "80/tcp": [{"HostIp": "", "HostPort": "28091"}, {"HostIp": "::1", "HostPort": "0"}],
        "53/udp": None,
        "1-65535/tcp": [{"HostPort": "1"}],  # no engine answers with a range
        "80": [{"HostPort": "1"}],
        "90/tcp": [{"HostPort": "99999"}, {"HostPort": "9" * 999}, {"HostPort": 7}, 7],
    }
    found = inspected(NetworkSettings={"Ports": ports}).published
    assert [str(x) for x in found] == ["*:28091->80/tcp", "127.0.0.1:28092->81/tcp"]


# Lists


def test_a_listed_container_is_read() -> None:
    one = listed()
    assert (one.id, one.name, one.image) == (ID, "web", "webapp:1")
    assert one.image_id == "sha256:" + "1" * 64
    assert (one.state, one.status, one.network_mode) == (
        "running",
        "Up 3 minutes (healthy)",
        "backend",
    )
    assert one.declared == {"80/tcp", "53/udp"}
    assert one.published == (publication(80, 8080, ANY), publication(80, 8081, "::"))
    assert one.addresses == {"172.18.0.2", "172.19.0.2"}
    assert one.labels == {"tier": "front"}


@pytest.mark.parametrize("record", [{}, {"Id": None}, {"Id": 7}, {"Id": [ID]}])
@pytest.mark.parametrize("identity", [None, ID[:-1], ID + "0", ID.upper(), "g" * 64, "", f" {ID}"])
def test_what_has_no_id_of_a_container_is_none(record: dict[str, Any], identity: Any) -> None:
    for one in (record, {**LISTED, "Id": identity}, {**LISTED, "Id": f"{ID}\n"}):
        with pytest.raises(RecordError, match="the id"):
            Listed.from_record(one)


def test_an_error_does_not_repeat_an_endless_id() -> None:
    with pytest.raises(RecordError) as caught:
        Listed.from_record({"Id": "x" * 10**6})
    assert len(str(caught.value)) < 200


@given(spoilt(LISTED))
@example({**LISTED, "Status": "Up " + "9" * 5000 + " hours"})
@example({**LISTED, "Names": ["/a\ud800"], "Image": "\udfff", "Labels": {"\ud800": "\udc00"}})
@example({**LISTED, "Ports": [{"PrivatePort": True, "PublicPort": True, "Type": "tcp"}]})
def test_any_record_of_a_list_is_read_or_refused(record: dict[str, Any]) -> None:
    try:
        one = Listed.from_record(record)
    except RecordError:
        assert record.get("Id") != ID or record.get("Ports")
        return
    assert all(isinstance(x, str) for x in (one.name, one.image, one.image_id, one.state))
    assert one.name
    assert one.network_mode is None or one.network_mode
    assert all(1 <= x.number <= 65535 for x in one.declared)
    assert all(type(x.host_port) is int and 0 <= x.host_port <= 65535 for x in one.published)
    assert all(x.host_port or (x.host_ip and not x.ingress) for x in one.published)
    assert all(x.endpoint.isprintable() for x in one.published)
    assert {x.port for x in one.published} <= set(one.declared)
    assert all(isinstance(x, str) for x in [*one.addresses, *one.labels, *one.labels.values()])
    assert one.up_for >= 0
    assert one.starting in (True, False)
    for text in (one.name, one.image, one.state, *one.labels, *one.labels.values()):
        text.encode()
    # Between processes it goes as JSON.
    assert Listed.from_record(json.loads(json.dumps(record))) == one


@pytest.mark.parametrize(
    ("names", "name"),
    [
        (["/web"], "web"),
        # A linked container has the names that others know it by, too.
        (["/db", "/web/db", "/worker/database"], "db"),
        (["/web/db", "/worker/database", "/db"], "db"),
        (["/web.1-a_b"], "web.1-a_b"),
        (["/web/db"], ID[:12]),
        ([], ID[:12]),
        (None, ID[:12]),
        (["/"], ID[:12]),
        (["//"], ID[:12]),
        ([""], ID[:12]),
        ([None, 7, "/web"], "web"),
        ("/web", ID[:12]),
        ({"/web": 1}, ID[:12]),
    ],
)
def test_the_own_name_of_a_container(names: Any, name: str) -> None:
    assert listed(Names=names).name == name


@pytest.mark.parametrize(
    ("entries", "declared", "published"),
    [
        (None, [], []),
        ([], [], []),
        ({}, [], []),
        ([{"PrivatePort": 80, "Type": "tcp"}], ["80/tcp"], []),
        ([{"PrivatePort": 80}], ["80/tcp"], []),
        ([{"PrivatePort": 80, "Type": "tcp", "PublicPort": 0}], ["80/tcp"], []),
        ([{"PrivatePort": 80, "Type": "tcp", "PublicPort": None}], ["80/tcp"], []),
        # Podman leaves the address out.
        ([{"IP": "", "PrivatePort": 80, "PublicPort": 81, "Type": "tcp"}], ["80/tcp"], ["*:81"]),
        ([{"PrivatePort": 80, "PublicPort": 81, "Type": "tcp"}], ["80/tcp"], ["*:81"]),
        ([{"IP": "::1", "PrivatePort": 80, "PublicPort": 81}], ["80/tcp"], ["[::1]:81"]),
        ([{"IP": "1.2.3.4", "PrivatePort": 80, "PublicPort": -1}], ["80/tcp"], []),
        ([{"IP": "1.2.3.4", "PrivatePort": 80, "PublicPort": 65536}], ["80/tcp"], []),
        ([{"PrivatePort": 0}, {"PrivatePort": 70000}, {"PrivatePort": True}], [], []),
        ([{"PrivatePort": "80"}, {"PrivatePort": 80.0}, {"PrivatePort": None}, {}], [], []),
        ([{"PrivatePort": 80, "Type": "icmp"}, {"PrivatePort": 81, "Type": "TCP"}], [], []),
        ([None, 80, "80/tcp", [80], {"PrivatePort": 80}], ["80/tcp"], []),
        (
            [{"IP": ip, "PrivatePort": 80, "PublicPort": 81} for ip in ("::", ANY, ANY)],
            ["80/tcp"],
            ["0.0.0.0:81", "[::]:81"],
        ),
    ],
)
def test_declared_and_published_ports_of_a_list(
    entries: Any, declared: list[str], published: list[str]
) -> None:
    one = listed(Ports=entries)
    assert one.declared == Ports.parse(declared)
    assert [x.endpoint for x in one.published] == published


@pytest.mark.parametrize(
    "entries",
    [
        7,
        True,
        "80/tcp",
        {"80/tcp": None},
        *([{"PrivatePort": 80, "PublicPort": x}] for x in (True, "81", [81], 81.0)),
    ],
)
def test_ports_of_a_form_that_no_engine_sends_are_not_taken_for_none(entries: Any) -> None:
    with pytest.raises(RecordError, match="a container's P"):
        listed(Ports=entries)


def test_a_hostile_address_of_a_publication_is_one_short_line() -> None:
    entry = {"IP": "\x1b[2J\n" * 1000, "PrivatePort": 80, "PublicPort": 81}
    (one,) = listed(Ports=[entry]).published
    assert str(one).isprintable()
    assert len(str(one)) < 400


@pytest.mark.parametrize(
    ("config", "mode"),
    [
        ({"NetworkMode": "host"}, "host"),
        ({"NetworkMode": f"container:{ID}"}, f"container:{ID}"),
        ({"NetworkMode": ""}, None),
        ({"NetworkMode": None}, None),
        ({"NetworkMode": 7}, None),
        ({}, None),
        # Podman has none.
        (None, None),
        ([], None),
    ],
)
def test_the_network_mode_of_a_list(config: Any, mode: str | None) -> None:
    assert listed(HostConfig=config).network_mode == mode


@pytest.mark.parametrize("settings", [None, {}, {"Networks": None}, {"Networks": {"a": None}}])
def test_no_network_is_no_address(settings: Any) -> None:
    assert listed(NetworkSettings=settings).addresses == frozenset()
    assert listed(NetworkSettings={"Networks": {"a": {"IPAddress": ""}}}).addresses == frozenset()


def test_an_image_without_a_name_is_called_by_the_container_s_id() -> None:
    assert listed(Image=None).image == listed(Image="").image == ID[:12]


# How long it has been up


@pytest.mark.parametrize(
    ("status", "seconds"),
    [
        ("Up Less than a second", 0),
        ("Up 1 second", 1),
        ("Up 59 seconds", 59),
        ("Up About a minute", 60),
        ("Up 2 minutes", 120),
        ("Up 59 minutes (healthy)", 59 * 60),
        ("Up About an hour", 3600),
        ("Up 2 hours (Paused)", 5400),
        ("Up 3 days", 3 * 86400 - 1800),
        ("Up 2 weeks", 2 * 604800 - 1800),
        ("Created", 0),
        ("Exited (0) 3 minutes ago", 0),
        ("Restarting (1) 5 seconds ago", 0),
        ("Dead", 0),
        ("", 0),
        ("Up", 0),
        ("Up forever", 0),
        ("Up -3 minutes", 0),
        ("3 minutes", 0),
        ("\u0664 hours", 0),
    ],
)
def test_how_long_a_status_says_it_is_up(status: str, seconds: int) -> None:
    assert listed(Status=status).up_for == seconds


def human_duration(seconds: float) -> str:  # noqa: PLR0911  # as its original has them
    """Write a duration as HumanDuration of docker/go-units does."""
    hours = int(seconds / 3600 + 0.5)
    if seconds < 1:
        return "Less than a second"
    if seconds < 60:
        return "1 second" if int(seconds) == 1 else f"{int(seconds)} seconds"
    if seconds < 3600:
        return "About a minute" if int(seconds / 60) == 1 else f"{int(seconds / 60)} minutes"
    if hours == 1:
        return "About an hour"
    if hours < 48:
        return f"{hours} hours"
    if hours < 24 * 7 * 2:
        return f"{hours // 24} days"
    if hours < 24 * 30 * 2:
        return f"{hours // 24 // 7} weeks"
    if hours < 24 * 365 * 2:
        return f"{hours // 24 // 30} months"
    return f"{int(seconds / 3600) // 24 // 365} years"


@given(st.floats(0, 10**9) | st.floats(0, 200000) | st.floats(0, 200))
@example(5400)
@example(47.5 * 3600)
@example(335.5 * 3600)
@example(1439.5 * 3600)
def test_a_container_is_up_at_least_as_long_as_said(seconds: float) -> None:
    found = listed(Status=f"Up {human_duration(seconds)} (healthy)").up_for
    assert found <= seconds
    # It is told well enough to know what is older than any grace, a day at most.
    assert found >= min(seconds / 2, 86400) - 1


@pytest.mark.parametrize(
    ("status", "starting"),
    [
        ("Up 3 seconds (health: starting)", True),
        ("Up 3 seconds (healthy)", False),
        ("Up 3 seconds (unhealthy)", False),
        ("Up 3 seconds", False),
        ("", False),
    ],
)
def test_whether_a_health_check_has_not_succeeded_yet(status: str, starting: bool) -> None:
    assert listed(Status=status).starting is starting


# Inspections


def test_an_inspected_container_is_read() -> None:
    one = inspected()
    assert (one.state, one.exit_code, one.error, one.pid) == ("running", 0, "", 4321)
    assert one.started == datetime(2026, 1, 2, 3, 4, 5, 123456, timezone.utc)
    assert (one.restarts, one.starting) == (2, True)
    assert (one.network_mode, one.runtime) == ("host", "runc")
    assert one.declared == {"80/tcp", "53/udp"}
    assert one.requested_ports == ("80/tcp",)
    assert one.sysctls == {"net.ipv4.ip_local_port_range": "1024 65000"}
    assert one.command == ("httpd", "-f", "-p", "80")
    assert one.sandbox == "/var/run/docker/netns/3f2504e04f89"


@given(spoilt(INSPECTED))
@example({})
@example({"State": {"StartedAt": "0001-01-01T00:00:00+23:59", "Pid": True, "ExitCode": True}})
def test_any_inspection_is_read(record: dict[str, Any]) -> None:
    one = Inspected.from_record(record)
    assert one.exit_code is None or type(one.exit_code) is int
    assert type(one.pid) is int
    assert type(one.restarts) is int
    texts = one.state, one.error, one.network_mode, one.runtime, one.sandbox
    assert all(isinstance(x, str) for x in texts)
    assert all(
        isinstance(x, str) for x in (*one.requested_ports, *one.command, *one.sysctls.values())
    )
    assert all(1 <= x.host_port <= 65535 for x in one.published)
    one.error.encode()
    assert one.started is None or one.started.tzinfo == timezone.utc


@pytest.mark.parametrize(
    ("state", "name"),
    [
        ({"Status": "running", "Running": True}, "running"),
        ({"Status": "exited", "Running": False}, "exited"),
        ({"Status": "created"}, "created"),
        ({"Status": "dead", "Dead": True}, "dead"),
        # A restarting container calls itself running, too.
        ({"Status": "restarting", "Running": True, "Restarting": True}, "restarting"),
        ({"Running": True, "Restarting": True, "Pid": 0}, "restarting"),
        ({"Status": "running", "Running": True, "Paused": True}, "paused"),
        ({"Running": True}, "running"),
        ({"Status": "Exited"}, "exited"),
        ({}, "exited"),
        (None, "exited"),
        ("running", "exited"),
    ],
)
def test_the_state_of_an_inspection(state: Any, name: str) -> None:
    assert inspected(State=state).state == name


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ([], ""),
        (None, ""),
        ({"ExitCode": 1}, ""),
        ([{"ExitCode": 0, "Output": "well"}, {"ExitCode": 1, "Output": "a\nno\x1b[2J \n\n"}],
         r"exit code 1: no\x1b[2J"),
        ([{"ExitCode": 127, "Output": None}], "exit code 127"),
        (["1"], ""),
        ([{"ExitCode": -1, "Output": "x" * 10**6}], "exit code -1: " + "x" * 255 + "…"),
    ],
)  # fmt: skip
def test_what_a_health_check_said_last(log: Any, said: str) -> None:
    assert inspected(State={"Health": {"Log": log}}).last_check == said


# Images


def test_an_inspected_image_is_read() -> None:
    image = image_from_record(IMAGE, "webapp:1")
    assert (image.id, image.name) == ("sha256:" + "1" * 64, "webapp:1")
    assert image.documented == {80, 443}
    assert image.invalid == ("nonsense",)
    assert image.labels == {"a": "b"}


@pytest.mark.parametrize("config", [None, {}, {"ExposedPorts": None}, {"ExposedPorts": []}, "x"])
def test_an_image_without_exposed_ports_documents_none(config: Any) -> None:
    image = image_from_record({**IMAGE, "Config": config}, "x")
    assert (image.documented, image.invalid) == (Ports(), ())


INDEX, MANIFEST = "sha256:" + "2" * 64, "sha256:" + "3" * 64
I386 = {"os": "linux", "architecture": "386"}
MEDIA = "application/vnd.oci.image.index.v1+json"


def of_index(manifest: Any) -> Listed:
    return listed(ImageID=INDEX, ImageManifestDescriptor=manifest)


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ({"Descriptor": {"digest": MANIFEST}}, None),
        ({"Os": "linux", "Architecture": "386", "Descriptor": {"digest": INDEX}}, None),
        ({"Os": "linux", "Architecture": "386", "Variant": ""}, None),
        ({"Os": "linux", "Architecture": "amd64"}, "doesn't show that of linux/386"),
        ({"Os": "linux", "Architecture": "386", "Variant": "v7"}, "doesn't show that of linux/386"),
        ({"Os": "linux", "Architecture": "386", "Descriptor": {"digest": "sha256:4"}}, "linux/386"),
        ({}, "doesn't show that of linux/386"),
        ({"Descriptor": {"digest": MANIFEST}, "Config": None}, "has no configuration"),
    ],
)
def test_the_image_of_another_platform_is_none(record: dict[str, Any], why: str | None) -> None:
    one = of_index({"digest": MANIFEST, "platform": I386})
    assert json.loads(platform_of(one)) == I386
    found = trouble({**IMAGE, **record}, one)
    assert (found is None) == (why is None)
    assert (why or "") in (found or "")


def test_an_image_of_one_platform_is_asked_for_as_it_is() -> None:
    assert platform_of(of_index({"digest": INDEX, "platform": I386})) == ""
    assert platform_of(of_index(None)) == ""
    assert trouble(IMAGE, of_index(None)) is None


def test_a_container_that_names_no_manifest_of_an_index() -> None:
    """One from before an engine's update: it declares what its image documents, at least."""
    ports = [{"PrivatePort": x, "Type": "tcp"} for x in (80, 443)]
    record = {**IMAGE, "Descriptor": {"digest": INDEX, "mediaType": MEDIA}}
    assert trouble(record, listed(ImageID=INDEX, Ports=ports)) is None
    found = trouble(record, listed(ImageID=INDEX, Ports=ports[:1]))
    assert found is not None
    assert "doesn't say which one it is" in found


@pytest.mark.parametrize("image_id", ["sha256:", "", None])
def test_a_container_without_an_image(image_id: str | None) -> None:
    assert not listed(Image="", ImageID=image_id).has_image
    assert listed(ImageID=image_id).has_image  # it has a name: which one is it?
    assert listed(Image="").has_image


def test_a_record_that_says_nothing_of_an_image_does_not_say_that_it_has_none() -> None:
    assert Listed.from_record({"Id": ID}).has_image


@given(spoilt(IMAGE))
def test_any_inspection_of_an_image_is_read(record: dict[str, Any]) -> None:
    image = image_from_record(record, "webapp:1")
    assert isinstance(image.id, str)
    assert all(isinstance(x, str) for x in (*image.invalid, *image.labels.values()))


HISTORY: list[dict[str, Any]] = [
    {"Id": "sha256:1", "CreatedBy": "CMD", "Tags": ["webapp:1", "webapp:latest"]},
    {"Id": "<missing>", "CreatedBy": "EXPOSE 80/tcp", "Tags": None},
    {"Id": "sha256:2", "CreatedBy": "RUN x", "Tags": ["base:2", "base:1"]},
    {"Id": "<missing>"},
]


def test_layers_and_the_images_they_are_the_tops_of() -> None:
    image = layers(image_from_record(IMAGE, "webapp:1"), HISTORY)
    assert image.history == ("CMD", "EXPOSE 80/tcp", "RUN x", "")
    assert image.parents == {2: ("base:1", "base:2")}
    assert image.names == ("webapp:1", "webapp:latest")


DIGESTS = ["docker.io/library/webapp@sha256:" + "2" * 64]
OF_ID = ["webapp@sha256:" + "1" * 64]


@pytest.mark.parametrize(
    ("record", "is_pulled"),
    [
        ({}, False),
        ({"RepoDigests": None}, False),
        ({"RepoDigests": DIGESTS}, True),
        # containerd's store: each image has its id for a digest, and Identity tells, or nothing.
        ({"RepoDigests": OF_ID}, False),
        ({"RepoDigests": DIGESTS, "Descriptor": {}}, False),
        ({"RepoDigests": OF_ID, "Identity": {"Pull": [{"Repository": "x"}]}}, True),
        ({"RepoDigests": OF_ID, "Identity": {"Build": [{"Ref": "x"}]}}, False),
        # Pushed, after it was built here.
        ({"RepoDigests": OF_ID, "Identity": {"Pull": [{}], "Build": [{}]}}, False),
        ({"RepoDigests": OF_ID, "Identity": "x"}, False),
        ({"RepoDigests": DIGESTS, "Config": {"Labels": {"io.buildah.version": "1.39"}}}, False),
    ],
)
def test_which_image_a_registry_gave(record: dict[str, Any], is_pulled: bool) -> None:
    assert image_from_record({**IMAGE, **record}, "webapp:1").is_from_registry is is_pulled


def test_the_names_of_an_image_are_no_image_below() -> None:
    history = [{**x, "Tags": ["webapp:1"]} for x in HISTORY]
    assert layers(image_from_record(IMAGE, "webapp:1"), history).parents == {}


@given(st.lists(spoilt(HISTORY[0] | {"Id": "x"}), max_size=4))
def test_any_history_is_read(history: list[dict[str, Any]]) -> None:
    image = layers(Image("", "", Ports()), history)
    assert image.history is not None
    assert len(image.history) == len(history)
    assert all(isinstance(x, str) for x in (*image.history, *chain(*image.parents.values())))
    assert 0 not in image.parents


# Times

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-02T03:04:05Z", MOMENT),
        ("2026-01-02T03:04:05.123456789Z", MOMENT.replace(microsecond=123456)),
        ("2026-01-02T03:04:05.1Z", MOMENT.replace(microsecond=100000)),
        ("2026-01-02T03:04:05.000029Z", MOMENT.replace(microsecond=29)),
        ("2026-01-02T03:04:05.999999999Z", MOMENT.replace(microsecond=999999)),
        ("2026-01-02T04:04:05.5+01:00", MOMENT.replace(microsecond=500000)),
        ("2026-01-01T21:34:05-05:30", MOMENT),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=timezone.utc)),
        ("0001-01-01T00:00:00+01:00", None),
        ("9999-12-31T23:59:59-01:00", None),
        ("2026-01-02T03:04:05", None),
        ("2026-01-02 03:04:05Z", None),
        ("2026-13-02T03:04:05Z", None),
        ("2026-02-30T03:04:05Z", None),
        ("2026-01-02T25:04:05Z", None),
        ("2026-01-02T03:04:05.Z", None),
        ("2026-01-02T03:04:05.1234567890Z", None),
        ("2026-01-02T03:04:05Z\n", None),
        ("2026-01-02T03:04:05+99:99", None),
        ("\u0662026-01-02T03:04:05Z", None),
        ("2026-01-02T03:04:05.\u0663Z", None),
        ("", None),
        (None, None),
        (1767323045, None),
        ({"StartedAt": 1}, None),
    ],
)
def test_a_time_of_the_engine(text: object, moment: datetime | None) -> None:
    assert when(text) == moment


@given(
    st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)),  # noqa: DTZ001  # made aware below
    st.integers(-23 * 60, 23 * 60),
    st.integers(0, 999),
)
def test_a_written_time_reads_back(moment: datetime, minutes: int, nanoseconds: int) -> None:
    local = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    sign = "-" if minutes < 0 else "+"
    offset = f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    text = f"{moment.isoformat(timespec='microseconds')}{nanoseconds:03}{offset}"
    assert when(text) == local


@given(st.text() | st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)"))
def test_any_text_is_a_time_or_none(text: str) -> None:
    found = when(text)
    assert found is None or found.tzinfo == timezone.utc


def test_what_an_engine_says_in_our_own_words_is_shown_escaped() -> None:
    listed = Listed.from_record({"Id": ID, PUBLICATIONS_UNKNOWN: "\x1b[2J" + "x" * 5000})
    assert listed.publications_unknown is not None
    assert listed.publications_unknown.isprintable()
    assert len(listed.publications_unknown) < 1100
