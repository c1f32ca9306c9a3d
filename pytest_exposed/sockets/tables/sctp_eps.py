"""/proc/<pid>/net/sctp/eps: a row for each SCTP endpoint.

Format: net/sctp/proc.c (sctp_eps_seq_show).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address

from pytest_exposed.sockets import table
from pytest_exposed.sockets.table import LISTEN, Socket, TableError, port_of

_ENDPOINT = re.compile(
    rb" *[0-9a-fx()nul]+ +[0-9a-fx()nul]+ +[0-9]+ +([0-9]{1,3}) +[0-9]+ +([0-9]{1,5})"
    rb" +([0-9]{1,10}) +([0-9]{1,20})((?: +[0-9A-Fa-f.:*]+)*) *"
)


def parse_endpoints(lines: Iterable[bytes]) -> list[Socket]:
    """Return the listening SCTP endpoints in a table sctp/eps, one for each address.

    Columns: ENDPT SOCK STY SST HBKT LPORT UID INODE LADDRS; LPORT is decimal, and SST 10 is LISTEN.
    """
    rows = iter(lines)
    if next(rows, b"").split()[:4] != [b"ENDPT", b"SOCK", b"STY", b"SST"]:
        raise TableError("sctp/eps does not begin with the heading of a table of endpoints")
    sockets = []
    for count, line in enumerate(rows):
        match = _ENDPOINT.fullmatch(line)
        if match is None or count >= table.MOST_ROWS:
            raise TableError(f"line {count + 2} of sctp/eps is not a row of a table of endpoints")
        if int(match[1]) != LISTEN:
            continue
        port = port_of(int(match[2]), "sctp/eps")
        for text in match[5].decode().replace("*", " ").split() or ["::"]:
            try:
                address = str(ip_address(text))
            except ValueError:
                raise TableError(f"sctp/eps has an address {text!r}") from None
            sockets.append(Socket("sctp", address, port, int(match[4]), int(match[3])))
    return sockets
