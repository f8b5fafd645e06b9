"""Plays every case of RFC 9113 and RFC 7541 against `pulseless proxy`, each on a connection of its own: on real TCP, or in a
trial if `trial` stands where the binary would.

Refuses to know the cases. Prints those that go wrong, and how many there were; ends with 1 if any did, or if one goes right
that is known to be wrong.
"""

import sys
from concurrent import futures

import cases_connection
import cases_frames
import cases_http
import cases_streams
from backend import Backend
from proxy import Proxy
from trial import Trial
from wire import PREFACE, Connection, settings

# Where the h2 crate (0.4.20) does otherwise. The connection ends, but with PROTOCOL_ERROR in the place of the code that RFC 9113 asks
# for: only who reads the code can tell.
KNOWN = {
    "4.3 a header block that is none",
    "4.3 a header block that ends in a field",
    "5.1 half-closed (remote): DATA",
    "5.1 half-closed (remote): HEADERS",
    "6.5.2 INITIAL_WINDOW_SIZE of 2^31",
    "8.1 DATA after trailers",
    "7541 2.3.3 an index above the tables",
    "7541 2.3.3 a name's index above the tables",
    "7541 4.2 a size update at the end of a block",
    "7541 5.1 an integer without an end",
    "7541 5.2 a Huffman string with padding of more than 7 bits",
    "7541 5.2 a Huffman string with padding of zeros",
    "7541 5.2 a Huffman string with EOS",
    "7541 6.1 index 0",
    "7541 6.3 a size update above SETTINGS_HEADER_TABLE_SIZE",
    # It drops the field, and the request goes on without it.
    "8.3 a pseudo-header field in trailers",
}
CASES = cases_connection.CASES + cases_streams.CASES + cases_frames.CASES + cases_http.CASES


def play(place, section, what, steps, judge, greeting=PREFACE + settings()):
    connection = Connection(place, greeting)
    for step in steps:
        connection.send(step) if isinstance(step, bytes) else step(connection)
    wanted, name = judge(connection), f"{section} {what}"
    connection.close()
    if wanted and name not in KNOWN:
        return f"{name}: {wanted} would be right, not: {connection.state()}"
    if not wanted and name in KNOWN:
        return f"{name}: is right, and no longer to be listed among what is known to be wrong"


def main():
    where, *only = sys.argv[1:]
    chosen = [case for case in CASES if not only or f"{case[0]} {case[1]}" in only]
    if where == "trial":
        with Trial() as trial:
            wrong = [play(trial, *case) for case in chosen]
    else:
        with Proxy(where, Backend().address) as proxy, futures.ThreadPoolExecutor(8) as pool:
            wrong = list(pool.map(lambda case: play(proxy, *case), chosen))
    wrong = list(filter(None, wrong))
    known = sum(f"{case[0]} {case[1]}" in KNOWN for case in chosen)
    print(*wrong, f"{len(chosen) - len(wrong)} of {len(chosen)} cases are as they should be or ({known}) as h2 has them", sep="\n")
    sys.exit(bool(wrong))


main()
