"""A bad network between a client and the server: a proxy on loopback that does to the answers what it is told to.

    with faults.Proxy(server.port) as proxy:
        proxy.script("/changes", Fault("cut", after=100), None)   # the first such answer, then the second ...
        proxy.choose = lambda method, path: Fault("flip", ...)    # or one for each request; None: it passes
        proxy.heal()

An answer is read whole from the server, changed, and sent; events pass as they come. Bodies stay compressed as the
server sent them, and lengths are what the fault makes of them."""
import collections
import dataclasses
import http.client
import json
import socket
import threading
import time

# All but those that end only when the client, or the healing, ends them: trickle, blackhole, half_open.
PASSING = ("cut", "delay", "duplicate", "doubled", "stale", "reorder", "truncate", "length_small", "length_large",
           "flip", "busy", "too_many")
OF_ONE_HOP = ("transfer-encoding", "connection")


@dataclasses.dataclass
class Fault:
    """`what` one of the names above; `at`: where, as a share of the answer's bytes (0: first, 1: after the last)."""
    what: str
    at: float = 0.5
    seconds: float = 0.2
    in_head: bool = False
    bit: int = 0
    code: str = ""      # of "gone", a 410
    status: int = 502   # of "page", a proxy's own

    def __str__(self):
        return f"{self.what}@{self.at:.3f}{' of the head' if self.in_head else ''}"


