"""Names that tell: what an interpreter runs, and never another word of its command line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_exposed.model import Process
from pytest_exposed.sockets.program import full_name, program_of

SECRET = "hunter2"  # noqa: S105  # what must never be shown


@pytest.mark.parametrize(
    ("line", "program"),
    [
        ("java -Dp=hunter2 -cp a.jar:b.jar org.apache.Main --key hunter2", "org.apache.Main"),
        ("/usr/bin/java -Dtmp=/tmp -jar /srv/selenium-4.jar -port 4444", "selenium-4.jar"),
        ("java -jar /opt/shop/app.jar", "shop/app.jar"),
        ("java -jar -Xmx1g -Dkey=hunter2 /opt/shop.jar --key hunter2", "shop.jar"),
        ("java -jar -key hunter2", ""),
        ("python3 -u -- /srv/shop.py hunter2", "shop.py"),
        ("node --no-warnings /srv/shop hunter2", "shop"),
        ("java -p mods --add-opens a/b=ALL -m shop/com.shop.Main hunter2", "com.shop.Main"),
        ("java @/etc/args -ea kafka.Kafka /etc/kafka.properties", "kafka.Kafka"),
        ("java", ""),
        ("python3 -m synapse.app.homeserver --config-path h.yaml", "synapse.app.homeserver"),
        ("python3.11 -Ium http.server", "http.server"),
        ("/opt/py/bin/python /opt/py/bin/dask scheduler", "dask"),
        ("python -W error -X dev /srv/shop/manage.py runserver hunter2", "manage.py"),
        ("python3 /srv/shop/__main__.py", "shop/__main__.py"),
        ("python3 -c import;hunter2", ""),
        ("pypy3 run.py", "run.py"),
        ("node /app/node_modules/.bin/azurite --key hunter2", "azurite"),
        ("node --inspect=0.0.0.0:9229 /srv/shop/app.js", "shop/app.js"),
        ("node --require hunter2 /srv/shop/index.mjs", "shop/index.mjs"),
        ("node --title hunter2 run", ""),
        ("node -e hunter2", ""),
        ("nodejs stats.js /tmp/c.js", "stats.js"),
        ("ruby -I lib -r bundler bin/puma -p 3000", "puma"),
        ("perl -I /lib /usr/sbin/munin-node --password hunter2", "munin-node"),
        ("perl -e hunter2", ""),
        ("php -d memory_limit=1 -S 0.0.0.0:80", ""),
        ("php -f worker.php hunter2", "worker.php"),
        ("dotnet Shop.Api.dll --secret hunter2", "Shop.Api.dll"),
        ("sh /entry.sh hunter2", "entry.sh"),
        ("sh -c hunter2", ""),
        ("bash -ec hunter2", ""),
        ("python3 -Ic hunter2", ""),
        ("perl -lne hunter2", ""),
        ("ruby -ne hunter2", ""),
        ("node -r ts-node /srv/main.ts hunter2", "srv/main.ts"),
        ("/usr/bin/beam.smp -K true -- -setcookie hunter2 -s ejabberd", "ejabberd"),
        ("beam.smp -- -sname a -run rabbit boot -extra hunter2", "rabbit"),
        ("beam.smp -- -setcookie hunter2", ""),
        ("python3 - hunter2", ""),
        ("python3 -cimport-app hunter2", ""),
        ("python3 -Icimport hunter2", ""),
        ("python3 --unknown hunter2", ""),
        ("python3 -mhttp.server hunter2", "http.server"),
        ("python3 -Wignore -Xdev run.py", "run.py"),
        ("bash -s hunter2", ""),
        ("sh -s -- hunter2", ""),
        ("sh - hunter2", ""),
        ("bash -es hunter2", ""),
        ("bash --rcfile hunter2 s.sh", "s.sh"),
        ("bash -o pipefail s.sh", "s.sh"),
        ("bash -euo pipefail s.sh", "s.sh"),
        ("bash -O extglob s.sh", "s.sh"),
        ("dash -o hunter2 s.sh", "s.sh"),
        ("sh -ex -- s.sh hunter2", "s.sh"),
        ("bash --unknown hunter2", ""),
        ("perl - hunter2", ""),
        ("perl -ehunter2 hunter2", ""),
        ("perl -MFoo -w x.pl", "x.pl"),
        ("perl -I/lib x.pl", "x.pl"),
        ("ruby - hunter2", ""),
        ("ruby -ehunter2", ""),
        ("ruby --encoding hunter2 x.rb", "x.rb"),
        ("ruby --unknown hunter2", ""),
        ("ruby --yjit -W0 x.rb", "x.rb"),
        ("php - hunter2", ""),
        ("php -- hunter2", ""),
        ("php -r hunter2", ""),
        ("php -B hunter2", ""),
        ("php -R hunter2", ""),
        ("php -E hunter2", ""),
        ("php -F hunter2", ""),
        ("php --run hunter2", ""),
        ("php --process-begin hunter2", ""),
        ("php --process-code hunter2", ""),
        ("php --process-end hunter2", ""),
        ("php --process-file hunter2", ""),
        ("php --define hunter2", ""),
        ("php --php-ini hunter2", ""),
        ("java --enable-native-access hunter2 Main", "Main"),
        ("java --limit-modules hunter2 Main", "Main"),
        ("java --source 11 Main.java", "Main.java"),
        ("java --unknown hunter2", ""),
        ("java --add-opens=a/b=ALL -ea:x -Xmx1g -javaagent:a.jar=b org.Main", "org.Main"),
        ("dotnet --fx-version hunter2 app.dll", "app.dll"),
        ("dotnet exec --runtimeconfig hunter2 Shop.dll hunter2", "Shop.dll"),
        ("dotnet run hunter2", ""),
        ("node -r a.js b.js", "b.js"),
        ("node inspect b.js", "b.js"),
        ("node - hunter2", ""),
        ("node -x hunter2", ""),
        ("beam.smp -- -extra -s hunter2", ""),
        ("nginx -g hunter2", ""),
        ("nginx: master process", ""),
        ("javac Main", ""),
        ("pythonista x.py", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_what_is_run(line: str, program: str) -> None:
    assert program_of(line.split()) == program
    assert SECRET not in program


@pytest.mark.parametrize(
    ("comm", "words", "name"),
    [
        (
            "prometheus-node",
            ["/usr/bin/prometheus-node-exporter", "--x"],
            "prometheus-node-exporter",
        ),
        ("prometheus-node", ["/usr/bin/other"], "prometheus-node"),
        ("nginx", ["nginx: master process"], "nginx"),
        ("short", ["shorter"], "short"),
        ("prometheus-node", [], "prometheus-node"),
        ("prometheus-node", ["prometheus-node\x1b[31m"], "prometheus-node"),
    ],
)
def test_a_name_that_the_kernel_cut_is_made_whole(comm: str, words: list[str], name: str) -> None:
    assert full_name(comm, words) == name


@given(st.lists(st.text(max_size=20), max_size=8))
def test_any_command_line_is_bounded_and_escaped(words: list[str]) -> None:
    for first in ("java", "python3", "node", "ruby", "php", "beam.smp", "sh"):
        shown = str(Process(1, "x", program_of([first, *words])))
        assert shown.isprintable()
        assert len(shown) < 100
    program_of(words)
    full_name("x" * 15, words)


def test_it_stands_beside_the_name() -> None:
    assert str(Process(7, "java", "org.apache.Main")) == "java org.apache.Main (pid 7)"
    assert str(Process(7, "java")) == "java (pid 7)"
    assert len(str(Process(7, "java", "a" * 4000))) < 80
