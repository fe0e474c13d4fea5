"""What stands between a client and `tideline serve` in the field: an end of TLS, and a forward proxy (CONNECT). Both
pass bytes on as they come."""
import socket
import ssl
import subprocess
import threading


def certificates(directory, *names):
    """(CA's PEM, server's PEM with its key) for these names, made by the openssl program."""
    ca, own = directory / "ca.pem", directory / "server.pem"

    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, cwd=directory)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", ca, "-days", 2, "-subj", "/CN=a private authority")
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=server")
    (directory / "names").write_text("subjectAltName=" + ",".join(names))
    openssl("x509", "-req", "-in", "server.csr", "-CA", ca, "-CAkey", "ca.key", "-CAcreateserial", "-days", 2,
            "-extfile", "names", "-out", "server.crt")
    own.write_text((directory / "server.crt").read_text() + (directory / "server.key").read_text())
    return ca, own


class Passage:
    """Listens on loopback and hands each connection to `serve`, in a thread of its own."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(client,), daemon=True).start()

    def _one(self, client):
        try:
            self.serve(client)
        except OSError:
            pass  # either side went away, or did not like the other's certificate
        finally:
            client.close()


class TlsEnd(Passage):
    def __init__(self, certificate, port):
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.load_cert_chain(certificate)
        self.upstream = port
        super().__init__()

    def serve(self, client):
        with self.context.wrap_socket(client, server_side=True) as inside:
            with socket.create_connection(("127.0.0.1", self.upstream)) as server:
                join(inside, server)


class ForwardProxy(Passage):
    """Leads every name to this machine; keeps what it was asked for."""

    def __init__(self):
        self.asked = []
        super().__init__()

    def serve(self, client):
        with client.makefile("rb", buffering=0) as reader:
            request = reader.readline().decode()
            while reader.readline() not in (b"\r\n", b""):
                pass
        self.asked.append(request.split(" HTTP")[0])
        port = int(request.split()[1].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as server:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            join(client, server)


def join(left, right):
    """Until either ends."""
    def pass_on(source, sink):
        try:
            while piece := source.recv(65536):
                sink.sendall(piece)
        except OSError:
            pass
        for each in (source, sink):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    back = threading.Thread(target=pass_on, args=(right, left), daemon=True)
    back.start()
    pass_on(left, right)
    back.join()
