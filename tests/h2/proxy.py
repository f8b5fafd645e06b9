"""The proxy as a process, and what it costs.

Refuses to know what is done to it.
"""

import os
import re
import subprocess
import tempfile

from wire import Port


class Proxy(Port):
    """`pulseless proxy` on a free port of 127.0.0.1, with its warnings; killed at the end."""

    def __init__(self, binary, upstream, log="warn"):
        self.log = tempfile.TemporaryFile()
        command = [binary, "proxy", "--listen", "127.0.0.1:0", "--upstream", "%s:%d" % upstream]
        environment = {**os.environ, "PULSELESS_LOG": log, "NO_COLOR": "1"}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, env=environment, text=True)
        host, port = re.search(r"listens on (.*):(\d+)", self.process.stdout.readline()).groups()
        super().__init__((host, int(port)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def said(self):
        """Its log so far."""
        return os.pread(self.log.fileno(), 1 << 30, 0).decode()

    def memory(self):
        """Resident bytes."""
        with open(f"/proc/{self.process.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def seconds(self):
        """CPU, of user and system."""
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