@dataclasses.dataclass
class Received:
    status: int
    reason: str
    headers: list
    body: bytes

    def bytes(self, length=None):
        """As sent: `length` is what Content-Length says, should it not be the body's."""
        lines = [f"HTTP/1.1 {self.status} {self.reason}"]
        lines += [f"{k}: {v}" for k, v in self.headers if k.lower() not in (*OF_ONE_HOP, "content-length")]
        if self.status not in (204, 304):
            lines.append(f"Content-Length: {len(self.body) if length is None else max(length, 0)}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n"


def refusal(status, **more):
    what = {"type": "about:blank", "title": "busy", "status": status, "detail": "busy", "message": "busy here", **more}
    body = json.dumps(what)
    return Received(status, "Busy", [("Content-Type", "application/problem+json"), ("Retry-After", "1")], body.encode())


# Answers in the server's stead.
OWN = {
    "busy": lambda fault: refusal(503),
    "too_many": lambda fault: refusal(429),
    "gone": lambda fault: refusal(410, code=fault.code, hint="as it says"),
    "page": lambda fault: Received(fault.status, "No", [("Content-Type", "text/html")], b"<html>a proxy's own</html>"),
}


def random_fault(choice, names=PASSING):
    return Fault(choice.choice(names), choice.random(), choice.random() / 4, choice.random() < 0.3, choice.randrange(8))


class Proxy:
    def __init__(self, port):
        self.upstream = port
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.scripts = []
        self.open = set()
        self.closed = False
        self.earlier = {}     # {(method, path without query): the first answer}
        self.last = None      # the answer that was due before, for "reorder"
        self.requests = []    # [(seconds, method, path with query)]
        self.done = collections.Counter()
        self.refused = collections.Counter()  # {code: how often}, of the server's 410s
        self.choose = lambda method, path: None
        self.change = None    # (part of the path, what changes the Received): the next answer to it
        self.events = None    # None: pass; "buffered"; "half_open": silent after the first event
        self.healed = threading.Event()
        self.healed.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def script(self, part, *what):
        """For the next answers to paths with this part, one each."""
        self.healed.clear()
        with self.lock:
            self.scripts.append((part, list(what)))

    def heal(self):
        """From here on everything passes, and what is held up goes on."""
        with self.lock:
            self.scripts.clear()
            self.choose = lambda method, path: None
            self.events = None
            self.last = None
        self.healed.set()

    def break_off(self):
        """Every connection there is."""
        with self.lock:
            for each in list(self.open):
                end(each)

    def close(self):
        self.closed = True
        self.healed.set()
        end(self.listener)
        self.listener.close()
        self.break_off()

    def count(self, part):
        """{path with query: how often it was asked for}"""
        with self.lock:
            return collections.Counter(path for _, _, path in self.requests if part in path)

    def forget(self):
        with self.lock:
            self.requests.clear()

    def _fault(self, method, path):
        with self.lock:
            self.requests.append((time.monotonic(), method, path))
            for part, left in self.scripts:
                if part in path and left:
                    return left.pop(0)
            return self.choose(method, path)

    def _accept(self):
        while not self.closed:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.open.add(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            with client, client.makefile("rb") as reader:
                while self._one(client, reader):
                    pass
        except (OSError, http.client.HTTPException):
            pass  # either side went away: the other is told by the end of its connection
        finally:
            with self.lock:
                self.open.discard(client)

    def _one(self, client, reader):
        """A request and its answer; whether the connection is good for another."""
        line = reader.readline()
        if not line:
            return False
        method, path, _ = line.decode("latin-1").split(" ", 2)
        headers = []
        while (line := reader.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers.append((name, value.strip()))
        length = next((int(v) for k, v in headers if k.lower() == "content-length"), 0)
        if any(k.lower() == "expect" for k, _ in headers):
            client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = reader.read(length)
        fault = self._fault(method, path)
        if fault:
            self.done[fault.what] += 1
        if fault and fault.what == "half_open":
            return self._silence(client)
        if fault and fault.what in OWN:
            answer = OWN[fault.what](fault)
            client.sendall(answer.bytes() + answer.body)
            return True
        server = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=150)
        try:
            server.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers:
                left_out = ("connection", "expect", "accept-encoding") if self.change else ("connection", "expect")
                if name.lower() not in left_out:
                    server.putheader(name, value)
            server.putheader("Connection", "close")
            server.endheaders(body or None)
            answer = server.getresponse()
            if "/events" in path and answer.status == 200 and not fault:
                return self._stream(client, answer)
            answer = Received(answer.status, answer.reason, answer.getheaders(), answer.read())
        finally:
            server.close()
        if answer.status == 410:
            self.refused[json.loads(answer.body)["code"]] += 1
        if self.change and self.change[0] in path and answer.body:
            change, self.change = self.change[1], None
            change(answer)
        return self._send(client, (method, path.split("?")[0]), answer, fault)

    def _send(self, client, key, answer, fault):
        with self.lock:
            stale = self.earlier.setdefault(key, answer)
            before, self.last = self.last, answer
        if fault is None:
            client.sendall(answer.bytes() + answer.body)
            return True
        if fault.what == "delay":
            time.sleep(fault.seconds)
        elif fault.what == "stale":
            answer = stale
        elif fault.what == "reorder":
            answer = before or answer
        elif fault.what == "truncate":  # whole as HTTP has it
            answer = dataclasses.replace(answer, body=answer.body[:int(len(answer.body) * fault.at)])
        elif fault.what == "doubled":
            answer = dataclasses.replace(answer, body=answer.body * 2)
        raw = answer.bytes() + answer.body
        if fault.what == "cut":
            client.sendall(raw[:int(len(raw) * fault.at)])
            return False
        if fault.what == "duplicate":  # the second one is in nobody's Content-Length
            client.sendall(raw + answer.body)
            return True
        if fault.what in ("length_small", "length_large"):
            off = 1 + int(len(answer.body) * fault.at)
            wrong = answer.bytes(len(answer.body) + (off if fault.what == "length_large" else -off))
            client.sendall(wrong + answer.body)
            return False
        if fault.what == "flip":
            head = len(raw) - len(answer.body)
            begin, size = (0, head) if fault.in_head or not answer.body else (head, len(answer.body))
            place = begin + min(int(size * fault.at), size - 1)
            raw = raw[:place] + bytes([raw[place] ^ 1 << fault.bit]) + raw[place + 1:]
            client.sendall(raw)
            return not fault.in_head
        if fault.what == "blackhole":
            client.sendall(raw[:int(len(raw) * fault.at)])
            return self._silence(client)
        if fault.what == "trickle":
            begin = 0 if fault.in_head else len(raw) - len(answer.body)
            client.sendall(raw[:begin])
            for place in range(begin, len(raw)):
                if self.healed.is_set():
                    client.sendall(raw[place:])
                    return True
                client.sendall(raw[place:place + 1])
                self.healed.wait(1)
            return True
        client.sendall(raw)
        return True

    def _silence(self, client):
        """Nothing comes, nothing ends, until the client ends it."""
        while not self.closed and client.recv(65536):
            pass
        return False

    def _stream(self, client, answer):
        held, events = [], self.events
        head = "".join(f"{k}: {v}\r\n" for k, v in answer.getheaders() if k.lower() not in OF_ONE_HOP)
        held.append(f"HTTP/1.1 200 OK\r\n{head}Connection: close\r\n\r\n".encode())
        if events != "buffered":
            client.sendall(held.pop())
        while piece := answer.read1(65536):
            if events == "buffered":
                held.append(piece)
                continue
            client.sendall(piece)
            if events == "half_open" and b"data:" in piece:
                return self._silence(client)
        client.sendall(b"".join(held))
        return False


def end(connection):
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it had ended

