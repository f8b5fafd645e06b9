"""The proxy in a trial: who started this script plays it, and is told what to do by lines on standard output.

Refuses to know what is sent. No time passes but while somebody reads.
"""

import sys


class Trial:
    """Each connection has a world of its own: a client, the proxy and its server, at time 0."""

    def __init__(self):
        self.time, self.patience = 0, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """What is printed from here on is for people."""
        self.tell("over")

    def tell(self, *words):
        print(*words, flush=True)

    def dial(self):
        self.time = 0
        self.tell("dial")
        return self

    def now(self):
        return self.time

    def sendall(self, octets):
        self.tell("send", octets.hex())

    def settimeout(self, patience):
        self.patience = patience

    def recv(self, _):
        self.tell("read", int(self.patience * 1e9))
        time, came, *octets = sys.stdin.readline().split()
        self.time = int(time) / 1e9
        if came == "nothing":
            raise TimeoutError
        return bytes.fromhex("".join(octets))

    def close(self):
        self.tell("close")
