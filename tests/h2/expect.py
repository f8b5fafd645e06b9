"""What a correct server does: each function makes a judge of a connection, which returns None or what is wrong.

Refuses to know the cases.
"""


def awaits(wanted):
    """No judge, but a step of a case: goes on when that has come."""
    def step(connection):
        assert connection.until(lambda: wanted(connection)), connection.state()
    return step


def dies(*codes):
    """A connection error (RFC 9113 section 5.4.1): GOAWAY with one of these codes, and the connection is closed."""
    def judge(connection):
        connection.until(lambda: connection.closed)
        if connection.goaway not in codes or not connection.closed:
            return f"GOAWAY {' or '.join(codes)} and the end"
    return judge


def closes(connection):
    """The end, with or without a GOAWAY: the peer speaks no HTTP/2."""
    connection.until(lambda: connection.closed)
    return None if connection.closed else "the end"


def resets(*codes, stream=1):
    """A stream error (RFC 9113 section 5.4.2): RST_STREAM with one of these codes, and the connection lives."""
    def judge(connection):
        connection.until(lambda: connection.stream(stream).code)
        if connection.stream(stream).code not in codes or not connection.lives():
            return f"RST_STREAM {' or '.join(codes)} and life"
    return judge


def fails(*codes, stream=1):
    """A stream error, or a connection error in its place, as section 5.4.1 allows."""
    def judge(connection):
        connection.until(lambda: connection.stream(stream).code or connection.goaway)
        if (connection.stream(stream).code or connection.goaway) not in codes:
            return f"RST_STREAM or GOAWAY {' or '.join(codes)}"
    return judge


def answers(*streams, body=None, status="200"):
    """Each of these streams gets a whole answer, and the connection lives."""
    def judge(connection):
        for number in streams:
            connection.until(lambda: connection.stream(number).ended or connection.stream(number).code)
            stream = connection.stream(number)
            if not stream.ended or stream.headers[0][":status"] != status or body not in (None, stream.body):
                return f"an answer on stream {number}"
        return lives(connection)
    return judge


def lives(connection):
    """A PING comes back, and there is no GOAWAY."""
    return None if connection.lives() else "life"
